"""RoIPool's body against mmcv's rule (the kernel is for GPUs: the fallback's, which has tests of its own)."""

import pytest
import torch
from bodies import close, every_opset, export, rand, randn, run, run_body

from mmonnx import fallback
from mmonnx.fallback.roi_pool import roi_pool_forward
from mmonnx.rewriting.rewrites import rewriting


def make_rois(count, images, extent, seed=0):
    """Of all sizes and places, also outside; a point, one upside down, and one on whole cells."""
    low = rand(count, 2, seed=seed) * extent * 1.2 - extent * 0.1
    rois = torch.cat([(torch.arange(count) % images)[:, None].float(), low, low + rand(count, 2, seed=1) * extent], 1)
    rois[0, 1:] += extent * 3
    rois[1, 3:] = rois[1, 1:3]
    rois[2, 3:] = rois[2, 1:3] - 5
    rois[3, 1:] = torch.tensor([0.0, 0, extent - 1, extent / 2 - 1])
    return rois


def expected(features, rois, size, scale):
    output = features.new_zeros((len(rois), features.shape[1], *size))
    roi_pool_forward(features, rois, output, torch.zeros(output.shape, dtype=torch.int), *size, scale)
    return output


@every_opset
@pytest.mark.parametrize("size", [(7, 7), (2, 3)])
@pytest.mark.parametrize("scale", [1.0, 0.5, 0.0625])
def test_body(opset, size, scale):
    features, rois = randn(2, 3, 13, 17), make_rois(40, 2, 16 / scale)
    found = run_body("MaxRoiPool", opset, [features, rois], pooled_shape=size, spatial_scale=scale)
    reference = expected(features, rois, size, scale)
    assert reference.abs().amax((1, 2, 3)).gt(0).sum() > 20
    close(found[0], reference, 0)


@every_opset
def test_body_of_no_roi(opset):
    inputs = [randn(2, 3, 8, 8), torch.zeros(0, 5)]
    close(run_body("MaxRoiPool", opset, inputs, pooled_shape=(2, 3), spatial_scale=0.5)[0], torch.zeros(0, 3, 2, 3))


@every_opset
def test_module_at_other_sizes(opset):
    fallback.ensure()
    from mmcv.ops import RoIPool

    layer = RoIPool((3, 2), 0.5)
    model = export(layer, [randn(1, 2, 8, 8), make_rois(5, 1, 16)], opset)
    for features, rois in ((randn(2, 2, 12, 9), make_rois(11, 2, 20)), (randn(1, 2, 5, 5), torch.zeros(0, 5))):
        with rewriting():
            reference = layer(features, rois)
        close(run(model, [features, rois])[0], reference)
