"""What is told of single answers: pairs by overlap and class, how scores move, and what only one file has."""

import numpy as np
import pytest

from mmonnx.precision.agreement import detections_agree, iou, match
from mmonnx.precision.changes import of_detections
from mmonnx.runtime import Detections
from mmonnx.support import InputError


def found(*rows, labels=None):
    """Detections of rows (x1, y1, x2, y2, score)."""
    dets = np.asarray(rows, np.float32).reshape(-1, 5)
    return Detections(dets, np.asarray(labels if labels is not None else [0] * len(dets)))


def test_overlaps_are_those_of_areas():
    overlaps = iou(np.array([[0.0, 0, 10, 10], [5, 5, 5, 9]]), np.array([[0.0, 0, 10, 10], [5, 0, 15, 10]]))
    np.testing.assert_allclose(overlaps, [[1, 1 / 3], [0, 0]])


def test_pairs_are_of_a_class_and_the_best_score_chooses_first():
    first = found([0, 0, 10, 10, 0.5], [0, 0, 10, 11, 0.9], [50, 50, 60, 60, 0.8])
    second = found([0, 0, 10, 11, 0.7], [50, 50, 60, 60, 0.8], labels=[0, 1])
    assert match(first, second) == ((1, 0),)
    assert match(first, found()) == match(found(), first) == ()


def test_a_detection_that_is_lost_and_one_that_is_new_are_told_apart():
    first = found([0, 0, 10, 10, 0.9], [50, 50, 60, 60, 0.8], [80, 80, 90, 90, 0.1])
    second = found([0, 0, 10, 10, 0.7], [20, 20, 30, 30, 0.6])
    told = of_detections([(first, second), (found(), found())])
    assert (told.pictures, told.kept, told.total, told.extra) == (2, 1, 2, 1)
    assert told.scores == pytest.approx((0.2, 0.2, 0.2)) and told.overlaps == pytest.approx((1, 1, 1))
    assert "1 of 2 detections in 2 pictures, 1 others" in dict(told.rows())["found again"]
    assert detections_agree(first, second) == (2, 4)


def test_a_score_just_below_the_threshold_is_found_all_the_same():
    assert detections_agree(found([0, 0, 10, 10, 0.31]), found([0, 0, 10, 10, 0.29])) == (1, 1)
    assert detections_agree(found([0, 0, 10, 10, 0.31]), found([0, 0, 10, 10, 0.1])) == (0, 1)


def test_rotated_boxes_are_not_taken_for_upright_ones():
    rotated = Detections(np.ones((1, 6), np.float32), np.zeros(1, int))
    with pytest.raises(InputError, match="boxes are rotated"):
        match(rotated, rotated)
