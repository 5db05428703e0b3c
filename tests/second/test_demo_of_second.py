"""`make demo STACK=openmmlab2`: the trained digit RTMDet, from its config to a file that gives PyTorch's answers."""

import onnx
import pytest
from demos import run_demo

pytest.importorskip("mmengine")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder that the demo left."""
    return run_demo(tmp_path_factory.mktemp("demo"))


def test_the_file_has_the_scores_of_pytorch_and_its_answers_one_by_one(demo):
    lines = (demo / "report.txt").read_text().splitlines()
    (scored,) = [line for line in lines if "held-out" in line]
    pytorch, ours = (float(scored.split(name)[1].split()[0].strip(",:")) for name in ("PyTorch", "ONNX"))
    assert pytorch >= 0.85 and abs(pytorch - ours) <= 1e-3 and scored.endswith(": the same")
    (answered,) = [line for line in lines if line.startswith("answers to")]
    assert answered.startswith("answers to 200 of 200 pictures are PyTorch's")
    matched, total = (int(word) for word in answered.split(": ")[1].split()[:3:2])
    assert matched == total >= 2000


def test_the_file_is_dynamic_and_has_a_picture_of_every_case(demo):
    graph = onnx.load(str(demo / "rtmdet_tiny_digits.onnx")).graph
    axes = [dim.dim_param or dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim]
    assert axes == ["batch", 3, "height", "width"]
    assert [value.name for value in graph.output] == ["dets", "labels"]
    assert len(list((demo / "rtmdet_tiny_digits").glob("*.png"))) >= 4
