"""The extractor that configs can name: its base to the bit, and another form for exporters."""

import pytest
import torch

from mmonnx import fallback

fallback.ensure()

from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor  # noqa: E402

from mmonnx.integration.extractors import NonZeroRoIExtractor  # noqa: E402

ARGUMENTS = dict(
    roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0), out_channels=4, featmap_strides=[4, 8, 16]
)


def inputs(sizes):
    """Features of three levels, and RoIs (K, 5) of these sizes in two images."""
    torch.manual_seed(0)
    feats = [torch.rand(2, 4, 64 // 2**level, 64 // 2**level, requires_grad=True) for level in range(3)]
    corner = torch.rand(len(sizes), 2) * 100
    size = torch.tensor(sizes, dtype=torch.float32)[:, None]
    image = torch.arange(len(sizes)).float()[:, None] % 2
    return feats, torch.cat([image, corner, corner + size], 1)


@pytest.mark.parametrize("sizes", [[20, 130, 60, 200, 30, 120], [20, 30], [250], []])
@pytest.mark.parametrize("factor", [None, 1.5])
def test_it_is_its_base_to_the_bit(sizes, factor):
    found = []
    for kind in (SingleRoIExtractor, NonZeroRoIExtractor):
        feats, rois = inputs(sizes)
        pooled = kind(**ARGUMENTS)(feats, rois, factor)
        pooled.sum().backward()
        found.append([pooled] + [feature.grad for feature in feats])
    assert all(torch.equal(*pair) for pair in zip(*found))


@pytest.mark.parametrize("sizes", [[20, 130, 60, 200, 30, 120], [20, 30], [250]])
@pytest.mark.parametrize("factor", [None, 1.5])
def test_exporters_see_each_roi_pooled_once(sizes, factor, monkeypatch):
    feats, rois = inputs(sizes)
    expected = SingleRoIExtractor(**ARGUMENTS)(feats, rois, factor)
    extractor = NonZeroRoIExtractor(**ARGUMENTS)
    counts = []
    for layer in extractor.roi_layers:
        layer.register_forward_pre_hook(lambda module, given: counts.append(len(given[1])))
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    assert torch.equal(extractor(feats, rois, factor), expected)
    assert len(counts) == 3 and sum(counts) == len(sizes)
