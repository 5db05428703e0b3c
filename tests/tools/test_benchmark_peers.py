"""tools/benchmark.py with the other toolboxes of OpenMMLab 1.x: mmdeploy's settings, its answers, a run without it."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from models import small_config
from segmentors import FCN, RESNET
from torch import nn

from mmonnx.loading.task import Task
from mmonnx.runtime.results import Detections, LabelMap, RawOutputs
from mmonnx.support.errors import InputError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import benchmark  # noqa: E402
from benchmark_parts import measuring, peers, reading, report, variants  # noqa: E402

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "codebase,gives,task,outputs,moving",
    [
        ("mmdet", ["dets", "labels"], "ObjectDetection", ["dets", "labels"], {2, 3}),
        ("mmdet", ["dets", "labels", "masks"], "ObjectDetection", ["dets", "labels", "masks"], {2, 3}),
        ("mmrotate", ["dets", "labels"], "RotatedDetection", ["dets", "labels"], {2, 3}),
        ("mmcls", ["probs"], "Classification", ["output"], {2, 3}),
        ("mmseg", ["seg_map"], "Segmentation", ["output"], {2, 3}),
        ("mmpose", ["keypoints"], "PoseDetection", ["output"], {2, 3}),
        ("mmedit", ["image"], "SuperResolution", ["output"], {2, 3}),
        ("mmocr", ["maps"], "TextDetection", ["output"], {2, 3}),
        ("mmocr", ["char_scores"], "TextRecognition", ["output"], {3}),
    ],
)
def test_mmdeploy_is_asked_for_a_file_that_is_as_dynamic_as_ours(codebase, gives, task, outputs, moving):
    settings = peers.peer_of(codebase, gives).deploy_config(gives, (96, 128))
    assert (settings["codebase_config"]["type"], settings["codebase_config"]["task"]) == (codebase, task)
    file = settings["onnx_config"]
    assert file["output_names"] == outputs and set(file["dynamic_axes"]) == {"input", *outputs}
    assert set(file["dynamic_axes"]["input"]) == {0, *moving}
    assert file["input_shape"] == (None if codebase == "mmdet" else [128, 96]), "width before height"


@pytest.mark.parametrize("codebase,gives", [("mmaction", "scores"), ("mmocr", "char_maps")])
def test_a_model_that_nobody_is_compared_on_is_refused(codebase, gives):
    with pytest.raises(InputError, match=f"{codebase} that gives {gives}"):
        peers.peer_of(codebase, [gives])


def test_upstreams_own_form_is_the_base_where_there_is_one():
    assert variants.base(["mask", "mmonnx", "mmdeploy"]) == "mask"
    assert variants.base(["mmonnx", "upstream", "mmdeploy"]) == "upstream"
    rotated = task_of("mmrotate", ["dets", "labels"])
    assert variants.names(rotated) == ("mmonnx", "winograd", "mmdeploy")
    assert variants.base(variants.names(rotated)) == "mmdeploy"
    assert variants.names(task_of("mmdet", ["dets", "labels"], model=nn.Module()))[0] == "upstream"


def task_of(codebase, names, read=None, predict=None, model=None):
    module = nn.Module()
    module.model = model
    read = read or (lambda outputs: [RawOutputs({name: outputs[name] for name in names})])
    task = Task(codebase, "", module, {"input": torch.zeros(1, 3, 8, 8)}, names, {}, predict, read, lambda *_: {})
    task.score_thr = 0.05
    return task


@pytest.mark.parametrize("codebase,name", [("mmedit", "image"), ("mmocr", "maps")])
def test_outputs_of_another_name_are_read_as_ours(codebase, name):
    read, values = reading.reader(task_of(codebase, [name]), (8, 8)), np.ones((1, 3, 8, 8), np.float32)
    for theirs in ({"output": values}, {name: values}):
        assert read(theirs)[0].values[name] is values


def test_maps_of_classes_lose_their_axis_of_one():
    labels = np.arange(64).reshape(1, 8, 8)
    task = task_of("mmseg", ["seg_map"], read=lambda outputs: [LabelMap(outputs["seg_map"][0])])
    for outputs in ({"output": labels[:, None]}, {"seg_map": labels}):
        (found,) = reading.reader(task, (8, 8))(outputs)
        assert np.array_equal(found.labels, labels[0])


def test_rotated_boxes_are_read_without_padding():
    dets = np.zeros((1, 3, 6), np.float32)
    dets[0, :2, 4] = 0.9  # an angle, which is no score
    dets[0, :, 5] = 0.8, 0.01, 0.7
    (found,) = reading.reader(task_of("mmrotate", ["dets", "labels"]), (8, 8))(
        {"dets": dets, "labels": np.array([[4, 4, -1]])}
    )
    assert isinstance(found, Detections) and found.rotated
    assert found.labels.tolist() == [4] and found.scores[0] == pytest.approx(0.8)


class Head(nn.Module):
    def inference_model(self, features, flip_pairs=None):
        return np.zeros((1, 17, 4, 4), np.float32)

    def forward(self, features, *more, train_mode=True):
        return torch.zeros(1, 5, 3)


@pytest.mark.parametrize(
    "codebase,name,part", [("mmpose", "keypoints", "keypoint_head"), ("mmocr", "char_scores", "decoder")]
)
def test_pytorch_goes_on_from_where_mmdeploys_file_ends(codebase, name, part):
    model = nn.Module()
    setattr(model, part, Head())
    sizes = []

    def predict(feeds):
        sizes.append(tuple(feeds["input"].shape))
        if codebase == "mmpose":
            return [model.keypoint_head.inference_model(feeds["input"], flip_pairs=None).sum()]
        return [float(model.decoder(feeds["input"], None, train_mode=False).sum())]

    task = task_of(codebase, [name], predict=predict, model=model)
    shape = (1, 17, 4, 4) if codebase == "mmpose" else (1, 5, 3)
    read = reading.reader(task, (8, 12))
    assert read({"output": np.ones(shape, np.float32)}) == [np.prod(shape)]
    assert sizes == [(1, 3, 8, 12)] and predict({"input": torch.zeros(1, 3, 8, 12)}) == [0], "put back"


def test_a_segmentor_is_measured_and_compared(tmp_path, capsys):
    config = small_config(FCN, tmp_path, RESNET)
    missing = str(tmp_path / "python")
    given = [config, "--shapes", "64x96", "96x64", "--rounds", "2", "--threads", "1", "--mmdeploy-python", missing]
    assert benchmark.main(given) == 0
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines() if line.startswith("mmonnx ")]
    assert sum("4" in row[-1] and row[-1].split("/")[0] == row[-1].split("/")[-1] for row in rows) >= 2, printed
    assert "not built" in printed and "cannot be run" in printed and "times by mmdeploy's" in printed


class Session:
    input_names = ("input",)

    def __init__(self, outputs):
        self.run = lambda feeds: outputs


def test_a_wrong_map_is_not_pytorchs():
    labels = np.zeros((8, 8), np.int64)
    probs = np.stack([np.full((8, 8), 0.9), np.full((8, 8), 0.1)]).astype(np.float32)
    task = task_of(
        "mmseg",
        ["seg_map"],
        read=lambda outputs: [LabelMap(outputs["seg_map"][0])],
        predict=lambda feeds: [LabelMap(labels, probs)],
    )
    wrong = labels.copy()
    wrong[2:4] = 1
    case = measuring.Case("picture", {"input": torch.zeros(1, 3, 8, 8)}, [np.zeros((8, 8, 3), np.uint8)])
    for answer, ok in ((labels, True), (wrong, False)):
        session = Session({"output": answer[None, None]})
        row = measuring.Row("mmdeploy")
        measuring._compare(measuring._reference(task, (8, 8)), [case], session, row)
        assert row.ok is ok and not row.error and row.detections == [] and row.total > 0
        assert ok or row.matched < row.total
    assert "-" in report.rows_table([row], (8, 8))
