"""``mmonnx.export`` with a verification that does not hold: an error, or what came of it where that is asked for."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from models import line_marked_here, small_config
from torch import nn

import mmonnx
from mmonnx import cli, loading, pipeline
from mmonnx.codebases.mmdet import detections
from mmonnx.runtime.results import Scores
from mmonnx.support.errors import InputError, VerificationError
from mmonnx.terminal.report import Report

FASTER = "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"
RETINANET = "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"
CLASSIFIER = "mmonnx::digits/mobilenet_v2_digits.py"


class Maximum(nn.Module):
    def forward(self, x):
        return x * float(x.max())  # here


class Branch(nn.Module):
    def forward(self, x):
        return x + 1 if x.sum() > 0 else x  # here


class Rows(nn.Module):
    def forward(self, x):
        return x * len(x.tolist())  # here


class Rounded(nn.Module):
    def forward(self, x):
        return torch.from_numpy(x.numpy().round()) + x  # here


class Double(nn.Module):
    def forward(self, x):
        return x * 2


MODELS = [(Maximum, None), (Branch, None), (Rows, {"input": [0]}), (Rounded, None)]


def attempt(model, folder, **options):
    options = dict(verify=True, report=Report(io.StringIO()), **options)
    return mmonnx.export(model, torch.full((2, 6), 0.6), str(folder / "model.onnx"), **options)


@pytest.mark.parametrize(("model", "axes"), MODELS)
def test_a_file_that_differs_is_an_error_which_says_what_and_where(tmp_path, model, axes):
    module = model().train()
    with pytest.raises(mmonnx.VerificationError) as raised:
        attempt(module, tmp_path, dynamic_axes=axes)
    error = raised.value
    assert isinstance(error, mmonnx.MmonnxError) and error.status == 1 and not list(tmp_path.iterdir())
    said = str(error)
    assert said.startswith(f"{tmp_path / 'model.onnx'} was not written: the file does not agree with PyTorch on ")
    first = next(result for result in error.exported.results if not result.ok)
    assert f" on {first.name} (and " in said and first.problems[0] in said
    assert f"{__file__}:{line_marked_here(model)} " in said
    assert said.endswith("fix that line, or give on_mismatch='return' for the results of all cases")
    assert "\n" not in said and module.training


@pytest.mark.parametrize(("model", "axes"), MODELS)
def test_it_is_returned_where_that_is_asked_for(tmp_path, model, axes):
    with pytest.raises(VerificationError) as raised:
        attempt(model(), tmp_path, dynamic_axes=axes)
    found = attempt(model(), tmp_path, dynamic_axes=axes, on_mismatch="return")
    assert isinstance(found, pipeline.Exported) and not found.ok and found.path is None
    assert [(case.name, case.ok) for case in found.results] == [
        (case.name, case.ok) for case in raised.value.exported.results
    ]
    assert found.mismatch in str(raised.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("on_mismatch", ["raise", "return"])
def test_nothing_is_raised_of_what_agrees(tmp_path, on_mismatch):
    found = attempt(Double(), tmp_path, on_mismatch=on_mismatch)
    assert found.ok and found.mismatch == "" and found.path.exists()


def test_a_file_that_was_there_stays_and_each_call_says_so(tmp_path):
    attempt(Double(), tmp_path)
    before = (tmp_path / "model.onnx").read_bytes()
    for model in (Maximum, Branch, Maximum):
        with pytest.raises(VerificationError, match="was not written, and what is there is as it was: the file"):
            attempt(model(), tmp_path)
        assert (tmp_path / "model.onnx").read_bytes() == before
    assert attempt(Double(), tmp_path).ok


@pytest.mark.parametrize("value", ["warn", "", None, False, ["raise"]])
def test_another_answer_to_a_mismatch_is_refused_before_anything_is_done(tmp_path, value):
    with pytest.raises(InputError) as raised:
        mmonnx.export(None, None, str(tmp_path / "x.onnx"), on_mismatch=value)
    assert str(raised.value) == f"on_mismatch is {value!r}; expected 'raise' or 'return'; give one of these"


def test_without_a_verification_nothing_can_be_told(tmp_path):
    assert mmonnx.export(Maximum(), torch.ones(2, 6), str(tmp_path / "x.onnx"), report=Report(io.StringIO())).ok


def test_each_thread_gets_its_own(tmp_path):
    models = [Maximum(), Double(), Branch(), Double(), Rounded()]
    for number in range(len(models)):
        (tmp_path / str(number)).mkdir()
    with ThreadPoolExecutor(len(models)) as pool:
        found = [pool.submit(attempt, model, tmp_path / str(number)) for number, model in enumerate(models)]
        errors = [future.exception() for future in found]
    assert [type(error) for error in errors] == [
        VerificationError,
        type(None),
        VerificationError,
        type(None),
        VerificationError,
    ]
    for number in (0, 2, 4):
        assert str(errors[number]).startswith(str(tmp_path / str(number)))


@pytest.mark.parametrize(
    "config", [CLASSIFIER, pytest.param("mmcls::mobilenet_v2/mobilenet-v2_8xb32_in1k.py", marks=pytest.mark.once)]
)
def test_a_classifier_with_a_fault(tmp_path, monkeypatch, capsys, config):
    from mmonnx.codebases.mmcls import classifiers as mmcls

    monkeypatch.setattr(mmcls, "_read", lambda outputs: [Scores(row[::-1]) for row in outputs["probs"]])
    load = loading.LoadOptions(shape=(64, 64))
    settings = mmonnx.ExportSettings(config, output_file=str(tmp_path / "x.onnx"), load=load, verify=True)
    with pytest.raises(
        VerificationError, match="does not agree with PyTorch on photograph 64x64 .*; fix what the trace"
    ):
        mmonnx.export(settings)
    assert not mmonnx.export(settings, on_mismatch="return").ok and not list(tmp_path.iterdir())
    # the command's own way to say it
    assert cli.main(["export", config, "--shape", "64", "--output-file", str(tmp_path / "x.onnx"), "--verify"]) == 1
    told = capsys.readouterr()
    assert "x.onnx was not written: the file does not agree with PyTorch on" in told.out and not told.err


@pytest.mark.parametrize(
    ("name", "options"),
    [pytest.param(FASTER, None, marks=pytest.mark.once), (RETINANET, {"model.test_cfg.score_thr": 0.0})],
)
def test_a_detector_with_a_fault(tmp_path, monkeypatch, name, options):
    read = detections._read_detections

    def moved(outputs):
        return read({**outputs, "dets": outputs["dets"] + np.float32([2, 0, 2, 0, 0])})

    monkeypatch.setattr(detections, "_read_detections", moved)
    settings = detector(tmp_path, name, options)
    with pytest.raises(
        VerificationError, match="does not agree with PyTorch on (photograph|driven) 96x128.*: .*; expected"
    ):
        mmonnx.export(settings, Report(io.StringIO()))
    assert not mmonnx.export(settings, Report(io.StringIO()), on_mismatch="return").ok
    assert not (tmp_path / "x.onnx").exists()


def detector(folder, name, options=None):
    load = loading.LoadOptions(shape=(96, 128))
    config = small_config(name, folder, options)
    return mmonnx.ExportSettings(config, output_file=str(folder / "x.onnx"), load=load, verify=True)


@pytest.mark.parametrize(
    "name, key",
    [
        (RETINANET, "model.test_cfg.score_thr"),
        pytest.param("mmdet::atss/atss_r50_fpn_1x_coco.py", "model.test_cfg.score_thr", marks=pytest.mark.once),
        (FASTER, "model.test_cfg.rcnn.score_thr"),
    ],
)
def test_a_detector_that_finds_nothing_was_not_verified_whatever_agrees_inside(tmp_path, name, key):
    settings = detector(tmp_path, name, {key: 1.0})
    with pytest.raises(VerificationError) as raised:
        mmonnx.export(settings, Report(io.StringIO()))
    assert str(raised.value) == (
        f"{settings.output_file} was not written: no case has any answer to compare; expected PyTorch's own answers; "
        "give inputs, or a test_image, of which the model makes something, or give on_mismatch='return' for the "
        "results of all cases"
    )
    assert not (tmp_path / "x.onnx").exists()
