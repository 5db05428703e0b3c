"""The body of RoIAlign of rotated boxes against mmcv's kernel, compiled or the fallback's."""

import itertools

import pytest
import torch
from bodies import close, every_opset, export, rand, randn, run, run_body
from kernels import both

from mmonnx import fallback

NAME = "MMCVRoIAlignRotated"
GRID = list(itertools.product([(7, 7), (2, 3)], [0, 1, 2], [0, 1], [0, 1]))


def make_rois(count, images, extent, seed=0):
    """From much less than a cell to more than the map, turned all ways, some outside of it; one without extent."""
    side = torch.exp(rand(count, 2, seed=seed + 1) * 5 - 2) * extent / 20
    parts = [(torch.arange(count) % images)[:, None].float(), rand(count, 2, seed=seed) * extent * 1.2, side]
    rois = torch.cat([*parts, randn(count, 1, seed=seed + 2) * 2], 1)
    rois[0, 1:3], rois[1, 4] = extent * 3, 0
    return rois


@every_opset
@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("size, ratio, aligned, clockwise", GRID)
def test_body(opset, ext, size, ratio, aligned, clockwise):
    features = randn(2, 3, 21, 26)
    attributes = dict(sampling_ratio=ratio, aligned=aligned, clockwise=clockwise)
    for scale in (0.25, 1.0):
        rois = make_rois(20, 2, 24 / scale)
        sizes = dict(output_height=size[0], output_width=size[1], spatial_scale=scale)
        found = run_body(NAME, opset, [features, rois], **sizes, **attributes)
        expected = torch.zeros(20, 3, *size)
        settings = dict(attributes, aligned=bool(aligned), clockwise=bool(clockwise))
        ext.roi_align_rotated_forward(
            features, rois, expected, pooled_height=size[0], pooled_width=size[1], spatial_scale=scale, **settings
        )
        close(found[0], expected)


@every_opset
@pytest.mark.parametrize("ratio", [0, 2])
def test_body_of_no_roi(opset, ratio):
    settings = dict(spatial_scale=0.5, sampling_ratio=ratio, aligned=1, clockwise=0)
    inputs = [randn(2, 3, 8, 8), torch.zeros(0, 6)]
    close(run_body(NAME, opset, inputs, output_height=2, output_width=3, **settings)[0], torch.zeros(0, 3, 2, 3))


class Pooled(torch.nn.Module):
    def __init__(self, ratio):
        super().__init__()
        from mmcv.ops import RoIAlignRotated

        self.layer = RoIAlignRotated((3, 2), 0.5, ratio)

    def forward(self, features, rois):
        from mmcv.ops import roi_align_rotated

        return self.layer(features, rois).mean(1), roi_align_rotated(features, rois, 2, 0.5, 2, False, True)


@every_opset
@pytest.mark.parametrize("ratio", [0, 2])
def test_module_at_other_sizes(opset, ratio):
    fallback.ensure()
    module = Pooled(ratio)
    model = export(module, [randn(1, 2, 8, 8), make_rois(5, 1, 16)], opset)
    for features, rois in ((randn(2, 2, 12, 9), make_rois(11, 2, 20)), (randn(1, 2, 5, 5), torch.zeros(0, 6))):
        for found, expected in zip(run(model, [features, rois]), module(features, rois)):
            close(found, expected)
