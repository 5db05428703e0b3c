"""Sums of patches that overlap, and the attention of mmedit's models that is made of them."""

import pytest
import torch
from torch.nn import functional

from mmonnx.rewriting.rewrites import ExportContext, rewriting
from mmonnx.rewriting.rewrites.overlapping import fold


@pytest.mark.parametrize("kernel,stride,padding", [(4, 2, 1), (3, 1, 1), (6, 2, 2), (12, 4, 4), (2, 2, 0)])
@pytest.mark.parametrize("size", [(5, 7), (1, 3)])
def test_the_sum_is_that_of_torch(kernel, stride, padding, size):
    columns = torch.randn(2, 3 * kernel**2, size[0] * size[1])
    height, width = ((side - 1) * stride + kernel - 2 * padding for side in size)
    expected = functional.fold(columns, (height, width), kernel, stride=stride, padding=padding)
    torch.testing.assert_close(fold(columns, size, kernel, stride, padding), expected)


def test_attention_to_patches_is_upstreams():
    pytest.importorskip("editors")
    from mmedit.models.common.contextual_attention import ContextualAttentionModule

    module, (one, other) = ContextualAttentionModule(softmax_scale=1), torch.randn(2, 2, 4, 12, 16)
    mask = torch.zeros(2, 1, 12, 16)
    mask[0, :, 4:8, 2:9], mask[1, :, 1:3, 8:] = 1, 1
    expected, score = module(one, other, mask)
    with rewriting(ExportContext()):
        found, again = module(one, other, mask)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(again, score, atol=1e-5, rtol=1e-4)


def test_guided_attention_is_upstreams():
    pytest.importorskip("editors")
    from mmedit.models.common.gca_module import GCAModule

    torch.manual_seed(0)
    module = GCAModule(8, 6).eval()
    torch.nn.init.constant_(module.out_conv.norm.weight, 1.0)  # upstream begins with next to nothing
    image, alpha, unknown = torch.randn(2, 8, 8, 12), torch.randn(2, 6, 8, 12), torch.zeros(2, 1, 8, 12)
    unknown[0, :, 2:5, 3:9], unknown[1, :, :4] = 1, 1
    with torch.no_grad():
        expected = module(image, alpha, unknown)
        with rewriting(ExportContext()):
            found = module(image, alpha, unknown)
    assert (expected - alpha).abs().max() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
