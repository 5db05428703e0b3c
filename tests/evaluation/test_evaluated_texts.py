"""Files of text recognizers and text detectors on sets of pictures have PyTorch's own accuracy and hmean."""

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("ocr_models")

from ocr_models import (
    CRNN,
    CRNN_OPTIONS,
    DB,
    DB_OPTIONS,
    SAR,
    SAR_OPTIONS,
    WORDS,
    inferred,
    made,
    upstream,
    word,
    written,
)
from reductions import reduced

from mmonnx import cli
from mmonnx.evaluation import EvaluationSettings, evaluate

pytestmark = pytest.mark.once  # mmocr is on the default stack alone
SIZES = [(40, 150), (64, 100), (31, 222)]


def set_of_words(folder, rows, kind="OCRDataset"):
    """The options of a test set of words: (file, text)."""
    (folder / "label.txt").write_text("".join(f"{name} {text}\n" for name, text in rows))
    parser = {"type": "LineStrParser", "keys": ["filename", "text"], "keys_idx": [0, 1], "separator": " "}
    loader = {"type": "AnnFileLoader", "repeat": 1, "file_format": "txt", "parser": parser}
    test = {"type": kind, "img_prefix": str(folder), "ann_file": str(folder / "label.txt"), "loader": loader}
    return [{**test, "pipeline": None, "test_mode": True}]


@pytest.fixture(scope="module")
def crnn(tmp_path_factory):
    """A config with a set of three words, of which the model reads two as labelled; its checkpoint and file."""
    folder = tmp_path_factory.mktemp("crnn")
    config, checkpoint, path = made(CRNN, folder, CRNN_OPTIONS, "--dynamic-export")
    model = upstream(config, checkpoint)
    rows = [(f"{number}.png", None) for number in range(len(SIZES))]
    files = [written(folder, number, size, rows[number][0]) for number, size in enumerate(SIZES)]
    texts = [inferred(model, file)["text"] for file in files]
    assert all(texts) and len(set(texts)) == 3
    labels = [texts[0], WORDS[1], texts[2]]
    options = {"data.test.datasets": set_of_words(folder, [(row[0], text) for row, text in zip(rows, labels)])}
    return (*made(CRNN, folder, {**CRNN_OPTIONS, **options}, "--dynamic-export"), folder)


def test_the_accuracy_is_pytorchs(crnn, tmp_path):
    config, checkpoint, path, _ = crnn
    found = evaluate(EvaluationSettings(config, path, ["acc"], compare_with=checkpoint, workers=0))
    assert found.scores["0_word_acc"] == pytest.approx(2 / 3, abs=1e-3)
    assert found.scores == found.reference
    drawn = tmp_path / "drawn"
    command = ["test", config, path, "--eval", "word_acc", "--show-dir", str(drawn), "--workers", "0"]
    assert cli.main(command) == 0
    assert len(list(drawn.rglob("*.png"))) == 3


def test_turned_pictures_count_as_pytorch_reads_them(tmp_path):
    rows = []
    for number, size in enumerate([(40, 60), (90, 40), (40, 170)]):
        written(tmp_path, number, size, f"{number}.png")
        rows.append((f"{number}.png", WORDS[0]))
    options = {**SAR_OPTIONS, "data.test.datasets": set_of_words(tmp_path, rows)}
    config, checkpoint, path = made(SAR, tmp_path, options, "--dynamic-export")
    metrics = ["char_recall", "char_precision", "one_minus_ned"]
    found = evaluate(EvaluationSettings(config, path, metrics, compare_with=checkpoint, workers=0))
    assert len(found.scores) == 3 and found.scores == found.reference


def test_an_unknown_metric_of_text_is_one_line(crnn, capsys):
    config, _, path, _ = crnn
    assert cli.main(["test", config, path, "--eval", "mIoU"]) == 2
    error = capsys.readouterr().err.strip()
    assert "metric 'mIoU' is unknown to" in error and "word_acc" in error and "\n" not in error


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    """A config with a set of two pictures, on which some of what is found is labelled as text; checkpoint and file."""
    folder = tmp_path_factory.mktemp("db")
    sizes = [(120, 160), (96, 200)]
    config, checkpoint, path = made(DB, folder, DB_OPTIONS, "--dynamic-export", shape=(160, 224))
    model = upstream(config, checkpoint)
    images, annotations = [], []
    for number, (height, width) in enumerate(sizes):
        cv2.imwrite(str(folder / f"{number}.png"), word(number, (height, width)))
        found = inferred(model, str(folder / f"{number}.png"))["boundary_result"]
        images.append({"id": number, "file_name": f"{number}.png", "height": height, "width": width})
        for boundary in found[::2]:
            points = np.array(boundary[:-1]).reshape(-1, 2)
            low, size = points.min(0), np.ptp(points, axis=0)
            if min(size) < 1:
                continue
            row = {"id": len(annotations), "image_id": number, "category_id": 1, "iscrowd": 0}
            row.update(bbox=[*low.tolist(), *size.tolist()], area=float(size.prod()), segmentation=[boundary[:-1]])
            annotations.append(row)
    assert len(annotations) > 3
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "text"}]}
    (folder / "instances.json").write_text(json.dumps(content))
    test = {"type": "IcdarDataset", "ann_file": str(folder / "instances.json"), "img_prefix": str(folder)}
    options = {"data.test.datasets": [{**test, "pipeline": None}]}
    return (*made(DB, folder, {**DB_OPTIONS, **options}, "--dynamic-export", shape=(160, 224)), folder)


def test_the_hmean_is_pytorchs(db):
    config, checkpoint, path, _ = db
    found = evaluate(EvaluationSettings(config, path, ["hmean-iou"], compare_with=checkpoint, workers=0))
    scores = {name: value for name, value in found.scores.items() if isinstance(value, float)}
    assert any("hmean" in name and 0.05 < value < 1 for name, value in scores.items()), scores
    for name, value in scores.items():
        assert value == pytest.approx(found.reference[name], abs=1e-6)


def test_boundaries_of_another_threshold_have_another_hmean(db, tmp_path):
    import onnx

    config, checkpoint, path, _ = db
    model = onnx.load(path)
    for entry in model.metadata_props:
        if entry.key == "mmonnx.texts":
            entry.value = entry.value.replace('"mask_thr": 0.3', '"mask_thr": 0.7')
    other = str(tmp_path / "other.onnx")
    onnx.save(model, other)
    found = evaluate(EvaluationSettings(config, other, ["hmean-iou"], compare_with=checkpoint, workers=0))
    assert found.scores != found.reference


def test_fewer_bits_are_judged_by_words(crnn, tmp_path):
    config, _, path, _ = crnn
    half = reduced(config, path, tmp_path)
    assert half.loss.figure == "0_word_acc" and half.loss.before > 50 and half.loss.points < 40


def test_fewer_bits_are_judged_by_regions(db, tmp_path):
    config, _, path = db[:3]
    half = reduced(config, path, tmp_path)
    assert half.loss.figure == "0_hmean-iou:hmean" and half.loss.before > 10 and abs(half.loss.points) < 5
