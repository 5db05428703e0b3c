"""The suppressions' bodies against mmcv's own operators."""

import importlib

import pytest
import torch
from bodies import close, every_opset, export, rand, run, run_body

from mmonnx import fallback
from mmonnx.rewriting.rewrites import rewriting


@pytest.fixture(scope="module")
def nms():
    fallback.ensure()
    return importlib.import_module("mmcv.ops.nms")  # the package has a function of this name


def candidates(count=60, seed=0):
    start, side = rand(count, 2, seed=seed) * 40, rand(count, 2, seed=seed + 1) * 30 + 1
    return torch.cat([start, start + side], 1), rand(count, seed=seed + 2)


@every_opset
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_hard(nms, opset, threshold, offset):
    for boxes, scores in (candidates(), candidates(1, seed=5)):
        found = run_body("NonMaxSuppression", opset, [boxes, scores], iou_threshold=threshold, offset=offset)
        close(found[0], nms.NMSop.apply(boxes, scores, threshold, offset, 0.0, -1))


@every_opset
def test_hard_of_no_box(opset):
    found = run_body("NonMaxSuppression", opset, [torch.zeros(0, 4), torch.zeros(0)], iou_threshold=0.5, offset=0)
    assert found[0].shape == (0,)


@every_opset
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("method", [0, 1, 2])
@pytest.mark.parametrize("minimum", [0.001, 0.3])
def test_soft(nms, opset, method, offset, minimum):
    settings = dict(iou_threshold=0.3, sigma=0.5, min_score=minimum, method=method, offset=offset)
    for boxes, scores in (candidates(), candidates(1, seed=5), candidates(20, seed=7)):
        dets, kept = nms.SoftNMSop.apply(boxes, scores, *settings.values())
        found = run_body("SoftNonMaxSuppression", opset, [boxes, scores], **settings)
        close(found[1], kept)
        close(found[0], dets[: len(kept)])
        assert len(kept) < len(boxes) or len(boxes) == 1 or minimum < 0.01


class Suppress(torch.nn.Module):
    def forward(self, boxes, scores):
        import mmcv.ops as ops

        few = ops.nms(boxes, scores, 0.5, score_threshold=0.4, max_num=7)
        return (*few, *ops.nms(boxes, scores, iou_thr=0.3, offset=1), *ops.soft_nms(boxes, scores, min_score=0.2))


@every_opset
def test_functions_at_other_numbers_of_boxes(nms, opset):
    module = Suppress()
    model = export(module, candidates(), opset)
    for count, seed in ((60, 0), (13, 3), (100, 4)):
        inputs = candidates(count, seed)
        expected = module(*inputs)
        assert len(expected[0]) <= 7 < len(expected[2])
        for found, eager in zip(run(model, inputs), expected):
            close(found, eager)
        with rewriting():
            for found, eager in zip(module(*inputs), expected):
                close(found.numpy(), eager)
