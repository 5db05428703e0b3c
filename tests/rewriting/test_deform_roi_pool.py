"""Deformable RoI pooling's body against the fallback (mmcv's kernel is for GPUs alone)."""

import pytest
import torch
from bodies import close, every_opset, export, rand, randn, run, run_body

from mmonnx import fallback
from mmonnx.fallback.deform_roi_pool import deform_roi_pool_forward
from mmonnx.rewriting.rewrites import rewriting

NAME = "MMCVDeformRoIPool"


def make_rois(count, images, extent, seed=0):
    """From much less than a cell to more than the map; some on whole cells, a point, one upside down."""
    center = rand(count, 2, seed=seed) * extent
    side = torch.exp(rand(count, 2, seed=seed + 1) * 6 - 2) * extent / 20
    rois = torch.cat([(torch.arange(count) % images)[:, None].float(), center - side / 2, center + side / 2], 1)
    rois[0, 1:] += extent * 3
    rois[1, 3:] = rois[1, 1:3]
    rois[2, 3:] = rois[2, 1:3] - 3
    rois[3, 1:] = torch.tensor([0.0, 0, extent, extent])
    rois[4, 1:] = torch.tensor([extent / 4, extent / 8, extent, extent / 2])
    return rois


def expected(features, rois, offset, attributes):
    output = features.new_zeros((len(rois), features.shape[1], attributes["pooled_height"], attributes["pooled_width"]))
    deform_roi_pool_forward(
        features, rois, offset, output, **dict(attributes, sampling_ratio=int(attributes["sampling_ratio"]))
    )
    return output


@every_opset
@pytest.mark.parametrize("ratio", [0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("size, scale, gamma", [((7, 7), 0.25, 0.1), ((2, 3), 1.0, 0.5)])
@pytest.mark.parametrize("moved", [False, True])
def test_body(opset, ratio, size, scale, gamma, moved):
    features, rois = randn(2, 3, 25, 32), make_rois(40, 2, 28 / scale)
    offset = randn(40, 2, *size, seed=3) if moved else torch.zeros(0)
    attributes = dict(
        pooled_height=size[0], pooled_width=size[1], spatial_scale=scale, sampling_ratio=ratio, gamma=gamma
    )
    found = run_body(NAME, opset, [features, rois, offset], **attributes)
    close(found[0], expected(features, rois, offset, attributes))


@every_opset
@pytest.mark.parametrize("ratio", [0.0, 2.0])
@pytest.mark.parametrize("shape", [(0,), (0, 2, 2, 3)])
def test_body_of_no_roi(opset, ratio, shape):
    attributes = dict(pooled_height=2, pooled_width=3, spatial_scale=0.5, sampling_ratio=ratio, gamma=0.1)
    found = run_body(NAME, opset, [randn(2, 3, 8, 8), torch.zeros(0, 5), torch.zeros(shape)], **attributes)
    close(found[0], torch.zeros(0, 3, 2, 3))


@every_opset
@pytest.mark.parametrize("kind", ["DeformRoIPoolPack", "ModulatedDeformRoIPoolPack"])
def test_module_at_other_sizes(opset, kind):
    fallback.ensure()
    import mmcv.ops

    torch.manual_seed(0)
    layer = getattr(mmcv.ops, kind)((3, 2), output_channels=4, deform_fc_channels=8, spatial_scale=0.5).eval()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model = export(layer, [randn(1, 4, 8, 8), make_rois(5, 1, 16)], opset)
    for features, rois in ((randn(2, 4, 12, 9), make_rois(11, 2, 20)), (randn(1, 4, 5, 5), torch.zeros(0, 5))):
        with rewriting(), torch.no_grad():
            reference = layer(features, rois)
        close(run(model, [features, rois])[0], reference)
