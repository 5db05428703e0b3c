"""Masked convolution's body against the dense one in double precision."""

import pytest
import torch
import torch.nn.functional as F
from bodies import close, every_opset, export, randn, run, run_body

from mmonnx import fallback
from mmonnx.rewriting.rewrites import rewriting
from mmonnx.support.errors import ExportError


@every_opset
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (1, 5)])
def test_body(opset, kernel):
    weight, bias, padding = randn(4, 3, *kernel), randn(4), [size // 2 for size in kernel]
    for batch in (0, 1, 2):
        features, mask = randn(batch, 3, 6, 7), randn(batch, 6, 7, seed=1)
        mask[:, 2] = 0  # exactly: not positive
        found = run_body("MMCVMaskedConv2d", opset, [features, mask, weight, bias], padding=padding, stride=1)
        dense = F.conv2d(features.double(), weight.double(), bias.double(), padding=padding)
        close(found[0], (dense * (mask > 0)[:, None]).float())


class Masked(torch.nn.Module):
    def __init__(self):
        super().__init__()
        from mmcv.ops import MaskedConv2d

        torch.manual_seed(0)
        self.layer = MaskedConv2d(3, 4, 3, padding=1)

    def forward(self, image):
        return self.layer(image, image.mean(1) > 0) + self.layer(image)


@every_opset
def test_module_at_other_sizes(opset):
    fallback.ensure()
    module = Masked().eval()
    model = export(module, [randn(1, 3, 5, 6)], opset)
    for shape in ((1, 3, 5, 6), (1, 3, 9, 4), (2, 3, 4, 4)):
        image = randn(*shape, seed=3)
        with torch.no_grad():
            dense = module.layer(image)
        close(run(model, [image])[0], dense * (image.mean(1, keepdim=True) > 0) + dense)


def test_what_is_refused():
    fallback.ensure()
    from mmcv.ops import masked_conv

    given = [randn(1, 3, 5, 6), randn(1, 5, 6), randn(4, 3, 3, 3), randn(4)]
    for settings, what in (((0,), r"padding=\[0, 0\] for a kernel of \[3, 3\]"), ((1, 2), "stride=2; expected 1")):
        with rewriting(), pytest.raises(ExportError, match=what):
            masked_conv.masked_conv2d(*given, *settings)
