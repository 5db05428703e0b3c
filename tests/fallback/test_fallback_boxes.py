"""Overlaps of upright and of rotated boxes, and suppression of the latter."""

import math

import cv2
import pytest
import torch
import torchvision
from kernels import both, boxes, compiled, needs_compiled, ours
from rectangles import adversarial, crowd, greedy, iou


def rotated(count, seed, extent=20.0):
    """(count, 5) rotated boxes that overlap."""
    values = torch.rand((count, 5), generator=torch.Generator().manual_seed(seed))
    return values * torch.tensor([extent, extent, 12, 12, 6.3]) + torch.tensor([0, 0, 2, 2, -3.15])


def overlap(ext, one, two, mode=0, aligned=False):
    ious = torch.zeros(len(one) if aligned else len(one) * len(two))
    ext.box_iou_rotated(one, two, ious, mode_flag=mode, aligned=aligned)
    return ious if aligned else ious.view(len(one), len(two))


def opencv_overlap(one, two, mode):
    """By OpenCV's intersection of rotated rectangles."""
    rectangles = [((x, y), (w, h), math.degrees(a)) for x, y, w, h, a in (one.tolist(), two.tolist())]
    _, points = cv2.rotatedRectangleIntersection(*rectangles)
    shared = 0.0 if points is None else cv2.contourArea(cv2.convexHull(points))
    areas = [w * h for _, (w, h), _ in rectangles]
    return shared / (sum(areas) - shared if mode == 0 else areas[0])


@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("mode", [0, 1])
def test_bbox_overlaps_counts_pixels(ext, mode, offset):
    one, two = boxes(7, 1, extent=12).round(), boxes(5, 2, extent=12).round()
    ious = torch.zeros(7, 5)
    ext.bbox_overlaps(one, two, ious, mode=mode, aligned=False, offset=offset)
    for i in range(7):
        for j in range(5):
            # Boxes of whole pixels are sets of pixels; without the offset the last row and column are not in them.
            sets = [
                {(x, y) for x in range(int(b[0]), int(b[2]) + offset) for y in range(int(b[1]), int(b[3]) + offset)}
                for b in (one[i], two[j])
            ]
            whole = sets[0] | sets[1] if mode == 0 else sets[0]
            assert ious[i, j] == pytest.approx(len(sets[0] & sets[1]) / len(whole), abs=1e-6)
    pairs = torch.zeros(5)
    ext.bbox_overlaps(one[:5], two, pairs, mode=mode, aligned=True, offset=offset)
    assert torch.allclose(pairs, ious[:5].diagonal(), atol=1e-6)
    assert ious.max() > 0


@pytest.mark.parametrize("ext", both())
def test_rotated_overlap_of_upright_boxes(ext):
    one, two = boxes(9, 3), boxes(8, 4)
    centred = [
        torch.cat(((b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2], torch.zeros(len(b), 1)), 1) for b in (one, two)
    ]
    assert torch.allclose(overlap(ext, *centred), torchvision.ops.box_iou(one, two), atol=1e-5)


@pytest.mark.parametrize("mode", [0, 1])
def test_rotated_overlap_agrees_with_opencv(mode):
    one, two = rotated(12, 5), rotated(10, 6)
    ious = overlap(ours(), one, two, mode)
    expected = torch.tensor([[opencv_overlap(a, b, mode) for b in two] for a in one])
    assert (ious - expected).abs().max() < 1e-3  # OpenCV works in single precision and merges close corners
    assert torch.allclose(overlap(ours(), one[:10], two, mode, aligned=True), ious[:10].diagonal(), atol=1e-6)


def test_rotated_overlap_of_equal_touching_and_empty_boxes():
    box = rotated(50, 7)
    assert torch.allclose(overlap(ours(), box, box, aligned=True), torch.ones(50), atol=1e-5)
    square = torch.tensor([[0.0, 0.0, 2.0, 2.0, 0.0]])
    assert overlap(ours(), square, torch.tensor([[2.0, 0.0, 2.0, 2.0, 0.0]])).item() == pytest.approx(0, abs=1e-6)
    assert overlap(ours(), square, torch.tensor([[0.0, 0.0, 0.0, 2.0, 0.5]])).item() == 0
    # A square turned by 45 degrees cuts a regular octagon out of itself.
    turned = torch.tensor([[0.0, 0.0, 2.0, 2.0, math.pi / 4]])
    octagon = 8 * (math.sqrt(2) - 1)
    assert overlap(ours(), square, turned).item() == pytest.approx(octagon / (8 - octagon), abs=1e-5)
    assert overlap(ours(), box[:0], box).shape == (0, 50)


@pytest.mark.parametrize("make", [adversarial, lambda: crowd(60, 3)], ids=["adversarial", "crowd"])
def test_rotated_overlap_agrees_with_clipped_polygons(make):
    found = make()
    expected = torch.tensor([[iou(one, two) for two in found.tolist()] for one in found.tolist()])
    assert (overlap(ours(), found, found) - expected).abs().max() < 1e-6
    assert (overlap(ours(), found, found, aligned=True) - expected.diagonal()).abs().max() < 1e-6


@pytest.mark.parametrize("threshold", [0.1, 0.45, 0.8])
@pytest.mark.parametrize("make", [adversarial, lambda: crowd(150, 4)], ids=["adversarial", "crowd"])
def test_nms_rotated_agrees_with_clipped_polygons(make, threshold):
    found = make()
    ties = torch.rand(len(found), generator=torch.Generator().manual_seed(5)).mul(20).round() / 20
    scores = ties + torch.arange(len(found), 0, -1) * 1e-5  # torch's sort leaves the order of equal ones open
    kept = nms(ours(), found, scores, threshold)
    assert kept == greedy(found.numpy(), scores.numpy(), threshold) and 1 < len(kept) < len(found)


def test_nms_rotated_goes_on_where_a_chunk_ends(monkeypatch):
    found, scores = crowd(200, 6), torch.rand(200, generator=torch.Generator().manual_seed(6))
    expected = nms(ours(), found, scores, 0.2)
    monkeypatch.setattr("mmonnx.fallback.rotated._CHUNK", 7)
    assert nms(ours(), found, scores, 0.2) == expected
    assert nms(ours(), found[:0], scores[:0], 0.2) == []


def nms(ext, dets, scores, threshold):
    order = scores.sort(0, descending=True)[1]
    labels = torch.zeros(0, dtype=torch.int)
    return ext.nms_rotated(dets, scores, order, dets[order], labels, threshold, False).tolist()


@pytest.mark.parametrize("ext", both())
def test_nms_rotated_is_greedy(ext):
    dets, scores = rotated(50, 8), torch.rand(50, generator=torch.Generator().manual_seed(8))
    ious = overlap(ours(), dets, dets)
    expected = []
    for index in scores.argsort(descending=True).tolist():
        if all(ious[k, index] < 0.3 for k in expected):
            expected.append(index)
    assert nms(ext, dets, scores, 0.3) == expected
    assert 1 < len(expected) < 50


@needs_compiled
@pytest.mark.parametrize("mode", [0, 1])
def test_rotated_overlap_is_the_compiled_one(mode):
    one, two = rotated(60, 9), rotated(50, 10)
    assert (overlap(ours(), one, two, mode) - overlap(compiled(), one, two, mode)).abs().max() <= 1e-5


@needs_compiled
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("mode", [0, 1])
def test_bbox_overlaps_is_the_compiled_one(mode, offset, aligned):
    one, two = boxes(30, 11), boxes(30, 12)
    one[0, 2:] = one[0, :2] - 3  # upside down
    results = []
    for ext in (ours(), compiled()):
        results.append(torch.zeros(30) if aligned else torch.zeros(30, 30))
        ext.bbox_overlaps(one, two, results[-1], mode=mode, aligned=aligned, offset=offset)
    assert torch.allclose(results[0], results[1], rtol=0, atol=1e-5, equal_nan=True)
