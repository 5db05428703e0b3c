"""What stands for NonMaxSuppression while a model is traced: all boxes' own answer, without asking all of them."""

import pytest
import torch
import torchvision

from mmonnx.rewriting.symbolics import non_max_suppression
from mmonnx.rewriting.symbolics.non_max_suppression import _kept


def crowd(count, ties, seed=0):
    generator = torch.Generator().manual_seed(seed)
    start, side = torch.rand(count, 2, generator=generator) * 90, torch.rand(count, 2, generator=generator) * 30 + 1
    scores = torch.rand(count, generator=generator)
    return torch.cat([start, start + side], 1), (scores * 20).round() / 20 if ties else scores


@pytest.mark.parametrize("threshold", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("most", [1, 7, 60, 500, 2**31 - 1])
def test_the_best_boxes_that_stay_are_those_of_all(most, threshold):
    boxes, scores = crowd(400, ties=False)
    expected = torchvision.ops.nms(boxes, scores, threshold)[:most]
    assert torch.equal(_kept(boxes, scores, threshold, most), expected)


def test_of_equal_scores_the_first_box_stays():
    boxes, scores = crowd(300, ties=True)
    found = _kept(boxes, scores, 0.3, 10)
    order = sorted(range(300), key=lambda place: (-float(scores[place]), place))
    kept = []
    for place in order:
        overlaps = torchvision.ops.box_iou(boxes[place : place + 1], boxes[kept]) if kept else torch.zeros(0)
        if not (overlaps > 0.3).any():
            kept.append(place)
    assert found.tolist() == kept[:10]


def test_few_boxes_are_asked_where_many_stay(monkeypatch):
    asked, nms = [], torchvision.ops.nms
    monkeypatch.setattr(torchvision.ops, "nms", lambda boxes, *more: asked.append(len(boxes)) or nms(boxes, *more))
    boxes, scores = crowd(5000, ties=False)
    found = non_max_suppression(boxes[None], scores[None, None], 20, 0.9, 0.0)
    assert len(found) == 20 and sum(asked) < 500
