"""A segmentor's file on a set of label maps has PyTorch's own mIoU, in whole and in sliding windows."""

import pickle

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("segmentors")

from reductions import reduced
from segmentors import FCN, RESNET, SLIDING, small_config

from mmonnx import cli, loading
from mmonnx.evaluation import EvaluationSettings, evaluate
from mmonnx.loading.images import photographs
from mmonnx.pipeline import ExportSettings, export
from mmonnx.support.errors import InputError

pytestmark = pytest.mark.once  # mmsegmentation is on the default stack alone
SIZES = [(131, 202), (90, 90), (200, 131)]
NORM = {"type": "Normalize", "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "to_rgb": True}
INNER = [
    {"type": "Resize", "keep_ratio": True},
    {"type": "RandomFlip"},
    NORM,
    {"type": "ImageToTensor", "keys": ["img"]},
]
INNER.append({"type": "Collect", "keys": ["img"]})
NAMES = [f"thing {number}" for number in range(19)]


def steps(**augmentation):
    test = {"type": "MultiScaleFlipAug", "img_scale": (180, 110), "flip": False, "transforms": INNER, **augmentation}
    return [{"type": "LoadImageFromFile"}, test]


def made(folder, options, **augmentation):
    """A config with a set of three pictures, whose true labels are in part the model's own, and a checkpoint."""
    from mmseg.apis import inference_segmentor, init_segmentor

    for name in ("img", "ann"):
        (folder / name).mkdir()
    data = {"_delete_": True, "type": "CustomDataset", "data_root": str(folder), "img_dir": "img", "ann_dir": "ann"}
    data.update(img_suffix=".png", seg_map_suffix=".png", classes=NAMES, pipeline=steps())
    data["palette"] = [[number, 2 * number, 40] for number in range(19)]
    config = small_config(FCN, folder, {**options, "data.test": data})
    checkpoint = str(folder / "weights.pth")
    model = loading.load(config, None, loading.LoadOptions(shape=(96, 128))).module.model
    torch.save({"state_dict": model.state_dict(), "meta": {"CLASSES": NAMES, "PALETTE": data["palette"]}}, checkpoint)
    model = init_segmentor(config, checkpoint, device="cpu")
    for number, size in enumerate(SIZES):
        picture = cv2.resize(photographs()[number], size[::-1])
        cv2.imwrite(str(folder / "img" / f"{number}.png"), picture)
        (labels,) = inference_segmentor(model, picture)
        labels = labels.astype(np.uint8)
        labels[::3] = np.roll(labels, 20, 1)[::3]
        labels[:5] = 255  # of no class
        cv2.imwrite(str(folder / "ann" / f"{number}.png"), labels)
    if augmentation:
        config = small_config(FCN, folder, {**options, "data.test": {**data, "pipeline": steps(**augmentation)}})
    return config, checkpoint


def exported(config, checkpoint, path, **load):
    load = loading.LoadOptions(shape=(96, 128), **load)
    export(ExportSettings(config, checkpoint, output_file=str(path), load=load))
    return str(path)


@pytest.mark.parametrize("options", [RESNET, SLIDING], ids=["whole", "slide"])
def test_it_has_the_scores_of_pytorch_side_by_side(tmp_path, options):
    config, checkpoint = made(tmp_path, options)
    file = exported(config, checkpoint, tmp_path / "x.onnx", dynamic=True)
    settings = EvaluationSettings(config, file, ["mIoU", "mDice"], compare_with=checkpoint, workers=0)
    found = evaluate(settings)
    assert {"mIoU", "aAcc", "mDice", "IoU.thing 3"} <= set(found.scores)
    assert 0.3 < found.reference["mIoU"] < 0.9
    for name, value in found.reference.items():
        assert found.scores[name] == pytest.approx(value, abs=2e-3, nan_ok=True), name
    assert [result.shape for result in found.results] == SIZES and found.results[0].dtype == np.uint8


def test_the_command_draws_and_writes(tmp_path, capsys, monkeypatch):
    config, checkpoint = made(tmp_path, RESNET)
    file = exported(config, checkpoint, tmp_path / "x.onnx", dynamic=True)
    monkeypatch.chdir(tmp_path)
    command = [config, file, "--eval", "mIoU", "--compare-with", checkpoint, "--out", "x.pkl", "--show-dir", "shown"]
    assert cli.main(["test", *command]) == 0
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(" mIoU ")]
    assert float(row[1]) == pytest.approx(float(row[2]), abs=2e-3)
    with open("x.pkl", "rb") as content:
        assert [one.shape for one in pickle.load(content)] == SIZES
    assert len(list((tmp_path / "shown").iterdir())) == 3
    assert cli.main(["test", config, file, "--eval", "bbox"]) == 2
    assert "mIoU, mDice, mFscore of a segmentor's" in capsys.readouterr().err


def test_an_augmented_set_is_run_once_and_a_file_of_one_size_gets_its_size(tmp_path):
    config, checkpoint = made(tmp_path, RESNET, img_ratios=[0.5, 1.0], flip=True)
    file = exported(config, checkpoint, tmp_path / "x.onnx", dynamic=True)
    found = evaluate(EvaluationSettings(config, file, ["mIoU"], compare_with=checkpoint, workers=0))
    assert found.scores["mIoU"] == pytest.approx(found.reference["mIoU"], abs=2e-3) and found.scores["mIoU"] > 0.3
    fixed = exported(config, checkpoint, tmp_path / "fixed.onnx")
    found = evaluate(EvaluationSettings(config, fixed, ["mIoU"], compare_with=checkpoint, workers=0))
    assert found.scores["mIoU"] == pytest.approx(found.reference["mIoU"], abs=2e-3) and found.scores["mIoU"] > 0.01


def test_it_refuses_a_file_that_says_something_else(tmp_path):
    config, checkpoint = made(tmp_path, RESNET)
    raw = exported(config, checkpoint, tmp_path / "raw.onnx", skip_postprocess=True, dynamic=True)
    with pytest.raises(InputError, match="gives output_0; expected seg_map; export it without --skip-postprocess"):
        evaluate(EvaluationSettings(config, raw, ["mIoU"]))
    fewer = {"data.test.classes": NAMES[:7], "data.test.palette": None}
    file = exported(config, checkpoint, tmp_path / "x.onnx", dynamic=True)
    with pytest.raises(InputError, match="has 19 classes, the test set 7"):
        evaluate(EvaluationSettings(config, file, ["mIoU"], cfg_options=fewer))


def test_fewer_bits_are_judged_by_miou(tmp_path):
    config, checkpoint = made(tmp_path, RESNET)
    file = exported(config, checkpoint, tmp_path / "x.onnx", dynamic=True)
    whole = evaluate(EvaluationSettings(config, file, ["mIoU"], workers=0)).scores["mIoU"]
    half = reduced(config, file, tmp_path)
    assert half.loss.figure == "mIoU" and half.loss.before == pytest.approx(100 * whole, abs=1e-2)
    assert abs(half.loss.points) < 1 and half.loss.images == 3
    eight = reduced(config, file, tmp_path, "int8", images=str(tmp_path / "img"))
    after = evaluate(EvaluationSettings(config, str(tmp_path / "int8.onnx"), ["mIoU"], workers=0)).scores["mIoU"]
    assert eight.loss.after == pytest.approx(100 * after, abs=1e-2) and eight.loss.before == half.loss.before
