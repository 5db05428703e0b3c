"""RoIAlign's body against mmcv's own operator: RoIs of every size, thinner than a cell, outside, and none at all."""

import pytest
import torch
from bodies import close, every_opset, randn, run_body

from mmonnx import fallback
from mmonnx.support.errors import ExportError

NAME = "MMCVRoiAlign"
SCALE = 0.25


@pytest.fixture(scope="module")
def pool():
    fallback.ensure()
    from mmcv.ops.roi_align import RoIAlignFunction

    return RoIAlignFunction.apply


def attributes(size=(7, 7), ratio=0, mode="avg", aligned=1):
    return dict(
        output_height=size[0],
        output_width=size[1],
        spatial_scale=SCALE,
        sampling_ratio=ratio,
        mode=mode,
        aligned=aligned,
    )


def regions():
    """In pixels of an input of 48x56, whose features have 12x14 cells."""
    generator = torch.Generator().manual_seed(1)
    start, side = torch.rand(40, 2, generator=generator) * 40, torch.rand(40, 2, generator=generator) * 30
    boxes = torch.cat([start, start + side], 1)
    thin = torch.tensor([[4.0, 8, 6, 30], [0, 0, 56, 1], [10, 10, 10, 30], [7, 7, 7, 7], [55.5, 47, 56, 48]])
    outside = torch.tensor([[-20.0, -9, 8, 8], [50, 40, 90, 70], [100, 100, 120, 130]])
    boxes = torch.cat([boxes, thin, outside])
    return torch.cat([torch.arange(len(boxes))[:, None].float() % 2, boxes], 1)


@every_opset
@pytest.mark.parametrize("aligned", [0, 1])
@pytest.mark.parametrize("mode, ratio", [("avg", 0), ("avg", 2), ("max", 1), ("max", 2)])
@pytest.mark.parametrize("size", [(7, 7), (5, 4)])
def test_body(pool, opset, size, mode, ratio, aligned):
    features = randn(2, 3, 12, 14)
    found = run_body(NAME, opset, [features, regions()], **attributes(size, ratio, mode, aligned))
    close(found[0], pool(features, regions(), size, SCALE, ratio, mode, bool(aligned)))


@every_opset
@pytest.mark.parametrize("rois", [torch.zeros(0, 5), torch.tensor([[0.0, 4, 4, 40, 40]])])
def test_body_of_none_and_of_one_that_is_not_thin(pool, opset, rois):
    features = randn(2, 3, 12, 14)
    found = run_body(NAME, opset, [features, rois], **attributes())
    close(found[0], torch.ops.torchvision.roi_align(features, rois, SCALE, 7, 7, 0, True))


def test_what_cannot_be_written_is_refused_by_name():
    with pytest.raises(ExportError, match="MMCVRoiAlign with mode 'max' and sampling_ratio 0"):
        run_body(NAME, 11, [randn(2, 3, 12, 14), regions()], **attributes(mode="max"))
    with pytest.raises(ExportError, match="MMCVRoiAlign with output_height 2, output_width 2 and aligned 1.*opset 16"):
        run_body(NAME, 11, [randn(2, 3, 12, 14), regions()], **attributes(size=(2, 2)))
