"""Detectors of what people do, whose boxes another detector has found."""

import onnx
import pytest
import torch

pytest.importorskip("recognizers")

from recognizers import small_config, small_recognizer

from mmonnx import cli
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.session import Session
from mmonnx.tracing import faults_of
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import make_cases, verify

pytestmark = pytest.mark.once  # mmaction2 is on the default stack alone
SLOWONLY = "mmaction::detection/ava/slowonly_kinetics_pretrained_r50_4x16x1_20e_ava_rgb.py"
SLOWFAST = "mmaction::detection/ava/slowfast_temporal_max_kinetics_pretrained_r50_8x8x1_cosine_10e_ava22_rgb.py"
ACRN = "mmaction::detection/acrn/slowfast_acrn_kinetics_pretrained_r50_8x8x1_cosine_10e_ava_rgb.py"
SMALL = {"model.backbone.base_channels": 8, "model.roi_head.bbox_head.in_channels": 256}
_TWO_WAYS = {
    "model.backbone.slow_pathway.base_channels": 16,
    "model.backbone.fast_pathway.base_channels": 2,
    "model.roi_head.bbox_head.in_channels": 576,
}
MODELS = {
    SLOWONLY: SMALL,
    SLOWFAST: _TWO_WAYS,
    ACRN: {
        **_TWO_WAYS,
        "model.roi_head.shared_head.in_channels": 1152,
        "model.roi_head.shared_head.out_channels": 64,
        "model.roi_head.bbox_head.in_channels": 64,
    },
}


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS, ids=["slowonly", "slowfast", "acrn"])
def test_it_says_what_each_does_as_pytorch_does(tmp_path, name):
    task = small_recognizer(name, tmp_path, MODELS[name], dynamic=True)
    context, cases = ExportContext(), make_cases(task, None, task.shape)
    session = Session(lower(trace(task, 11, context)))
    assert not faults_of(task, context, [case.feeds for case in cases[1:]])
    results = verify(task, session.run, cases)
    assert all(result.ok for result in results), [(one.name, one.problems) for one in results if not one.ok]
    names = {"film", "film of another size", "two films", "more people", "dark film"}
    assert {case.name for case in cases} == names
    (found,) = task.predict(task.samples["two films"])
    scores = found.values["scores"]
    assert scores.shape == (2, 3, 81) and scores.std() > 0.02 and abs(scores[0] - scores[1]).max() > 0.01
    assert abs(scores[0, 0] - scores[0, 1]).max() > 0.01


def test_upstreams_own_answer_is_that_of_the_task(tmp_path):
    task = small_recognizer(SLOWONLY, tmp_path, SMALL, shape=(32, 48))
    model, feeds = task.module.model, task.inputs
    meta = {"img_shape": (32, 48)}
    with torch.no_grad():
        (own,) = model(return_loss=False, img=[feeds["input"]], img_metas=[[meta]], proposals=[[feeds["proposals"][0]]])
    (found,) = task.predict(feeds)
    for label, rows in enumerate(own, 1):
        kept = found.values["scores"][0, :, label]
        assert sorted(rows[:, 4]) == pytest.approx(sorted(kept[kept > 0.002]), abs=1e-6)


def test_the_number_of_people_and_the_size_are_free(tmp_path):
    config, path = small_config(SLOWONLY, tmp_path, dict(SMALL)), str(tmp_path / "x.onnx")
    command = ["export", config, "--shape", "1", "3", "4", "32", "48", "--output-file", path, "--dynamic-export"]
    assert cli.main(command) == 0
    graph = onnx.load(path).graph
    shapes = [
        [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    ]
    assert shapes == [["batch", 3, 4, "height", "width"], ["batch", "people", 4], ["batch", "people", 81]]


def test_what_does_not_fit_is_one_line(tmp_path, capsys):
    path = str(tmp_path / "x.onnx")
    config = small_config(SLOWONLY, tmp_path, dict(SMALL))
    for arguments, said in (
        (["--softmax"], "says what people do"),
        (["--shape", "1", "2", "4", "32", "48"], "expected batch, 3 channels, frames, height and width"),
    ):
        assert cli.main(["export", config, *arguments, "--output-file", path]) == 2
        assert said in capsys.readouterr().err
