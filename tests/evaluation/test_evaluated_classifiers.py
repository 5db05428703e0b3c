"""A classifier's file on a set in ImageNet's format has PyTorch's own scores, whatever outputs it has."""

import pickle

import cv2
import numpy as np
import pytest
from sample_sets import CLASSIFIER, make_imagenet_set, weights_of, write_config
from trainings import folder_dataset

from mmonnx import cli, fallback
from mmonnx.datasets import digits
from mmonnx.evaluation import EvaluationSettings, evaluate
from mmonnx.loading import LoadOptions
from mmonnx.pipeline import ExportSettings, export
from mmonnx.support.errors import InputError

NUM = 40
CHECKPOINT = weights_of(CLASSIFIER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("classifiers")


@pytest.fixture(scope="module")
def config(folder):
    """The digit classifier's config, with a set in ImageNet's format."""
    return write_config(CLASSIFIER, make_imagenet_set(folder / "imagenet", NUM), folder / "mobilenet_v2.py")


def exported(folder, name, **load):
    path = folder / name
    if not path.exists():
        export(ExportSettings(CLASSIFIER, CHECKPOINT, output_file=str(path), load=LoadOptions(**load)))
    return str(path)


@pytest.fixture(scope="module")
def probs(folder):
    return exported(folder, "probs.onnx", dynamic=True)


def test_it_has_the_scores_of_pytorch_side_by_side(config, probs):
    metrics = ["accuracy", "precision", "recall", "f1_score"]
    found = evaluate(EvaluationSettings(config, probs, metrics, {"topk": [1, 3]}, compare_with=CHECKPOINT, workers=0))
    assert {"accuracy_top-1", "accuracy_top-3", "precision"} <= set(found.scores)
    for name, value in found.reference.items():
        assert 50 < value < 100 and found.scores[name] == pytest.approx(value, abs=1e-3), name


def test_pytorchs_scores_are_those_of_its_own_inference(config, probs):
    from mmcls.apis import inference_model, init_model
    from mmcls.datasets import build_dataset
    from mmcv import Config

    settings = EvaluationSettings(config, probs, ["accuracy"], compare_with=CHECKPOINT)
    reference = evaluate(settings).reference["accuracy_top-1"]
    dataset = build_dataset(Config.fromfile(config).data.test)
    model = init_model(config, CHECKPOINT, device="cpu")
    infos = dataset.data_infos
    paths = [f"{info['img_prefix']}/{info['img_info']['filename']}" for info in infos]
    right = [inference_model(model, path)["pred_label"] == info["gt_label"] for path, info in zip(paths, infos)]
    assert reference == pytest.approx(100 * np.mean(right), abs=1e-3) and 50 < reference < 100


@pytest.mark.parametrize(
    "name, load",
    [("topk.onnx", dict(topk=3, batch=3)), ("logits.onnx", dict(softmax=False, dynamic_batch=True))],
    ids=["best three, batches of three", "logits"],
)
def test_other_outputs_give_the_same_scores(folder, config, probs, name, load):
    metrics, options = ["accuracy", "precision"], {"topk": (1, 3)}
    try:
        file = exported(folder, name, **load)
    except InputError as error:
        assert "--no-softmax" in str(error)
        pytest.skip("the heads of this mmcls give no logits")
    expected = evaluate(EvaluationSettings(config, probs, metrics, options))
    found = evaluate(EvaluationSettings(config, file, metrics, options, batch_size=7))
    assert NUM % 7 and len(found.results) == NUM and found.scores == pytest.approx(expected.scores, abs=1e-3)
    known = found.results[0] > 0
    np.testing.assert_allclose(found.results[0][known], expected.results[0][known], atol=1e-4)


def test_the_command_prints_both_scores_and_writes_results_and_pictures(config, probs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = [config, probs, "--metrics", "accuracy", "--metric-options", "topk=1", "--compare-with", CHECKPOINT]
    assert cli.main(["test", *command, "--workers", "2", "--out", "results.pkl", "--show-dir", "shown"]) == 0
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(" accuracy ")]
    assert row[1] == row[2] and row[3] == "0" and 50 < float(row[1]) < 100
    with open("results.pkl", "rb") as file:
        found = pickle.load(file)
    assert found["class_scores"].shape == (NUM, 10) and found["accuracy"] == pytest.approx(float(row[1]), abs=1e-3)
    assert [digits.CLASSES[label] for label in found["pred_label"]] == list(found["pred_class"])
    np.testing.assert_array_equal(found["pred_score"], found["class_scores"].max(axis=1))
    pictures = sorted((tmp_path / "shown").iterdir())
    assert len(pictures) == NUM and cv2.imread(str(pictures[0])).std() > 20


def test_the_digit_set_of_the_config_itself(probs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits.make_classification_set("work_dirs/digits/classification", "test", 60)  # some of each class
    fallback.ensure()
    kind = {"data.test.type": folder_dataset().__name__}
    found = evaluate(
        EvaluationSettings(CLASSIFIER, probs, ["accuracy"], cfg_options=kind, compare_with=CHECKPOINT, batch_size=16)
    )
    assert found.scores == found.reference and 80 < found.scores["accuracy_top-1"] <= 100


def test_what_cannot_be_evaluated_is_refused_in_a_line(folder, config, probs, capfd):
    best = exported(folder, "topk.onnx", topk=3, batch=3)

    def say(*arguments):
        capfd.readouterr()
        status = cli.main(["test", *arguments])
        lines = [line for line in capfd.readouterr().err.splitlines() if line]
        assert status == 2 and len(lines) == 1 and lines[0].startswith("mmonnx: error: "), lines
        return lines[0]

    assert "metric 'bbox' is unknown to ImageNet" in say(config, probs, "--eval", "bbox")
    line = say(config, best, "--eval", "accuracy", "--eval-options", "topk=1,5")
    assert "gives the best 3 classes only; expected 5" in line and "topk=3" in line
    assert "cannot be built" in say(config, probs, "--eval", "accuracy", "--cfg-options", "data.test.ann_file=none.txt")
    line = say(config, probs, "--eval", "accuracy", "--cfg-options", "data.test.data_prefix=none")
    assert "an image of the test set cannot be loaded" in line
    assert "has 10 classes, the test set 2" in say(
        config, probs, "--eval", "accuracy", "--cfg-options", "data.test.classes=[0,1]"
    )
    line = say(
        config,
        best,
        "--eval",
        "precision",
        "--cfg-options",
        "data.test.pipeline.2.crop_size=72",
        "data.test.pipeline.1.size=72",
    )
    assert "takes images of 64x64, and the config's test pipeline makes one of 72x72" in line
    assert "knows no --format-only" in say(config, probs, "--format-only", "--eval-options", "jsonfile_prefix=x")
