"""Suppression, against loops over Python floats and against the compiled kernels."""

import numpy as np
import pytest
import torch
import torchvision
from kernels import both, boxes, compiled, needs_compiled, ours

METHODS = {"naive": 0, "linear": 1, "gaussian": 2}


def iou(one, two, offset):
    """IoU of two boxes in single precision."""
    one, two, offset = np.float32(one), np.float32(two), np.float32(offset)
    sides = np.maximum(np.minimum(one[2:], two[2:]) - np.maximum(one[:2], two[:2]) + offset, np.float32(0))
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (one, two)]
    inter = sides[0] * sides[1]
    return inter / (areas[0] + areas[1] - inter)


def naive_nms(dets, scores, threshold, offset):
    kept = []
    for index in sorted(range(len(scores)), key=lambda i: -scores[i]):
        if all(not iou(dets[k], dets[index], offset) > np.float32(threshold) for k in kept):
            kept.append(index)
    return kept


def naive_softnms(dets, scores, threshold, sigma, minimum, method, offset):
    """Without ties: the order in which the survivors are looked through does not matter then."""
    scores, left, kept = np.float32(scores), list(range(len(scores))), []
    while left:
        best = max(left, key=lambda i: scores[i])
        kept.append((best, scores[best]))
        left.remove(best)
        for index in left:
            overlap = iou(dets[best], dets[index], offset)
            if method == 2:
                scores[index] *= np.exp(-(overlap * overlap) / np.float32(sigma))
            elif overlap >= np.float32(threshold):
                scores[index] *= 0 if method == 0 else 1 - overlap
        left = [index for index in left if scores[index] >= np.float32(minimum)]
    return kept


@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7, 1.0])
def test_nms_is_greedy_by_falling_score(ext, offset, threshold):
    for seed in range(5):
        dets, scores = boxes(60, seed), torch.rand(60, generator=torch.Generator().manual_seed(seed))
        kept = ext.nms(dets, scores, iou_threshold=threshold, offset=offset)
        assert kept.dtype == torch.long
        assert kept.tolist() == naive_nms(dets.tolist(), scores.tolist(), threshold, offset)


@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("threshold, count", [(0.3, 2), (0.29, 1)])
def test_nms_keeps_a_box_whose_iou_is_the_threshold(ext, threshold, count):
    # 3 / 10 in single precision is above 0.3 in double precision: who compares in double drops the second box.
    dets = torch.tensor([[0.0, 0.0, 10.0, 1.0], [0.0, 0.0, 3.0, 1.0]])
    assert len(ext.nms(dets, torch.tensor([0.9, 0.8]), iou_threshold=threshold, offset=0)) == count


@pytest.mark.parametrize("ext", both())
def test_offset_counts_the_last_pixel(ext):
    # Neighbouring columns of pixels: apart without the offset, half over each other with it.
    dets = torch.tensor([[0.0, 0.0, 2.0, 9.0], [2.0, 0.0, 4.0, 9.0]])
    scores = torch.tensor([0.9, 0.8])
    assert ext.nms(dets, scores, iou_threshold=0.19, offset=0).tolist() == [0, 1]
    assert ext.nms(dets, scores, iou_threshold=0.19, offset=1).tolist() == [0]
    assert ext.nms(dets, scores, iou_threshold=0.21, offset=1).tolist() == [0, 1]


@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("offset", [0, 1])
def test_nms_of_nothing(ext, offset):
    kept = ext.nms(torch.zeros(0, 4), torch.zeros(0), iou_threshold=0.5, offset=offset)
    assert kept.shape == (0,)
    assert kept.dtype == torch.long


def test_nms_agrees_with_torchvision_away_from_ties():
    dets, scores = boxes(500, 7, extent=200), torch.rand(500, generator=torch.Generator().manual_seed(7))
    assert torch.equal(ours().nms(dets, scores, 0.45, 0), torchvision.ops.nms(dets, scores, 0.45))


@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_softnms_lowers_the_scores_of_what_overlaps(ext, method, offset):
    for seed in range(3):
        dets, scores = boxes(40, seed), torch.rand(40, generator=torch.Generator().manual_seed(seed))
        arguments = (0.3, 0.5, 0.05, METHODS[method], offset)
        names = ("iou_threshold", "sigma", "min_score", "method", "offset")
        filled = torch.full((40, 5), -1.0)
        kept = ext.softnms(dets, scores, filled, **dict(zip(names, arguments)))
        expected = naive_softnms(dets.tolist(), scores.tolist(), *arguments)
        assert kept.tolist() == [index for index, _ in expected]
        assert 0 < len(kept) < 40
        assert torch.equal(filled[: len(kept), :4], dets[kept])
        np.testing.assert_allclose(filled[: len(kept), 4].numpy(), [score for _, score in expected], atol=1e-6)


@pytest.mark.parametrize("ext", both())
def test_softnms_of_nothing_and_of_nothing_but_low_scores(ext):
    rest = dict(iou_threshold=0.3, sigma=0.5, min_score=0.5, method=1, offset=0)
    assert ext.softnms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, 5), **rest).numel() == 0
    # The best box is kept whatever its score is: only what follows is held against the least score.
    filled = torch.zeros(3, 5)
    kept = ext.softnms(boxes(3, 0), torch.tensor([0.1, 0.3, 0.2]), filled, **rest)
    assert kept.tolist() == [1]
    assert filled[0, 4] == pytest.approx(0.3)


@pytest.mark.parametrize("ext", both())
def test_nms_match_groups_every_box_once(ext):
    dets = torch.cat((boxes(60, 3), torch.rand((60, 1), generator=torch.Generator().manual_seed(3))), 1)
    groups = ext.nms_match(dets, iou_threshold=0.4)
    assert sorted(index for group in groups for index in group) == list(range(60))
    assert any(len(group) > 1 for group in groups)
    heads = [group[0] for group in groups]
    assert heads == naive_nms(dets[:, :4].tolist(), dets[:, 4].tolist(), np.nextafter(np.float32(0.4), 0), 0)
    for group in groups:
        assert dets[group, 4].tolist() == sorted(dets[group, 4].tolist(), reverse=True)
        assert all(iou(dets[group[0], :4].tolist(), dets[i, :4].tolist(), 0) >= np.float32(0.4) for i in group[1:])


@needs_compiled
@pytest.mark.parametrize("levels", [1, 3, 20])
@pytest.mark.parametrize("count", [1, 17, 300, 5000])
def test_ties_come_in_the_compiled_order(count, levels):
    generator = torch.Generator().manual_seed(count + levels)
    dets = boxes(count, count, extent=30 * count**0.5)
    scores = torch.randint(levels, (count,), generator=generator).float() / 20
    for offset in (0, 1):
        arguments = dict(iou_threshold=0.3, offset=offset)
        assert torch.equal(ours().nms(dets, scores, **arguments), compiled().nms(dets, scores, **arguments))
    if count > 300:
        return
    match = torch.cat((dets, scores[:, None]), 1)
    assert ours().nms_match(match, iou_threshold=0.3) == compiled().nms_match(match, iou_threshold=0.3)


@needs_compiled
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("levels", [1, 4, 1000])
def test_softnms_is_the_compiled_one(method, offset, levels):
    for seed, count in enumerate((1, 2, 60, 300)):
        scores = (torch.randint(levels, (count,), generator=torch.Generator().manual_seed(seed)) + 1.0) / levels
        dets = boxes(count, seed).round()
        arguments = dict(iou_threshold=0.3, sigma=0.5, min_score=0.2, method=METHODS[method], offset=offset)
        results = []
        for ext in (ours(), compiled()):
            filled = torch.zeros(count, 5)
            kept = ext.softnms(dets, scores, filled, **arguments)
            results.append((kept, filled[: len(kept)]))
        assert torch.equal(results[0][0], results[1][0])
        assert (results[0][1] - results[1][1]).abs().max() <= 1e-5
