"""How alike two maps are, shift by shift: mmcv's operator against a plain loop, and its stand-in against it."""

import pytest
import torch

from mmonnx import fallback
from mmonnx.rewriting.rewrites import ExportContext, rewriting

SETTINGS = [
    {"max_displacement": 2},
    {"max_displacement": 1, "padding": 1, "kernel_size": 3},
    {"max_displacement": 2, "dilation_patch": 2, "stride": 2, "padding": 2},
    {"max_displacement": 0, "kernel_size": 3, "dilation": 2, "padding": 2},
]


def looped(one, other, max_displacement, kernel_size=1, stride=1, padding=0, dilation=1, dilation_patch=1):
    """Place by place, without any padding: what lies outside counts nothing."""
    height, width = one.shape[2:]
    inner = dilation * (kernel_size - 1) + 1
    size = [(side + 2 * padding - inner) // stride + 1 for side in (height, width)]
    shifts = range(-max_displacement, max_displacement + 1)
    found = torch.zeros(len(one), len(shifts), len(shifts), *size)
    for y in range(size[0]):
        for x in range(size[1]):
            for i in range(kernel_size):
                for j in range(kernel_size):
                    row, column = y * stride - padding + i * dilation, x * stride - padding + j * dilation
                    for a, down in enumerate(shifts):
                        for b, right in enumerate(shifts):
                            low, far = row + down * dilation_patch, column + right * dilation_patch
                            if 0 <= row < height and 0 <= column < width and 0 <= low < height and 0 <= far < width:
                                found[:, a, b, y, x] += (one[:, :, row, column] * other[:, :, low, far]).sum(1)
    return found


@pytest.mark.parametrize("settings", SETTINGS)
def test_it_is_what_a_loop_finds(settings):
    fallback.ensure()
    from mmcv.ops import Correlation

    one, other = torch.randn(2, 2, 3, 6, 7)
    one.requires_grad_(), other.requires_grad_()
    expected, found = looped(one, other, **settings), Correlation(**settings)(one, other)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    with torch.no_grad(), rewriting(ExportContext()):
        torch.testing.assert_close(Correlation(**settings)(one, other), found, atol=1e-5, rtol=1e-4)
    grad = torch.randn_like(found)
    for ours, theirs in zip(
        torch.autograd.grad(found, (one, other), grad), torch.autograd.grad(expected, (one, other), grad)
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
