"""The body of rotated feature alignment against mmcv's kernel, compiled or the fallback's."""

import pytest
import torch
from bodies import close, every_opset, export, rand, randn, run, run_body
from kernels import both

from mmonnx import fallback


def make_boxes(batch, height, width, scale, seed=0):
    place = torch.tensor([height, width]).float() * (rand(batch, height, width, 2, seed=seed) * 1.4 - 0.2)
    side = rand(batch, height, width, 2, seed=seed + 1) * max(height, width) / 2
    return torch.cat([place / scale, side / scale, randn(batch, height, width, 1, seed=seed + 2)], 3)


@every_opset
@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("points", [1, 5])
@pytest.mark.parametrize("scale", [0.125, 1.0])
def test_body(opset, ext, points, scale):
    for batch, height, width in ((2, 6, 9), (1, 2, 3), (0, 4, 4)):
        features, boxes = randn(batch, 3, height, width), make_boxes(batch, height, width, scale)
        expected = torch.zeros_like(features)
        if batch:
            ext.rotated_feature_align_forward(features, boxes, expected, spatial_scale=scale, points=points)
        attributes = dict(spatial_scale=scale, points=points)
        close(run_body("MMCVRotatedFeatureAlign", opset, [features, boxes], **attributes)[0], expected)


class Aligned(torch.nn.Module):
    def forward(self, features, boxes):
        from mmcv.ops import rotated_feature_align

        return rotated_feature_align(features, boxes, points=5) + rotated_feature_align(features, boxes, 0.25)


@every_opset
def test_module_at_other_sizes(opset):
    fallback.ensure()
    module = Aligned()
    model = export(module, [randn(1, 2, 5, 6), make_boxes(1, 5, 6, 0.125)], opset)
    for batch, height, width in ((1, 5, 6), (3, 4, 11)):
        inputs = [randn(batch, 2, height, width, seed=7), make_boxes(batch, height, width, 0.125, seed=8)]
        close(run(model, inputs)[0], module(*inputs))
