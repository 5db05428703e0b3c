"""The order of equal scores in PyTorch's own inference."""

import numpy as np
import torch

from mmonnx import fallback

fallback.ensure()

from mmonnx.environment.ties import ties_at_random, ties_by_index  # noqa: E402

SCORES = torch.tensor([0.25, 0.5, 0.5 + 2**-24, 0.5, 0.75] * 40)
"""Each of 0.5 many times over, and as often the next float32 after it."""


def orders(scores):
    """The order that each way of sorting gives, the best first."""
    from mmcv import _ext

    boxes = torch.arange(len(scores)).float()[:, None] * torch.ones(4) + torch.tensor([0, 0, 0.5, 0.5])
    return [
        scores.sort(descending=True)[1],
        torch.sort(scores, descending=True)[1],
        scores.topk(len(scores))[1],
        torch.topk(scores, len(scores))[1],
        (-scores).topk(len(scores), largest=False)[1],
        _ext.nms(boxes, scores, 0.5, 0),
    ]


def test_equal_scores_go_by_index_in_all_that_sorts_and_only_inside_the_block():
    own = torch.sort, torch.topk, torch.Tensor.sort, torch.Tensor.topk
    expected = torch.from_numpy(np.argsort(-SCORES.numpy(), kind="stable"))
    with ties_by_index():
        assert all(torch.equal(order, expected) for order in orders(SCORES))
        values, index = SCORES.view(40, 5).topk(2, dim=0)
        assert torch.equal(values, SCORES.view(40, 5)[:2]) and index.tolist() == [[0] * 5, [1] * 5]
        found = SCORES.topk(3)
        assert found.values.tolist() == [0.75] * 3 and found.indices.tolist() == [4, 9, 14]
    assert own == (torch.sort, torch.topk, torch.Tensor.sort, torch.Tensor.topk)


def test_at_random_scores_that_are_a_rounding_apart_swap_and_no_others():
    expected = SCORES.sort(descending=True)[0]
    generator = torch.Generator().manual_seed(0)
    with ties_at_random(generator), ties_by_index():
        first = orders(SCORES)
        values = SCORES.sort(descending=True)[0]
    assert len({tuple(order.tolist()) for order in first}) == len(first)
    for order in first:
        assert (SCORES[order] - expected).abs().max() == 2**-24
    assert set(values.tolist()) == set(SCORES.tolist())  # sorted by something else, and the same values
    with ties_by_index():
        assert len({tuple(order.tolist()) for order in orders(SCORES)}) == 1


def test_the_best_class_is_shaken_among_classes_a_rounding_apart_and_no_others():
    rows = SCORES[:4].repeat(64, 1)
    generator = torch.Generator().manual_seed(0)
    with ties_by_index(), ties_at_random(generator):
        values, labels = rows.max(1)
        kept, columns = torch.max(rows, dim=-1, keepdim=True)
        assert set(rows.argmax(1).tolist()) == set(torch.argmax(rows, dim=1).tolist()) == {1, 2, 3}
        assert rows.max() == SCORES[2] and torch.equal(rows.max(rows + 1), rows + 1)
    assert set(labels.tolist()) == {1, 2, 3}
    assert torch.equal(values, rows.gather(1, labels[:, None])[:, 0])  # chosen by something else, and the same values
    assert kept.shape == columns.shape == (64, 1) and torch.equal(kept, rows.gather(1, columns))
    with ties_by_index():
        assert rows.max(1)[1].tolist() == [2] * 64 == rows.argmax(1).tolist()


def test_what_is_masked_is_no_tie_and_no_number():
    """Scores of tokens that are not there are -inf: the greatest of the others stays the greatest."""
    scores = torch.randn(200, 12, generator=torch.Generator().manual_seed(0))
    scores[:, 7:] = -float("inf")
    with ties_by_index():
        expected = scores.max(-1)[0].topk(50)
        with ties_at_random(torch.Generator().manual_seed(0)):
            found = scores.max(-1)[0].topk(50)
            greatest = scores.argmax(-1)
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])
    assert torch.equal(greatest, scores.argmax(-1))
