"""Exports from within settings of torch that are not the ordinary ones."""

import contextlib
import io

import numpy as np
import onnxruntime
import pytest
import torch
from crowds import together
from models import once_if, small_config
from torch import nn

import mmonnx
from mmonnx import fallback, loading
from mmonnx.environment import compat
from mmonnx.environment.surroundings import ordinary
from mmonnx.terminal.report import Report

fallback.ensure()
FASTER = "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"
SHAPE = (128, 160)


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def default_tensor_type(kind):
    torch.set_default_tensor_type(kind)
    try:
        yield
    finally:
        torch.set_default_tensor_type(torch.FloatTensor)


@contextlib.contextmanager
def default_device(device):
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextlib.contextmanager
def threads(number):
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


SETTINGS = {
    "default dtype": lambda: default_dtype(torch.float64),
    "default tensor type": lambda: default_tensor_type(torch.DoubleTensor),
    "deterministic": deterministic,
    "gradients": torch.enable_grad,
    "no gradients": torch.no_grad,
    "threads": lambda: threads(3),
}
if hasattr(torch, "autocast"):
    SETTINGS["autocast"] = lambda: torch.autocast("cpu", dtype=torch.bfloat16)
if hasattr(torch, "inference_mode"):
    SETTINGS["inference mode"] = torch.inference_mode
if hasattr(torch, "set_default_device"):
    SETTINGS["default device"] = lambda: default_device("meta")
    SETTINGS["device block"] = lambda: torch.device("meta")
DEVICES = {"default device", "device block"}
ORDINARY = {"deterministic", "gradients", "no gradients", "threads"}
settings = pytest.mark.parametrize("name", SETTINGS)


def state():
    """All of these settings, as the operators of a model meet them."""
    made, product = torch.zeros(1), torch.ones(2, 2) @ torch.ones(2, 2)
    asked = ("is_inference_mode_enabled", "is_autocast_enabled", "is_autocast_cpu_enabled", "get_num_threads")
    return (
        (made.dtype, made.device.type, product.dtype, torch.get_default_dtype(), torch.is_grad_enabled())
        + (torch.are_deterministic_algorithms_enabled(),)
        + tuple(getattr(torch, name)() for name in asked if hasattr(torch, name))
        + ((torch._C._len_torch_function_stack(),) if hasattr(torch._C, "_len_torch_function_stack") else ())
    )


class Making(nn.Module):
    """Makes tensors of its own, of no stated type and on no stated device."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.register_buffer("scale", torch.ones(8))

    def forward(self, rows):
        shifted = self.layer(rows) * self.scale + torch.arange(0.0, 8.0) / 8 + torch.zeros(8)
        return shifted.relu().softmax(-1) @ torch.eye(8)


def export_module(module, rows, path):
    exported = mmonnx.export(
        module, rows, str(path), dynamic_axes={"input": [0]}, verify=True, report=Report(io.StringIO())
    )
    assert exported.ok and all(result.ok and result.total for result in exported.results)
    return onnxruntime.InferenceSession(str(path))


@settings
def test_a_module_is_exported_right_and_the_settings_stay(name, tmp_path):
    torch.manual_seed(0)
    module, rows = Making().eval(), torch.randn(3, 8)
    with torch.no_grad():
        expected, values = module(rows).numpy(), rows.numpy()
    with SETTINGS[name]():
        before = state()
        session = export_module(module, rows, tmp_path / "file.onnx")
        assert state() == before
    actual = session.run(None, {"input": values})[0]
    assert actual.dtype == np.float32 and np.allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - DEVICES))  # on this device no tensor has values
def test_what_is_made_in_such_settings_is_exported_too(name, tmp_path):
    with SETTINGS[name]():
        module, rows = Making().eval(), torch.randn(3, 8)
        kind = rows.dtype
        session = export_module(module, rows, tmp_path / "file.onnx")
        with ordinary(module), torch.no_grad():
            expected = module(rows)
    assert expected.dtype == kind  # of the type that it was made with
    actual = session.run(None, {"input": rows.numpy()})[0]
    assert actual.dtype == expected.numpy().dtype and np.allclose(actual, expected.numpy(), atol=1e-6)


def test_a_module_of_another_type_than_the_default_one_is_exported_as_it_is(tmp_path):
    module, rows = Making().double().eval(), torch.randn(3, 8).double()
    module.forward = lambda rows: module.layer(rows) * module.scale
    session = export_module(module, rows, tmp_path / "file.onnx")
    with torch.no_grad():
        assert np.allclose(session.run(None, {"input": rows.numpy()})[0], module(rows).numpy(), atol=1e-12)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return small_config(FASTER, tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def task(config):
    return loading.load(config, None, loading.LoadOptions(shape=SHAPE))


@pytest.mark.parametrize("name", once_if(ORDINARY.__contains__, SETTINGS))
def test_a_detector_is_loaded_and_exported_right_and_the_settings_stay(name, config, task, tmp_path):
    path = tmp_path / "file.onnx"
    asked = mmonnx.ExportSettings(
        config, output_file=str(path), load=loading.LoadOptions(shape=SHAPE, dynamic=True), verify=True
    )
    with SETTINGS[name]():
        before = state()
        exported = mmonnx.export(asked, Report(io.StringIO()))
        assert state() == before
    assert exported.ok and sum(result.total for result in exported.results) > 0
    feeds = {"input": task.inputs["input"].numpy()}
    (actual,) = task.read(dict(zip(task.output_names, onnxruntime.InferenceSession(str(path)).run(None, feeds))))
    (expected,) = task.predict(task.inputs)
    assert len(expected.dets) >= 10 and np.array_equal(expected.labels, actual.labels)
    assert np.allclose(expected.dets, actual.dets, atol=1e-2)


@settings
def test_inference_is_what_it_is_without_them_to_the_bit(name, task):
    (expected,) = task.predict(task.inputs)
    with SETTINGS[name]():
        before = state()
        (found,) = task.predict(task.inputs)
        assert state() == before
    tolerance = 1e-3 if name == "threads" else 0  # sums are then of other parts
    assert np.array_equal(expected.labels, found.labels)
    assert np.abs(expected.dets - found.dets).max() <= tolerance


def test_mixed_precision_is_off_on_every_device():
    devices = ("cpu", "cuda") if compat.TORCH >= (2, 4) else ()
    for device in devices:
        torch.set_autocast_enabled(device, True)
        with ordinary():
            assert not torch.is_autocast_enabled(device)
        assert torch.is_autocast_enabled(device)
        torch.set_autocast_enabled(device, False)
    if not devices:
        torch.set_autocast_enabled(True)
        with ordinary():
            assert not torch.is_autocast_enabled()
        assert torch.is_autocast_enabled()
        torch.set_autocast_enabled(False)


def test_settings_are_back_after_an_error_inside():
    with default_dtype(torch.float64), deterministic():
        before = state()
        with pytest.raises(KeyError), ordinary():
            assert state()[:4] == (torch.float32, "cpu", torch.float32, torch.float32)
            raise KeyError
        assert state() == before


def test_settings_of_the_process_are_back_when_the_last_thread_leaves():
    def work():
        for _ in range(200):
            with ordinary():
                assert torch.get_default_dtype() is torch.float32
                assert not torch.are_deterministic_algorithms_enabled()

    with default_dtype(torch.float64), deterministic():
        together([work] * 8)
        assert torch.get_default_dtype() is torch.float64 and torch.are_deterministic_algorithms_enabled()


def test_what_is_set_inside_on_purpose_stays():
    with default_dtype(torch.float64):
        with ordinary():
            torch.set_default_dtype(torch.float16)
        assert torch.get_default_dtype() is torch.float16
