"""The pictures: that they are there, of the right size, and show what differs."""

import cv2
import numpy as np
import pytest

from mmonnx.loading.task import Task
from mmonnx.runtime.drawing import MAX_BOXES, color_of
from mmonnx.runtime.results import Detections, Panoptic, RawOutputs, Scores
from mmonnx.verifying.pictures import file_name, side_by_side
from mmonnx.verifying.verification import Case


def make_task(classes=("cat", "caf\u00e9")):
    return Task("mmdet", "a title", None, {}, [], {}, None, None, None, classes=classes)


def make_case(height, width, batch=1):
    rng = np.random.RandomState(0)
    return Case("photograph 1x1", {}, [rng.randint(0, 255, (height, width, 3), np.uint8) for _ in range(batch)])


def make_detections(count, height, width, masks=None):
    rng = np.random.RandomState(1)
    corner = rng.rand(count, 2) * [width, height]
    dets = np.concatenate([corner, corner + 0.3 * np.array([width, height]), rng.rand(count, 1)], axis=1)
    return Detections(dets.astype(np.float32), rng.randint(0, 9, count), masks)


def draw(tmp_path, case, expected, actual, task=None):
    side_by_side(task or make_task(), case, expected, actual, tmp_path / "picture.png")
    return cv2.imread(str(tmp_path / "picture.png"))


def halves(picture):
    return picture[:, : picture.shape[1] // 2], picture[:, picture.shape[1] // 2 :]


@pytest.mark.parametrize("size", [(64, 64), (32, 96), (800, 1216), (1216, 300)])
@pytest.mark.parametrize("count", [0, 1, 100])
def test_any_size_and_any_number(tmp_path, size, count):
    found = make_detections(count, *size)
    picture = draw(tmp_path, make_case(*size), [found], [found])
    assert picture.shape[0] > size[0] and picture.shape[1] > 2 * size[1]
    assert max(picture.shape[:2]) >= 480, "a small picture is enlarged, or its caption cannot be read"
    left, right = halves(picture)
    # Below the captions the two halves are the same when the results are.
    assert (left[-100:] == right[-100:]).all()


def test_a_row_for_each_image(tmp_path):
    found = make_detections(3, 480, 480)
    one = draw(tmp_path, make_case(480, 480), [found], [found])
    two = draw(tmp_path, make_case(480, 480, 2), [found] * 2, [found] * 2)
    assert 1.8 < two.shape[0] / one.shape[0] < 2


def test_a_box_that_is_missing_shows(tmp_path):
    found = make_detections(3, 480, 480)
    fewer = Detections(found.dets[:2], found.labels[:2])
    left, right = halves(draw(tmp_path, make_case(480, 480), [found], [fewer]))
    drawn = (left == color_of(int(found.labels[2]))).all(axis=2).sum()
    assert drawn > (right == color_of(int(found.labels[2]))).all(axis=2).sum()


def test_only_the_best_boxes_are_drawn(tmp_path):
    many = make_detections(MAX_BOXES + 40, 480, 480)
    best = np.argsort(-many.dets[:, 4])[:MAX_BOXES]
    left, right = halves(draw(tmp_path, make_case(480, 480), [many], [Detections(many.dets[best], many.labels[best])]))
    assert (left[-400:] == right[-400:]).all()


@pytest.mark.parametrize("shape, kind", [((64, 96), bool), ((28, 28), np.float32)])
def test_masks_tint_the_picture(tmp_path, shape, kind):
    plain = Detections(np.float32([[10, 10, 60, 50, 0.9]]), np.zeros(1, np.int64))
    masks = np.zeros((1, *shape), kind)
    masks[0, shape[0] // 4 : shape[0] // 2, shape[1] // 4 : shape[1] // 2] = 1
    left, right = halves(draw(tmp_path, make_case(64, 96), [plain], [Detections(plain.dets, plain.labels, masks)]))
    assert 0.01 < (left[-300:] != right[-300:]).any(axis=2).mean() < 0.3


def test_masks_and_boxes_beyond_the_edge(tmp_path):
    dets = np.float32([[-20, -20, 500, 500, 0.9], [5, 5, 5, 5, 0.8], [900, 900, 950, 950, 0.7]])
    found = Detections(dets, np.zeros(3, np.int64), np.ones((3, 28, 28), np.float32))
    assert draw(tmp_path, make_case(64, 64), [found], [found]) is not None


def test_numbers_that_cannot_be_drawn(tmp_path):
    found = Detections(np.float32([[1, 2, np.nan, 4, 0.9], [1, 2, 30, 40, np.inf]]), np.zeros(2, np.int64))
    assert draw(tmp_path, make_case(64, 64), [found], [found]) is not None


@pytest.mark.parametrize("count", [2, 1000])
def test_class_probabilities(tmp_path, count):
    probs = np.random.RandomState(0).dirichlet(np.ones(count)).astype(np.float32)
    other = probs[::-1].copy()
    left, right = halves(draw(tmp_path, make_case(224, 224), [Scores(probs)], [Scores(other)]))
    assert (left[-60:] != right[-60:]).any()


def test_a_panoptic_map_tints_the_picture(tmp_path):
    segments = np.zeros((48, 64), np.int32)
    segments[:, 32:] = 1003
    other = np.where(segments > 0, 0, 1003).astype(np.int32)
    left, right = halves(draw(tmp_path, make_case(48, 64), [Panoptic(segments)], [Panoptic(other)]))
    assert (left[-60:] != right[-60:]).any()


def test_raw_outputs(tmp_path):
    raw = RawOutputs({"a": np.zeros((2, 3), np.float32), "empty": np.zeros((0, 3), np.float32)})
    assert draw(tmp_path, make_case(224, 224, 2), [raw], [raw]) is not None


def test_neighbouring_classes_have_distinct_colours_that_carry_white_text():
    for label in range(80):
        blue, green, red = color_of(label)
        assert 0.3 * red + 0.59 * green + 0.11 * blue < 130
        assert max(abs(a - b) for a, b in zip(color_of(label), color_of(label + 1))) > 60


def test_file_names():
    assert file_name(Case("photograph 800x1216 batch 2", {}, [])) == "photograph_800x1216_batch_2.png"
