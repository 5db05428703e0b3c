"""The main job from end to end: what ``make demo`` runs after the environment is there."""

import importlib.util

import numpy as np
import onnx
import onnxruntime
import pytest
from demos import run_demo
from PIL import Image

pytestmark = pytest.mark.once

# The goal of its metric, and how many answers there are at least; older stacks have neither mmseg nor mmrotate.
MODELS = {"faster_rcnn_digits": (0.85, 4000), "mobilenet_v2_digits": (0.95, 200)}
if importlib.util.find_spec("mmseg"):
    MODELS["semantic_fpn_digits"] = 0.78, 200 * 240 * 320
if importlib.util.find_spec("mmrotate"):
    MODELS["rotated_fcos_digits"] = 0.8, 1000


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder that the demo left."""
    return run_demo(tmp_path_factory.mktemp("demo"))


def test_all_files_have_the_scores_of_pytorch(demo):
    lines = [line for line in (demo / "report.txt").read_text().splitlines() if "held-out" in line]
    assert len(lines) == len(MODELS) and all(line.endswith(": the same") for line in lines), lines
    for line, (goal, _) in zip(lines, MODELS.values()):
        pytorch, ours = (float(line.split(name)[1].split()[0].strip(",:")) for name in ("PyTorch", "ONNX"))
        assert pytorch >= goal and abs(pytorch - ours) <= 1e-3, line


def test_all_files_answer_every_picture_as_pytorch(demo):
    """One to one, padded pictures included: their boxes and scores, and not the metric alone."""
    lines = [line for line in (demo / "report.txt").read_text().splitlines() if line.startswith("answers to")]
    assert len(lines) == len(MODELS)
    assert all(line.startswith("answers to 200 of 200 pictures are PyTorch's") for line in lines)
    for line, (_, least) in zip(lines, MODELS.values()):
        matched, total = (int(word) for word in line.split(": ")[1].split()[:3:2])
        assert matched == total >= least, line


def test_every_case_of_the_verification_holds_with_real_detections(demo):
    report = (demo / "report.txt").read_text()
    assert report.count("agree with PyTorch") >= len(MODELS) and "mismatch" not in report and "failed" not in report
    session = onnxruntime.InferenceSession(str(demo / "faster_rcnn_digits.onnx"))
    image = np.asarray(Image.open(str(demo / "faster_rcnn_digits.png")), np.float32)
    image = (image - np.float32([123.675, 116.28, 103.53])) / np.float32([58.395, 57.12, 57.375])
    image = np.pad(image, ((0, -image.shape[0] % 32), (0, -image.shape[1] % 32), (0, 0)))
    dets, _ = session.run(None, {"input": image.transpose(2, 0, 1)[None]})
    assert (dets[0, :, 4] > 0.9).sum() >= 5


OUTPUTS = {
    "faster_rcnn_digits": {"dets": ["batch", "num_dets"], "labels": ["batch", "num_dets"]},
    "mobilenet_v2_digits": {"probs": ["batch", ""]},
    "semantic_fpn_digits": {"seg_map": ["batch", "map_height"]},
    "rotated_fcos_digits": {"dets": ["batch", "num_dets"], "labels": ["batch", "num_dets"]},
}
OPTIONAL = {"faster_rcnn_digits": "img_shape", "semantic_fpn_digits": "ori_shape"}


@pytest.mark.parametrize("stem", list(MODELS))
def test_the_files_are_dynamic_and_weights_are_no_inputs(demo, stem):
    graph = onnx.load(str(demo / f"{stem}.onnx")).graph
    optional = [OPTIONAL[stem]] if stem in OPTIONAL else []
    assert [value.name for value in graph.input] == ["input", *optional]
    known = {"input", "img_shape", "ori_shape"}
    assert optional == [value.name for value in graph.initializer if value.name in known]
    axes = [dim.dim_param or dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim]
    assert axes == ["batch", 3, "height", "width"]
    found = {value.name: [dim.dim_param for dim in value.type.tensor_type.shape.dim][:2] for value in graph.output}
    assert found == OUTPUTS[stem]


def test_it_leaves_a_picture_for_every_case(demo):
    for stem in MODELS:
        pictures = sorted((demo / stem).glob("*.png"))
        assert len(pictures) >= 4
        for picture in pictures:
            with Image.open(str(picture)) as opened:
                assert opened.size[0] > opened.size[1] / 2 and np.asarray(opened).std() > 5
