"""The digits data: seeded, held out, and enough for the committed checkpoints to reach their goals."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmonnx import fallback
from mmonnx.datasets import digits, painting, scores
from mmonnx.runtime import corners
from mmonnx.support.errors import InputError

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "digits"
MODELS = ("faster_rcnn_digits", "mobilenet_v2_digits", "semantic_fpn_digits", "rotated_fcos_digits")
CHECKPOINTS = [CONFIGS / f"{stem}.pth" for stem in MODELS]
LABELS = {"semantic_fpn_digits": {"CLASSES": digits.PIXEL_CLASSES, "PALETTE": digits.PALETTE}}


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
    monkeypatch.setattr(painting, "paste", lambda *args: None)
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


def test_label_maps_are_of_the_detections_scenes_and_name_their_digits():
    scenes, maps = list(digits.detection_samples("test", 12)), list(digits.segmentation_samples("test", 12))
    inked = []
    for scene, found in zip(scenes, maps):
        np.testing.assert_array_equal(scene.image, found.image)
        assert found.labels.shape == scene.image.shape[:2] and found.labels.dtype == np.uint8
        rest = found.labels.copy()
        for (x1, y1, x2, y2), label in zip(scene.boxes.astype(int), scene.labels):
            part = found.labels[y1:y2, x1:x2]
            assert set(np.unique(part)) == {0, label + 1}
            inked.append((part > 0).mean())
            # up to where the ink is half transparent: the box goes a little further
            assert all((side > 0).any() for side in (part[:5], part[-5:], part[:, :5], part[:, -5:]))
            rest[y1:y2, x1:x2] = 0
        assert not rest.any()
    assert len(inked) > 20 and 0.5 < np.mean(inked) < 0.9


def test_what_is_painted_lies_within_the_digits_of_a_label_map(monkeypatch):
    samples = list(digits.segmentation_samples("test", 12))
    monkeypatch.setattr(painting, "paste", lambda *args: None)
    bare = list(digits.segmentation_samples("test", 12))
    gaps = [np.abs(one.image.astype(int) - other.image).max(2) for one, other in zip(samples, bare)]
    labels = np.concatenate([one.labels.reshape(-1) for one in samples])
    gap = np.concatenate([one.reshape(-1) for one in gaps])
    assert (labels[gap > 60] > 0).mean() > 0.97 and (gap[labels == 0] == 0).mean() > 0.97
    # a hull has paper between its strokes
    assert 0.3 < (gap[labels > 0] > 0).mean() < 0.95


def test_a_hull_is_convex_and_holds_the_ink():
    ink = np.zeros((40, 30), np.float32)
    ink[5, 4:25] = ink[5:36, 4] = 1.0  # an L upside down
    found = painting.hull(ink)
    assert found[ink > 0].all() and found[10, 8] and not found[34, 20] and not found[:5].any()
    assert found.sum() == pytest.approx(21 * 31 / 2, rel=0.1)


@pytest.mark.parametrize("split", digits.SPLITS)
def test_turned_boxes_are_well_formed(split):
    samples = list(digits.rotated_samples(split, 40))
    boxes = np.concatenate([sample.boxes for sample in samples])
    assert len(boxes) > 80 and boxes.dtype == np.float32 and boxes.shape[1] == 5
    assert (boxes[:, 2] >= boxes[:, 3]).all() and (boxes[:, 3] >= 4).all() and (boxes[:, 2] <= 120).all()
    turned = np.rad2deg(boxes[:, 4])
    assert (turned >= -45).all() and (turned < 135).all()
    upright = np.minimum(abs(turned), abs(turned - 90))
    assert (upright <= digits.MOST_TURNED + 0.01).all() and upright.max() > 30
    for sample in samples:
        height, width = sample.image.shape[:2]
        outlines = corners(sample.boxes)
        # of a turned box the ink touches the sides, and not the corners; paper is rounded up to whole pixels
        assert (outlines > -1.01).all() and (outlines < [width + 1.01, height + 1.01]).all()
        assert len(sample.labels) == len(sample.boxes) <= digits.MAX_DIGITS[split]


def test_turned_boxes_lie_close_around_the_ink(monkeypatch):
    """A digit changes the picture inside of its turned box alone, and up to each of the box's sides."""
    samples = list(digits.rotated_samples("test", 12))
    monkeypatch.setattr(painting, "paste", lambda *args: None)
    bare = list(digits.rotated_samples("test", 12))
    checked = 0
    for sample, without in zip(samples, bare):
        gap = np.abs(sample.image.astype(int) - without.image).max(2)
        rest = gap > 0
        for x, y, width, height, angle in sample.boxes:
            rows, columns = np.nonzero(gap > 25)
            offsets = np.stack([columns + 0.5 - x, rows + 0.5 - y], 1)
            along, across = offsets @ [np.cos(angle), np.sin(angle)], offsets @ [-np.sin(angle), np.cos(angle)]
            inside = (abs(along) < width / 2 + 1.5) & (abs(across) < height / 2 + 1.5)
            assert inside.sum() > 20
            for places, side in ((along[inside], width), (across[inside], height)):
                assert side - 5 < np.ptp(places) < side + 2.5
            rows, columns = np.nonzero(rest)
            offsets = np.stack([columns + 0.5 - x, rows + 0.5 - y], 1)
            along, across = offsets @ [np.cos(angle), np.sin(angle)], offsets @ [-np.sin(angle), np.cos(angle)]
            inside = (abs(along) < width / 2 + 1.5) & (abs(across) < height / 2 + 1.5)
            rest[rows[inside], columns[inside]] = False
            checked += 1
        assert not rest.any()
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


def test_segmentation_set_on_disk_is_what_mmseg_reads(tmp_path):
    fallback.ensure()
    pytest.importorskip("mmseg")
    from mmcv import Config
    from mmseg.datasets import build_dataset

    folder = digits.make_segmentation_set(str(tmp_path), "test", 6)
    config = Config.fromfile(str(CONFIGS / "semantic_fpn_digits.py"))
    assert tuple(map(tuple, config.palette)) == digits.PALETTE and config.classes == digits.PIXEL_CLASSES
    config.data.test.update(img_dir=f"{folder}/images", ann_dir=f"{folder}/labels", test_mode=True)
    dataset = build_dataset(config.data.test)
    samples = list(digits.segmentation_samples("test", 6))
    assert len(dataset) == 6
    for index, sample in enumerate(samples):
        np.testing.assert_array_equal(
            cv2.imread(f"{folder}/images/{dataset.img_infos[index]['filename']}"), sample.image
        )
        np.testing.assert_array_equal(dataset.get_gt_seg_map_by_idx(index), sample.labels)
    maps = [sample.labels.astype(np.int64) for sample in samples]
    results = [result for index, one in enumerate(maps) for result in dataset.pre_eval([np.roll(one, 3)], [index])]
    expected = dataset.evaluate(results, metric="mIoU", logger="silent")["mIoU"]
    found = digits.mean_intersection_over_union([np.roll(one, 3) for one in maps], samples)
    assert found == pytest.approx(expected, abs=1e-4) and 0.1 < found < 0.9


def test_rotated_set_on_disk_is_what_mmrotate_reads(tmp_path):
    fallback.ensure()
    pytest.importorskip("mmrotate")
    from mmcv import Config
    from mmrotate.datasets import build_dataset

    folder = digits.make_rotated_set(str(tmp_path), "test", 12)
    config = Config.fromfile(str(CONFIGS / "rotated_fcos_digits.py"))
    config.data.test.update(ann_file=f"{folder}/boxes/", img_prefix=f"{folder}/images/", test_mode=True)
    dataset = build_dataset(config.data.test)
    assert dataset.CLASSES == digits.CLASSES and len(dataset) == 12
    order = np.argsort([info["filename"] for info in dataset.data_infos])
    for index, sample in zip(order, digits.rotated_samples("test", 12)):
        found = dataset.get_ann_info(index)
        np.testing.assert_array_equal(found["labels"], sample.labels)
        np.testing.assert_allclose(found["bboxes"][:, :4], sample.boxes[:, :4], atol=0.02)
        # of two equal sides either may be the longer one
        turns = (found["bboxes"][:, 4] - sample.boxes[:, 4])[sample.boxes[:, 2] > sample.boxes[:, 3] + 0.1]
        np.testing.assert_allclose(turns, 0, atol=2e-3)


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


def test_mean_average_precision_of_turned_boxes_asks_for_the_angle():
    fallback.ensure()
    pytest.importorskip("mmrotate")
    samples = list(digits.rotated_samples("test", 20))
    perfect = [_as_results(sample.boxes, sample.labels) for sample in samples]
    turned = [_as_results(sample.boxes + [0, 0, 0, 0, np.pi / 2], sample.labels) for sample in samples]
    assert digits.rotated_mean_average_precision(perfect, samples) == pytest.approx(1.0)
    assert digits.rotated_mean_average_precision(turned, samples) < 0.7


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.stem)
def test_checkpoint_is_small_and_holds_weights_alone(path):
    assert path.stat().st_size <= 5_000_000
    checkpoint = torch.load(str(path), map_location="cpu", weights_only=True)
    assert set(checkpoint) == {"meta", "state_dict"}
    assert checkpoint["meta"] == LABELS.get(path.stem, {"CLASSES": digits.CLASSES})
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


def test_segmentor_reaches_its_goal_on_held_out_composites():
    fallback.ensure()
    pytest.importorskip("mmseg")
    segment = scores.pytorch_segmentor(str(CONFIGS / "semantic_fpn_digits.py"), str(CHECKPOINTS[2]))
    samples = list(digits.segmentation_samples("test", 100))
    assert digits.mean_intersection_over_union([segment(one.image).labels for one in samples], samples) >= 0.75


def test_rotated_detector_reaches_its_goal_on_held_out_composites():
    fallback.ensure()
    pytest.importorskip("mmrotate")
    detect = scores.pytorch_rotated_detector(str(CONFIGS / "rotated_fcos_digits.py"), str(CHECKPOINTS[3]))
    samples = list(digits.rotated_samples("test", 100))
    found = [scores.by_class(detect(sample.image)) for sample in samples]
    assert digits.rotated_mean_average_precision(found, samples) >= 0.8


def _as_results(boxes, labels):
    rows = np.hstack([boxes, np.ones((len(boxes), 1), np.float32)])
    return [rows[labels == label] for label in range(10)]
