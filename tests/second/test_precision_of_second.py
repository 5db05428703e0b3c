"""Files of models of OpenMMLab 2.x in fewer bits: the config's sets, and figures of some images alone."""

import json
from pathlib import Path

import pytest

pytest.importorskip("mmengine")
pytest.importorskip("mmdet.registry")
pytest.importorskip("mmpretrain")

from sample_sets import CLASSIFIER, DETECTOR, weights_of  # noqa: E402
from second_sets import write_classifier, write_detector  # noqa: E402

from mmonnx.evaluation import EvaluationSettings, ScoredSet, evaluate  # noqa: E402
from mmonnx.loading import LoadOptions  # noqa: E402
from mmonnx.pipeline import ExportSettings, export  # noqa: E402
from mmonnx.precision import PrecisionSettings, QuantizeSettings, quantize  # noqa: E402
from mmonnx.terminal import Report  # noqa: E402

NUM = 6


def exported(config, weights, path, side, **settings):
    load = LoadOptions(shape=(side, side), dynamic=True)
    export(ExportSettings(config, weights, output_file=str(path), load=load, **settings))
    return str(path)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    folder = tmp_path_factory.mktemp("second")
    config = write_detector(folder, NUM)
    return folder, config, exported(config, weights_of(DETECTOR), folder / "detector.onnx", 320)


def test_a_part_of_a_set_is_scored_by_its_own_images_alone(detector, tmp_path):
    folder, config, file = detector
    whole = ScoredSet(config, file)
    assert len(whole) == NUM
    assert whole.score(file)["coco/bbox_mAP"] == pytest.approx(evaluate(_asked(config, file)).scores["coco/bbox_mAP"])
    part = ScoredSet(config, file, most=2)
    content = json.loads((folder / "coco" / "val.json").read_text())
    content["images"] = [content["images"][place] for place in part.places]
    ids = {image["id"] for image in content["images"]}
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] in ids]
    fewer = tmp_path / "fewer.json"
    fewer.write_text(json.dumps(content))
    names = ("test_dataloader.dataset.ann_file", "test_evaluator.ann_file")
    expected = evaluate(_asked(config, file, cfg_options=dict.fromkeys(names, str(fewer)))).scores
    assert part.score(file)["coco/bbox_mAP"] == pytest.approx(expected["coco/bbox_mAP"], abs=1e-6)
    assert expected["coco/bbox_mAP"] > 0.3


def _asked(config, file, **more):
    return EvaluationSettings(config, file, workers=0, **more)


def test_a_detector_in_half_loses_nothing(detector):
    folder, config, file = detector
    asked = PrecisionSettings("fp16", config, measure=NUM)
    found = quantize(QuantizeSettings(file, str(folder / "half.onnx"), asked), Report())
    assert found.loss.figure == "coco/bbox_mAP" and abs(found.loss.points) <= 0.5 and found.size < 0.52
    assert found.changes.kept >= found.changes.total - 1 > 5


def test_a_classifier_without_a_training_set_is_calibrated_on_a_part_of_its_test_set(tmp_path, capsys):
    config = write_classifier(tmp_path, 30)
    file = exported(config, weights_of(CLASSIFIER), tmp_path / "classifier.onnx", 64)
    asked = PrecisionSettings("int8", config, calibrate=8, max_loss=100.0)
    found = quantize(QuantizeSettings(file, str(tmp_path / "int8.onnx"), asked), Report())
    assert found.loss.figure == "accuracy/top1" and found.loss.images == 22 and found.loss.before > 50
    assert "ranges are taken of images of the test set" in capsys.readouterr().out
    assert Path(file).stat().st_size * 0.35 > (tmp_path / "int8.onnx").stat().st_size
