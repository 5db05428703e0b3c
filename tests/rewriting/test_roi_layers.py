"""Extractors whose layers are no RoIAlign: each level's RoIs go through its layer, and come back in order."""

import pytest
import torch

from mmonnx import fallback
from mmonnx.rewriting.rewrites import ExportContext, rewriting

fallback.ensure()


def make(layer, **options):
    from mmdet.models.builder import build_roi_extractor

    torch.manual_seed(0)
    layer = dict(type=layer, output_size=(3, 2), **options)
    extractor = build_roi_extractor(
        dict(type="SingleRoIExtractor", roi_layer=layer, out_channels=4, featmap_strides=[4, 8, 16])
    )
    for parameter in extractor.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return extractor.eval()


@pytest.mark.parametrize("largest", [400.0, 90.0], ids=["all levels", "one level empty"])
@pytest.mark.parametrize(
    "layer, options",
    [
        ("RoIPool", {}),
        ("DeformRoIPool", {}),
        ("DeformRoIPoolPack", dict(output_channels=4, deform_fc_channels=8)),
        ("ModulatedDeformRoIPoolPack", dict(output_channels=4, deform_fc_channels=8, sampling_ratio=2)),
    ],
)
def test_single_level_extractor(layer, options, largest):
    extractor = make(layer, **options)
    generator = torch.Generator().manual_seed(1)
    low = torch.rand((30, 2), generator=generator) * 200
    side = torch.rand((30, 2), generator=generator) * largest + 1
    rois = torch.cat([(torch.arange(30) % 2)[:, None].float(), low, low + side], 1)
    feats = [torch.randn((2, 4, 256 // stride, 320 // stride), generator=generator) for stride in (4, 8, 16)]
    levels = extractor.map_roi_levels(rois, 3)
    context = ExportContext()
    context.start(torch.zeros(2, 3, 256, 320))
    with rewriting(context), torch.no_grad():
        found = extractor(feats, rois)
        alone = [extractor.roi_layers[int(level)](feats[int(level)], roi[None]) for level, roi in zip(levels, rois)]
        none = extractor(feats, rois[:0])
    assert (len(levels.unique()) == 3) == (largest > 100)
    torch.testing.assert_close(found, torch.cat(alone), rtol=1e-5, atol=1e-5)
    assert none.shape == (0, 4, 3, 2)
