"""A recognizer's file on a set of films has PyTorch's own accuracies."""

import pytest

pytest.importorskip("recognizers")

import numpy as np
import onnx
from recognizers import R18, TSN, film, made, pipeline
from reductions import reduced

from mmonnx import cli
from mmonnx.evaluation import EvaluationSettings, evaluate

pytestmark = pytest.mark.once  # mmaction2 is on the default stack alone
METRICS = ["top_k_accuracy", "mean_class_accuracy"]


@pytest.fixture(scope="module")
def tsn(tmp_path_factory):
    """A config with a set of films, its checkpoint and its file."""
    folder = tmp_path_factory.mktemp("tsn")
    lines = []
    for number in range(6):
        film(folder / f"{number}.mp4", 20 + 3 * number, number=number % 4)
        lines.append(f"{number}.mp4 {number % 3}\n")
    (folder / "films.txt").write_text("".join(lines))
    test = {"type": "VideoDataset", "ann_file": str(folder / "films.txt"), "data_prefix": str(folder)}
    options = {**R18, "model.cls_head.num_classes": 5, "data.videos_per_gpu": 2}
    options["data.test"] = {**test, "pipeline": pipeline(1, 3, "ThreeCrop", 36, "NCHW")}
    return made(TSN, folder, options, "--dynamic-export")


def test_the_metrics_are_pytorchs(tsn, tmp_path):
    config, checkpoint, path = tsn
    settings = EvaluationSettings(config, path, METRICS, {"topk": [1, 2]}, compare_with=checkpoint, workers=0)
    found = evaluate(settings)
    assert set(found.scores) == {"top1_acc", "top2_acc", "mean_class_accuracy"} and found.scores == found.reference
    assert cli.main(["test", config, path, "--out", str(tmp_path / "x.pkl"), "--workers", "0"]) == 0
    assert np.load(str(tmp_path / "x.pkl"), allow_pickle=True)[0].shape == (5,)


def test_a_file_that_gives_something_else_shows(tsn, tmp_path):
    """A class that is in no film is found in all of them."""
    config, checkpoint, path = tsn
    model = onnx.load(path)
    last = next(node for node in reversed(model.graph.node) if node.op_type == "Gemm")
    for tensor in model.graph.initializer:
        if tensor.name == last.input[2]:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.float32([0, 0, 0, 0, 1e4]), tensor.name))
    other = str(tmp_path / "other.onnx")
    onnx.save(model, other)
    settings = EvaluationSettings(config, other, METRICS, {"topk": [1]}, compare_with=checkpoint, workers=0)
    found = evaluate(settings)
    assert found.scores["top1_acc"] == 0 < found.reference["top1_acc"]


@pytest.mark.parametrize(
    "arguments,said",
    [
        (["--eval", "mIoU"], "metric 'mIoU' is unknown to VideoDataset"),
        (["--eval", "top_k_accuracy", "--show-dir", "shown"], "--show-dir draws on pictures"),
        (
            ["--eval", "top_k_accuracy", "--cfg-options", "data.test.data_prefix=nowhere"],
            "a film of the test set cannot",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(tsn, capsys, arguments, said):
    config, _, path = tsn
    assert cli.main(["test", config, path, *arguments, "--workers", "0"]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error


def test_fewer_bits_are_judged_by_accuracy(tsn, tmp_path):
    config, _, path = tsn
    half = reduced(config, path, tmp_path, metrics=METRICS)
    assert half.loss.figure in ("top1_acc", "mean_class_accuracy") and half.loss.points == 0 < half.loss.before
