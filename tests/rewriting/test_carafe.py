"""CARAFE's body against windows that are unfolded, in double precision."""

import pytest
import torch
import torch.nn.functional as F
from bodies import close, every_opset, export, rand, randn, run, run_body

from mmonnx import fallback
from mmonnx.rewriting.rewrites import rewriting


def reassemble(features, masks, kernel, groups, scale):
    batch, channels, height, width = features.shape
    windows = F.unfold(features.double(), kernel, padding=kernel // 2).view(batch, -1, height, width)
    windows = windows.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    windows = windows.view(batch, groups, channels // groups, kernel**2, *masks.shape[2:])
    return (windows * masks.double().view(batch, groups, 1, kernel**2, *masks.shape[2:])).sum(3).flatten(1, 2).float()


@every_opset
@pytest.mark.parametrize("name", ["MMCVCARAFE", "MMCVCARAFENaive"])
@pytest.mark.parametrize("kernel, groups, scale", [(3, 1, 2), (5, 2, 2), (1, 3, 1), (3, 2, 3), (5, 1, 4)])
def test_body(opset, name, kernel, groups, scale):
    for batch, height, width in ((2, 4, 5), (1, 1, 3), (3, 7, 2)):
        features = randn(batch, 6, height, width, seed=1)
        masks = rand(batch, groups * kernel**2, height * scale, width * scale, seed=2)
        attributes = dict(kernel_size=kernel, group_size=groups, scale_factor=float(scale))
        found = run_body(name, opset, [features, masks], **attributes)
        close(found[0], reassemble(features, masks, kernel, groups, scale))


@every_opset
def test_body_of_no_image(opset):
    inputs = [torch.zeros(0, 4, 3, 5), torch.zeros(0, 9, 6, 10)]
    found = run_body("MMCVCARAFE", opset, inputs, kernel_size=3, group_size=1, scale_factor=2.0)
    close(found[0], torch.zeros(0, 4, 6, 10))


class Upsample(torch.nn.Module):
    """mmcv's layers, and something behind them that asks for the size of what they give."""

    def __init__(self):
        super().__init__()
        from mmcv.ops import CARAFENaive
        from mmcv.ops.carafe import CARAFEPack

        torch.manual_seed(0)
        self.pack, self.naive = CARAFEPack(channels=4, scale_factor=2, up_group=2), CARAFENaive(3, 1, 2)
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter, std=0.5)

    def forward(self, image, masks):
        first = self.pack(image)
        return F.interpolate(image, size=first.shape[2:]) + first + self.naive(image, masks)


@every_opset
def test_module_at_other_sizes(opset):
    fallback.ensure()
    module = Upsample()
    model = export(module, [randn(1, 4, 6, 5), rand(1, 9, 12, 10)], opset)
    for batch, height, width in ((1, 6, 5), (2, 3, 8)):
        inputs = [randn(batch, 4, height, width, seed=5), rand(batch, 9, height * 2, width * 2, seed=6)]
        with torch.no_grad(), rewriting():  # mmcv's own kernel runs on GPUs alone
            expected = module(*inputs)
        close(run(model, inputs)[0], expected)
