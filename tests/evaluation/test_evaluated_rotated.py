"""A rotated detector's file on a set of DOTA's form has PyTorch's own mAP."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("rotated_detectors")

from reductions import reduced
from rotated_detectors import ONE_STAGE, RETINANET, small_config

from mmonnx import cli, loading
from mmonnx.evaluation import EvaluationSettings, evaluate
from mmonnx.loading.images import photographs
from mmonnx.pipeline import ExportSettings, export
from mmonnx.runtime import corners
from mmonnx.support import InputError

pytestmark = pytest.mark.once  # mmrotate is on the default stack alone
SIZES = [(131, 202), (90, 90), (200, 131)]
NAMES = ("plane", "ship", "storage-tank", "harbor")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A config with a set of three pictures, whose true boxes are in part the detector's own, a checkpoint, a file."""
    from mmdet.apis import inference_detector, init_detector

    folder = tmp_path_factory.mktemp("made")
    for name in ("images", "annotations"):
        (folder / name).mkdir()
    data = {"data.test.ann_file": f"{folder}/annotations/", "data.test.img_prefix": f"{folder}/images/"}
    data.update({"data.test.classes": NAMES, "data.test.pipeline.1.img_scale": (180, 110), "data.workers_per_gpu": 0})
    config = small_config(RETINANET, folder, {**ONE_STAGE, **data})
    checkpoint, file = str(folder / "weights.pth"), str(folder / "x.onnx")
    model = loading.load(config, None, loading.LoadOptions(shape=(96, 128))).module.model
    torch.save({"state_dict": model.state_dict(), "meta": {"CLASSES": NAMES}}, checkpoint)
    model = init_detector(config, checkpoint, device="cpu")
    for number, size in enumerate(SIZES):
        picture = cv2.resize(photographs()[number], size[::-1])
        cv2.imwrite(f"{folder}/images/{number}.png", picture)
        lines = []
        for label, rows in enumerate(inference_detector(model, picture)):
            for index, (row, outline) in enumerate(zip(rows, corners(rows[:, :5] + [2, 1, 1, 1, 0.02]))):
                if index % 3 != 1 and row[5] > 0.1:
                    numbers = " ".join(f"{value:.2f}" for value in outline.reshape(-1))
                    lines.append(f"{numbers} {NAMES[label]} 0\n")
        (folder / "annotations" / f"{number}.txt").write_text("".join(lines))
    settings = ExportSettings(config, checkpoint, file, loading.LoadOptions(shape=(96, 128), dynamic=True))
    export(settings)
    return config, checkpoint, file


def test_it_has_the_scores_of_pytorch_side_by_side(made):
    config, checkpoint, file = made
    found = evaluate(EvaluationSettings(config, file, ["mAP"], compare_with=checkpoint, workers=0))
    assert 0.2 < found.reference["mAP"] < 1
    assert found.scores["mAP"] == pytest.approx(found.reference["mAP"], abs=1e-4)
    assert [len(one) for one in found.results] == [4, 4, 4] and found.results[0][0].shape[1] == 6


def test_the_command_draws_and_writes(made, tmp_path, capsys, monkeypatch):
    config, checkpoint, file = made
    monkeypatch.chdir(tmp_path)
    command = [config, file, "--eval", "mAP", "--out", "x.pkl", "--show-dir", "shown"]
    assert cli.main(["test", *command]) == 0
    assert " mAP " in capsys.readouterr().out
    (first, *_) = pickle.loads((tmp_path / "x.pkl").read_bytes())
    assert isinstance(first[0], np.ndarray) and len(list((tmp_path / "shown").iterdir())) == 3


def test_a_metric_that_is_not_mmrotates_is_one_line(made, capsys):
    config, _, file = made
    assert cli.main(["test", config, file, "--eval", "bbox"]) == 2
    error = capsys.readouterr().err.strip()
    assert "metric 'bbox' is unknown to DOTADataset" in error and "\n" not in error


def test_fewer_bits_are_judged_by_map_of_rotated_boxes(made, tmp_path):
    config, _, file = made
    half = reduced(config, file, tmp_path)
    assert half.loss.figure == "mAP" and half.loss.before > 20 and abs(half.loss.points) < 2
    eight = reduced(config, file, tmp_path, "int8")
    assert eight.loss.figure == "mAP" and eight.loss.images == 1 and eight.size < 0.35
    with pytest.raises(InputError, match="boxes are rotated"):
        reduced(None, file, tmp_path, images=f"{Path(config).parent}/images")
