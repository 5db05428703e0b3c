"""Border align's body against the fallback (mmcv's kernel is for GPUs alone)."""

import pytest
import torch
from bodies import close, every_opset, export, rand, randn, run, run_body

from mmonnx import fallback
from mmonnx.fallback.border_align import border_align_forward
from mmonnx.rewriting.rewrites import rewriting


def make_boxes(batch, count, height, width, seed=0):
    """Also over the border; one outside, one a point."""
    extent = torch.tensor([width, height]).float()
    low = (rand(batch, count, 2, seed=seed) * 1.3 - 0.3) * extent
    boxes = torch.cat([low, low + rand(batch, count, 2, seed=seed + 1) * extent], 2)
    boxes[:, :1] += 100
    boxes[:, 1:2, 2:] = boxes[:, 1:2, :2]
    return boxes


@every_opset
@pytest.mark.parametrize("pool_size", [1, 3, 10])
def test_body(opset, pool_size):
    for batch, count, height, width in ((2, 12, 6, 9), (1, 1, 1, 3), (0, 5, 4, 4)):
        input, boxes = randn(batch, 8, height, width), make_boxes(batch, count, height, width)
        expected = torch.zeros(batch, 2, count, 4)
        if batch:
            border_align_forward(input, boxes, expected, torch.zeros(expected.shape, dtype=torch.int), pool_size)
        close(run_body("MMCVBorderAlign", opset, [input, boxes], pool_size=pool_size)[0], expected)


@every_opset
def test_module_at_other_sizes(opset):
    fallback.ensure()
    from mmcv.ops import BorderAlign

    layer = BorderAlign(4)
    model = export(layer, [randn(1, 8, 5, 6), make_boxes(1, 30, 5, 6)], opset)
    for batch, height, width in ((1, 5, 6), (3, 4, 7)):
        inputs = [randn(batch, 8, height, width, seed=7), make_boxes(batch, height * width, height, width, seed=8)]
        with rewriting():
            expected = layer(*inputs)
        close(run(model, inputs)[0], expected)
