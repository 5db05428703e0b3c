"""Exports and inference in several threads at once."""

import importlib
import io
import logging
import sys
import threading
import types
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from crowds import in_thread, together
from models import load_small, small_config
from PIL import Image
from torch import nn

import mmonnx
from mmonnx import fallback, loading
from mmonnx.codebases.plain.modules import module_task
from mmonnx.environment import compat
from mmonnx.environment.roundings import layers_round_otherwise
from mmonnx.environment.ties import ties_at_random, ties_by_index
from mmonnx.loading.task import to_numpy
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import REGISTRY, ExportContext, rewriting
from mmonnx.rewriting.rewrites.registry import resolve
from mmonnx.runtime.images import read_image
from mmonnx.runtime.session import Session
from mmonnx.support.threads import alone
from mmonnx.terminal.report import Report
from mmonnx.tracing.tracer import trace

fallback.ensure()
importlib.import_module("mmdet.models")
FASTER = "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"
MASK = "mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py"
SHAPE = (128, 160)


def replaced_by_anything():
    """All that an export or an inference changes in a process for a while, as it is now."""
    owners = {
        "torch": torch,
        "torch.Tensor": torch.Tensor,
        "torch.onnx": torch.onnx,
        "mmcv._ext": sys.modules["mmcv._ext"],
    }
    owners.update({path: module for path, module in sys.modules.items() if path.split(".")[0] in ("mmcv", "mmdet")})
    for item in REGISTRY.values():
        try:
            with compat.newest_mmcv_taken():  # mmocr and others refuse it for its number
                owner, _ = resolve(item.path)
        except LookupError:  # another release of the package
            continue
        owners[item.path.rpartition(".")[0]] = owner
    found = {(path, name): value for path, owner in owners.items() for name, value in vars(owner).items()}
    found = {key: value for key, value in found.items() if key[1] != "__warningregistry__"}
    found["torch.overrides", "has_torch_function"] = torch.overrides.has_torch_function
    found["sys", "path"], found["warnings", "filters"] = tuple(sys.path), tuple(warnings.filters)
    for name in ("torch.onnx", "torch.utils.cpp_extension"):
        found[name, "level"] = logging.getLogger(name).level
    found["sys", "stdout"], found["logging", "disable"] = sys.stdout, logging.root.manager.disable
    return found


def assert_untouched(before):
    after = replaced_by_anything()
    changed = [key for key in before if key not in after or after[key] is not before[key] and after[key] != before[key]]
    known = {path for path, _ in before}
    changed += [
        key
        for key, value in after.items()
        if key not in before and key[0] in known and not isinstance(value, types.ModuleType)
    ]
    assert not changed


@pytest.fixture(autouse=True)
def quick_switches():
    """Let threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return load_small(FASTER, tmp_path_factory.mktemp("detector"), shape=SHAPE)


def same(first, second):
    return len(first) == len(second) and all(
        np.array_equal(one.dets, other.dets) and np.array_equal(one.labels, other.labels)
        for one, other in zip(first, second)
    )


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())

    def forward(self, image):
        return self.layers(image).mean((2, 3)).softmax(-1)


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16)

    def forward(self, tokens):
        return self.layer(tokens).topk(3)[0]


def export_plain(module, sample, path):
    exported = mmonnx.export(
        module, sample, str(path), dynamic_axes={"input": [0]}, verify=True, report=Report(io.StringIO())
    )
    assert exported.ok and len(exported.results) >= 3
    with torch.no_grad():
        expected = module.eval()(sample).numpy()
    actual = onnxruntime.InferenceSession(str(path)).run(None, {"input": sample.numpy()})[0]
    assert np.allclose(actual, expected, atol=1e-5)


def export_config(config, path):
    settings = mmonnx.ExportSettings(config, output_file=str(path), load=loading.LoadOptions(shape=SHAPE), verify=True)
    exported = mmonnx.export(settings, Report(io.StringIO()))
    assert exported.ok and sum(result.total for result in exported.results) > 0


def test_exports_of_several_threads_wait_for_each_other_and_are_right(tmp_path):
    torch.manual_seed(0)
    config = small_config(FASTER, tmp_path)
    normed, attending = (Normed().eval(), torch.randn(2, 3, 16, 16)), (Attending().eval(), torch.randn(5, 2, 8))
    before = replaced_by_anything()
    works = [
        lambda: export_plain(*normed, tmp_path / "normed.onnx"),
        lambda: export_plain(*attending, tmp_path / "attending.onnx"),
        lambda: export_plain(*normed, tmp_path / "again.onnx"),  # the same module
        lambda: export_config(config, tmp_path / "detector.onnx"),
    ]
    together(works)
    assert_untouched(before)
    assert (tmp_path / "normed.onnx").read_bytes() and not list(tmp_path.glob(".mmonnx-*"))


@pytest.mark.once
def test_an_export_outside_of_the_main_thread_is_as_one_inside(tmp_path):
    config = small_config(FASTER, tmp_path)
    export_config(config, tmp_path / "main.onnx")
    in_thread(lambda: export_config(config, tmp_path / "other.onnx"))
    files = [onnxruntime.InferenceSession(str(tmp_path / name)) for name in ("main.onnx", "other.onnx")]
    feeds = {"input": np.random.RandomState(0).randn(1, 3, *SHAPE).astype(np.float32)}
    assert all(np.array_equal(*pair) for pair in zip(*(file.run(None, feeds) for file in files)))


def test_many_predict_while_another_exports(detector, tmp_path):
    expected = detector.predict(detector.inputs)
    assert len(expected[0].dets) >= 10
    config = small_config(FASTER, tmp_path)
    before, training = replaced_by_anything(), detector.module.training

    def predict():
        return all(same(expected, detector.predict(detector.inputs)) for _ in range(10))

    # the same model too, which is traced meanwhile
    results = together(
        [predict] * 8
        + [lambda: export_config(config, tmp_path / "file.onnx"), lambda: trace(detector, 11, ExportContext())]
    )
    assert results[:8] == [True] * 8
    assert_untouched(before)
    assert detector.module.training == training
    assert same(expected, detector.predict(detector.inputs))


def test_many_predict_and_leave_nothing_replaced(detector):
    expected, before = detector.predict(detector.inputs), replaced_by_anything()
    found = together([lambda: detector.predict(detector.inputs)] * 8)
    assert_untouched(before)
    assert all(same(expected, one) for one in found)


def test_inference_waits_for_no_export_and_an_export_for_the_other(detector, tmp_path):
    other = threading.Thread(
        target=export_plain, args=(Normed().eval(), torch.randn(2, 3, 16, 16), tmp_path / "file.onnx")
    )
    with alone():  # as an export is
        other.start()
        assert len(in_thread(lambda: detector.predict(detector.inputs))[0].dets) >= 10
        other.join(1)
        assert other.is_alive() and not (tmp_path / "file.onnx").exists()
    other.join(60)
    assert (tmp_path / "file.onnx").exists()


@pytest.mark.once
def test_masks_of_the_head_are_given_to_each_of_many_threads(tmp_path):
    task = load_small(MASK, tmp_path, shape=SHAPE, mask_output="roi")
    pasted = load_small(MASK, tmp_path, shape=SHAPE)
    expected, whole = task.predict(task.inputs), pasted.predict(pasted.inputs)
    assert len(expected[0].dets) >= 5
    before = {**vars(type(task.module.model.roi_head.mask_head))}

    def predict(task, wanted):
        for _ in range(5):
            found = task.predict(task.inputs)
            assert same(wanted, found) and np.array_equal(found[0].masks, wanted[0].masks)

    traced = together(
        [lambda: predict(task, expected)] * 3
        + [lambda: predict(pasted, whole), lambda: trace(pasted, 11, ExportContext())]
    )[-1]
    (found,) = pasted.read(Session(lower(traced)).run(to_numpy(pasted.inputs)))
    assert len(found.dets) >= 5 and found.masks.shape[1:] == SHAPE
    assert {**vars(type(task.module.model.roi_head.mask_head))} == before
    assert "get_seg_masks" not in vars(task.module.model.roi_head.mask_head)


def test_what_another_thread_calls_meanwhile_is_torchs_own():
    scores = torch.tensor([0.5, 0.25, 0.5, 0.75]).repeat(40)
    expected = [torch.sort(scores), scores.topk(3), torch.max(scores[None], 1), torch.tril(scores.view(16, 10))]
    fast = getattr(torch.backends, "mha", None)

    def use():
        assert not torch.onnx.is_in_onnx_export()
        if fast is not None:
            assert fast.get_fastpath_enabled()
        found = [torch.sort(scores), scores.topk(3), torch.max(scores[None], 1), torch.tril(scores.view(16, 10))]
        return all(
            torch.equal(one, other) for first, second in zip(expected, found) for one, other in zip(first, second)
        )

    def while_traced():
        asked.append((torch.onnx.is_in_onnx_export(), in_thread(use)))

    class Asking(nn.Module):
        def forward(self, value):
            while_traced()
            return value + 1

    asked = []
    with rewriting(), ties_by_index():
        assert in_thread(use)
    task = module_task(Asking(), torch.zeros(2))
    asked.clear()
    trace(task, 11, ExportContext())
    assert asked and all(answer == (True, True) for answer in asked)


def test_noise_of_one_thread_does_not_shake_the_sorts_of_another():
    scores = torch.tensor([0.5, 0.5 + 2**-24, 0.25, 0.5]).repeat(40)
    expected = torch.from_numpy(np.argsort(-scores.numpy(), kind="stable"))
    shaking, done = threading.Event(), threading.Event()

    def shake():
        generator, orders = torch.Generator().manual_seed(0), set()
        with ties_by_index(), ties_at_random(generator, 4.0):
            while not done.is_set() or len(orders) < 20:
                orders.add(tuple(scores.sort(descending=True)[1].tolist()))
                shaking.set()
        return len(orders)

    def sort():
        try:
            assert shaking.wait(60)
            with ties_by_index():
                return all(torch.equal(scores.sort(descending=True)[1], expected) for _ in range(200))
        finally:
            done.set()

    shaken, steady = together([shake, sort])
    assert steady and shaken >= 20


def test_reading_an_image_puts_no_warnings_back_that_an_export_hid_meanwhile(tmp_path, monkeypatch):
    image = Image.new("RGB", (8, 8))
    image.save(str(tmp_path / "image.png"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # it is warned of
    before, opened, hidden = list(warnings.filters), threading.Event(), threading.Event()
    own = Image.open

    def slow(path):
        opened.set()
        assert hidden.wait(60)
        return own(path)

    monkeypatch.setattr(Image, "open", slow)
    thread = threading.Thread(target=read_image, args=(str(tmp_path / "image.png"),))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        thread.start()
        assert opened.wait(60)
    hidden.set()
    thread.join(60)
    assert list(warnings.filters) == before
    monkeypatch.setattr(Image, "open", own)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert read_image(str(tmp_path / "image.png")).shape == (8, 8, 3)
    assert not seen


def test_noise_of_layers_is_of_its_own_thread():
    layer, value = nn.Linear(4, 4), torch.ones(2, 4)
    with torch.no_grad():
        expected = layer(value)
        with layers_round_otherwise(layer, torch.Generator().manual_seed(0), 1e4):
            assert not torch.equal(layer(value), expected)
            assert in_thread(lambda: torch.equal(layer(value), expected))
