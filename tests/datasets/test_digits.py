"""The digits data: seeded, held out, and enough for the two committed checkpoints to reach their goals."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmonnx import fallback
from mmonnx.datasets import digits
from mmonnx.support.errors import InputError

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "digits"
CHECKPOINTS = [CONFIGS / "faster_rcnn_digits.pth", CONFIGS / "mobilenet_v2_digits.pth"]


def test_a_sample_depends_on_its_place_and_seed_alone():
    few = list(digits.detection_samples("test", 3, seed=5))
    many = list(digits.detection_samples("test", 6, seed=5))
    other = list(digits.detection_samples("test", 3, seed=6))
    for first, again in zip(few, many):
        for left, right in zip(first, again):
            np.testing.assert_array_equal(left, right)
    assert all(a.image.shape != b.image.shape or (a.image != b.image).any() for a, b in zip(few, other))
    crops, again = (list(digits.classification_samples("train", 4, seed=1)) for _ in range(2))
    for first, second in zip(crops, again):
        np.testing.assert_array_equal(first.image, second.image)
        assert first.label == second.label


@pytest.mark.parametrize("split", digits.SPLITS)
def test_composites_are_well_formed(split):
    samples = list(digits.detection_samples(split, 60))
    assert {sample.image.shape[:2] for sample in samples} == set(digits.COMPOSITE_SHAPES)
    assert any(len(sample.labels) == 0 for sample in samples)
    assert set(np.concatenate([sample.labels for sample in samples]).tolist()) == set(range(10))
    for image, boxes, labels in samples:
        height, width = image.shape[:2]
        assert image.dtype == np.uint8 and image.shape[2] == 3
        assert boxes.dtype == np.float32 and boxes.shape == (len(labels), 4) and len(labels) <= digits.MAX_DIGITS[split]
        assert labels.dtype == np.int64
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] <= width).all() and (boxes[:, 3] <= height).all()
        # Eight pixels wide is a one; a digit's height is what the sizes are about.
        assert (boxes[:, 2] - boxes[:, 0] >= 4).all()
        assert (boxes[:, 3] - boxes[:, 1] >= 18).all() and (boxes[:, 3] - boxes[:, 1] <= 110).all()
        for index, box in enumerate(boxes):
            low, high = np.maximum(box[:2], boxes[:index, :2]), np.minimum(box[2:], boxes[:index, 2:])
            assert not ((high - low) > 0).all(axis=1).any(), "two digits overlap"


def test_a_digit_changes_the_picture_inside_its_box_alone(monkeypatch):
    with_digits = list(digits.detection_samples("test", 12))
    monkeypatch.setattr(digits, "_paste", lambda *args: None)
    backgrounds = list(digits.detection_samples("test", 12))
    checked = 0
    for painted, bare in zip(with_digits, backgrounds):
        changed = (painted.image != bare.image).any(axis=2)
        for x1, y1, x2, y2 in painted.boxes.astype(int):
            assert changed[y1:y2, x1:x2].mean() > 0.1
            changed[y1:y2, x1:x2] = False
            checked += 1
        assert not changed.any()
    assert checked > 20


def test_splits_share_no_scan_and_no_photograph():
    (train, train_labels), (test, test_labels) = digits.digit_scans("train"), digits.digit_scans("test")
    assert len(train) + len(test) == 1797 and len(train) == len(train_labels) and len(test) == len(test_labels) == 256
    assert np.bincount(test_labels).min() >= 15
    assert train.dtype == np.uint8 and train.max() == 255
    assert not {scan.tobytes() for scan in train} & {scan.tobytes() for scan in test}
    assert not set(digits.PHOTOGRAPHS["train"]) & set(digits.PHOTOGRAPHS["test"])
    train_photos, test_photos = digits.photographs("train"), digits.photographs("test")
    assert not {photo.tobytes() for photo in train_photos} & {photo.tobytes() for photo in test_photos}


def test_detection_set_on_disk_is_what_the_samples_say(tmp_path):
    path = digits.make_detection_set(str(tmp_path / "a"), "test", 12, seed=2)
    again = digits.make_detection_set(str(tmp_path / "b"), "test", 12, seed=2)
    assert Path(path).read_bytes() == Path(again).read_bytes()
    coco = json.loads(Path(path).read_text())
    assert [category["name"] for category in coco["categories"]] == list(digits.CLASSES)
    for entry, sample in zip(coco["images"], digits.detection_samples("test", 12, seed=2)):
        file = tmp_path / "a" / "test" / entry["file_name"]
        assert file.read_bytes() == (tmp_path / "b" / "test" / entry["file_name"]).read_bytes()
        np.testing.assert_array_equal(cv2.imread(str(file)), sample.image)
        assert (entry["height"], entry["width"]) == sample.image.shape[:2]
        found = [a for a in coco["annotations"] if a["image_id"] == entry["id"]]
        assert [a["category_id"] for a in found] == sample.labels.tolist()
        corners = [
            [a["bbox"][0], a["bbox"][1], a["bbox"][0] + a["bbox"][2], a["bbox"][1] + a["bbox"][3]] for a in found
        ]
        np.testing.assert_array_equal(np.array(corners).reshape(-1, 4), sample.boxes)


def test_classification_set_on_disk_has_a_folder_per_class(tmp_path):
    folder = Path(digits.make_classification_set(str(tmp_path), "test", 60))
    assert sorted(entry.name for entry in folder.iterdir()) == list(digits.CLASSES)
    for index, sample in enumerate(digits.classification_samples("test", 60)):
        image = cv2.imread(str(folder / str(sample.label) / f"{index:06d}.png"))
        np.testing.assert_array_equal(image, sample.image)
        assert image.shape == (64, 64, 3)


def test_wrong_input_is_named(tmp_path):
    with pytest.raises(InputError, match="'validation' is unknown"):
        list(digits.detection_samples("validation", 1))
    with pytest.raises(InputError, match="cannot be written"):
        (tmp_path / "test").write_text("a file where a folder should be")
        digits.make_detection_set(str(tmp_path), "test", 1)


def test_mean_average_precision_rewards_right_boxes_and_labels():
    fallback.ensure()
    samples = list(digits.detection_samples("test", 20))
    perfect = [_as_results(sample.boxes, sample.labels) for sample in samples]
    shifted = [_as_results(sample.boxes + 200, sample.labels) for sample in samples]
    renamed = [_as_results(sample.boxes, (sample.labels + 1) % 10) for sample in samples]
    assert digits.mean_average_precision(perfect, samples) == pytest.approx(1.0)
    assert digits.mean_average_precision(shifted, samples) == 0.0
    assert digits.mean_average_precision(renamed, samples) < 0.05


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.stem)
def test_checkpoint_is_small_and_holds_weights_alone(path):
    assert path.stat().st_size <= 5_000_000
    checkpoint = torch.load(str(path), map_location="cpu", weights_only=True)
    assert set(checkpoint) == {"meta", "state_dict"}
    assert checkpoint["meta"] == {"CLASSES": digits.CLASSES}
    assert all(torch.is_tensor(value) for value in checkpoint["state_dict"].values())
    assert all(torch.isfinite(value).all() for value in checkpoint["state_dict"].values())


def test_detector_reaches_its_goal_on_held_out_composites():
    fallback.ensure()
    from mmdet.apis import inference_detector, init_detector

    model = init_detector(str(CONFIGS / "faster_rcnn_digits.py"), str(CHECKPOINTS[0]), device="cpu")
    assert model.CLASSES == digits.CLASSES
    samples = list(digits.detection_samples("test", 200))
    results = [inference_detector(model, sample.image) for sample in samples]
    assert digits.mean_average_precision(results, samples) >= 0.85


def test_classifier_reaches_its_goal_on_held_out_crops():
    from mmcls.apis import inference_model, init_model

    model = init_model(str(CONFIGS / "mobilenet_v2_digits.py"), str(CHECKPOINTS[1]), device="cpu")
    samples = list(digits.classification_samples("test", 400))
    right = [inference_model(model, sample.image)["pred_label"] == sample.label for sample in samples]
    assert np.mean(right) >= 0.95


def _as_results(boxes, labels):
    rows = np.hstack([boxes, np.ones((len(boxes), 1), np.float32)])
    return [rows[labels == label] for label in range(10)]
