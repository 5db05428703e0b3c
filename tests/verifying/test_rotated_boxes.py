"""Matching rotated boxes: by their corners, whatever the convention of the angle."""

import math

import numpy as np
import pytest

from mmonnx.runtime import Detections, corners, in_picture
from mmonnx.verifying.matching import match, noise_of
from mmonnx.verifying.matching.pairing import box_iou


def boxes(count=20, seed=0):
    random = np.random.default_rng(seed)
    rows = random.uniform([0, 0, 10, 5, -1.5], [900, 700, 80, 40, 1.5], (count, 5))
    scores = np.sort(random.uniform(0.1, 1, count))[::-1]
    return np.concatenate([rows, scores[:, None]], 1).astype(np.float32)


def found(dets):
    return Detections(dets.astype(np.float32), np.arange(len(dets)) % 3)


def turned(dets, quarters):
    """The same boxes with another side for the width, or the angle counted in another turn."""
    other = dets.copy()
    if quarters % 2:
        other[:, [2, 3]] = other[:, [3, 2]]
    other[:, 4] += quarters * math.pi / 2
    return other


@pytest.mark.parametrize("quarters", [-3, -2, -1, 0, 1, 2, 4])
def test_a_box_is_the_same_in_every_convention(quarters):
    outcome = match(found(boxes()), found(turned(boxes(), quarters)), score_thr=0.05)
    assert outcome.ok and outcome.matched == 20 and outcome.max_box < 0.005
    order = np.random.default_rng(1).permutation(20)
    other = Detections(turned(boxes(), quarters)[order], (np.arange(20) % 3)[order])
    assert match(found(boxes()), other, score_thr=0.05).matched == 20


@pytest.mark.parametrize("column,step", [(0, 0.05), (1, -0.05), (2, 0.2), (3, 0.2), (4, 0.01), (5, 0.002)])
def test_what_is_off_does_not_match(column, step):
    other = boxes()
    other[7, column] += step
    outcome = match(found(boxes()), found(other), score_thr=0.05)
    assert not outcome.ok and outcome.matched == 19 and outcome.missing == [7]
    assert "label 1 at (" in outcome.unmatched[0] and "off by" in outcome.unmatched[0]


def test_another_label_a_missing_box_and_another_form_do_not_match():
    one = found(boxes())
    labels = one.labels.copy()
    labels[3] = 2
    assert not match(one, Detections(one.dets, labels), score_thr=0.05).ok
    assert match(one, Detections(one.dets[:-1], one.labels[:-1]), score_thr=0.05).missing == [19]
    upright = Detections(one.dets[:, :5], one.labels)
    assert match(one, upright).unmatched == ["dets: the runtime gives the shape (20, 5), not (n, 6)"]
    assert match(upright, one).unmatched == ["dets: the runtime gives the shape (20, 6), not (n, 5)"]


def test_one_of_two_boxes_of_one_score_may_be_the_other_one_and_no_third():
    dets = boxes(6)
    dets[4, 5] = dets[5, 5]
    one, other = found(dets[[0, 1, 2, 3, 4]]), found(dets[[0, 1, 2, 3, 5]])
    assert match(one, Detections(other.dets, one.labels), score_thr=0.05, limit=5).ok
    moved = dets[[0, 1, 2, 3, 4]].copy()
    moved[4, 0] += 0.5  # the same object in a wrong place
    assert not match(one, found(moved), score_thr=0.05, limit=5).ok


def test_boxes_that_pytorch_itself_moves_may_be_off():
    one = found(boxes())
    again = one.dets.copy()
    again[7, 4] += 0.01
    noise = noise_of(one)
    noise.add(found(again))
    assert match(one, found(again), score_thr=0.05, noise=noise).ok
    again[8, 4] += 0.01
    assert not match(one, found(again), score_thr=0.05, noise=noise).ok


def test_the_overlap_of_two_of_them():
    square = np.array([0, 0, 2, 2, 0, 0.5])
    assert box_iou(square, square) == pytest.approx(1)
    assert box_iou(square, np.array([1, 0, 2, 2, 0, 0.5])) == pytest.approx(1 / 3)
    octagon = 8 * (math.sqrt(2) - 1)
    assert box_iou(square, np.array([0, 0, 2, 2, math.pi / 4, 1])) == pytest.approx(octagon / (8 - octagon), abs=1e-5)
    assert box_iou(square, np.array([9, 9, 2, 2, 0.3, 1])) == 0


def test_corners_and_pixels_of_the_picture():
    np.testing.assert_allclose(corners(np.array([[5.0, 6, 4, 2, 0]]))[0], [[3, 5], [7, 5], [7, 7], [3, 7]])
    quarter = corners(np.array([[5.0, 6, 4, 2, math.pi / 2]]))[0]
    np.testing.assert_allclose(quarter, [[6, 4], [6, 8], [4, 8], [4, 4]], atol=1e-9)
    given = np.array([[110, 50, 8, 4, 0.3], [-5, 20, 8, 4, 0.3]], np.float32)
    inside = in_picture(given, "image", (40, 100), np.array([2, 2, 2, 2]))
    np.testing.assert_allclose(inside, [[49.5, 19.5, 4, 2, 0.3], [0, 10, 4, 2, 0.3]])
    np.testing.assert_allclose(in_picture(given, "none", (40, 100), np.ones(4), (10, 0))[:, 0], [100, -15])
