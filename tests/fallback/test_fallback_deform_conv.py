"""Deformable convolutions, against ordinary ones, sampling by grid_sample, and the compiled kernels."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from kernels import both, compiled, needs_compiled, ours, randn

# (kernel, stride, padding, dilation, groups, deformable groups), all with rows and columns that differ.
GRID = [
    ((3, 3), (1, 1), (1, 1), (1, 1), 1, 1),
    ((3, 2), (2, 1), (1, 2), (1, 1), 2, 1),
    ((1, 3), (1, 2), (0, 1), (2, 1), 1, 2),
    ((2, 3), (1, 1), (2, 0), (1, 2), 2, 2),
]


class Case:
    """The tensors of one layer: 4 channels in, 6 out, batch 2."""

    def __init__(self, kernel, stride, padding, dilation, groups, deformable, batch=2, dtype=torch.float32):
        self.layer = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
        self.kernel, self.deformable = kernel, deformable
        self.input = randn(batch, 4, 9, 8, seed=0).to(dtype)
        self.weight = randn(6, 4 // groups, *kernel, seed=1).to(dtype)
        self.bias = randn(6, seed=2).to(dtype)
        self.size = F.conv2d(self.input, self.weight, **self.layer).shape[2:]
        points = deformable * kernel[0] * kernel[1]
        self.offset = (2 * randn(batch, 2 * points, *self.size, seed=3)).to(dtype)
        self.mask = randn(batch, points, *self.size, seed=4).to(dtype).sigmoid()
        self.grad = randn(batch, 6, *self.size, seed=5).to(dtype)
        self.empty = self.input.new_empty(0)

    def integers(self, version):
        values = (*self.kernel, *self.layer["stride"], *self.layer["padding"], *self.layer["dilation"])
        if version == 1:
            names = "kH kW dH dW padH padW dilationH dilationW"
            extra = dict(im2col_step=len(self.input))
        else:
            names = "kernel_h kernel_w stride_h stride_w pad_h pad_w dilation_h dilation_w"
            extra = {}
        extra.update(group=self.layer["groups"], deformable_group=self.deformable)
        return dict(zip(names.split(), values), **extra)

    def forward(self, ext, version, bias=True):
        output = self.input.new_empty((len(self.input), 6, *self.size))
        tensors = (self.input, self.weight)
        if version == 1:
            ext.deform_conv_forward(*tensors, self.offset, output, self.empty, self.empty, **self.integers(1))
            return output
        tensors += (self.bias if bias else self.empty, self.empty, self.offset, self.mask, output, self.empty)
        ext.modulated_deform_conv_forward(*tensors, **self.integers(2), with_bias=bias)
        return output

    def backward(self, ext, version):
        """Gradients of input, offset, weight and, for version 2, mask and bias."""
        grads = [torch.zeros_like(tensor) for tensor in (self.input, self.offset, self.weight, self.mask, self.bias)]
        if version == 1:
            pair = (self.input, self.offset, self.grad)
            ext.deform_conv_backward_input(*pair, grads[0], grads[1], self.weight, self.empty, **self.integers(1))
            ext.deform_conv_backward_parameters(*pair, grads[2], self.empty, self.empty, scale=1, **self.integers(1))
            return grads[:3]
        given = (self.input, self.weight, self.bias, self.empty, self.offset, self.mask, self.empty)
        order = (grads[0], grads[2], grads[4], grads[1], grads[3], self.grad)
        ext.modulated_deform_conv_backward(*given, *order, **self.integers(2), with_bias=True)
        return grads


def naive(case, version):
    """Sum over the kernel's points: the input read by grid_sample where the point lies, times the weight."""
    (kh, kw), groups, deformable = case.kernel, case.layer["groups"], case.deformable
    (sh, sw), (ph, pw), (dh, dw) = (case.layer[name] for name in ("stride", "padding", "dilation"))
    batch, channels, height, width = case.input.shape
    rows = torch.arange(case.size[0], dtype=case.input.dtype)[:, None] * sh - ph
    columns = torch.arange(case.size[1], dtype=case.input.dtype)[None] * sw - pw
    offset = case.offset.view(batch, deformable, kh * kw, 2, *case.size)
    mask = case.mask.view(batch, deformable, kh * kw, *case.size)
    output = 0 if version == 1 else case.bias[:, None, None]
    for point, (i, j) in enumerate(itertools.product(range(kh), range(kw))):
        parts = []
        for group, part in enumerate(case.input.chunk(deformable, 1)):
            y = rows + i * dh + offset[:, group, point, 0]
            x = columns + j * dw + offset[:, group, point, 1]
            grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), -1)
            read = F.grid_sample(part, grid, align_corners=False)
            parts.append(read if version == 1 else read * mask[:, group, point, None])
        output = output + F.conv2d(torch.cat(parts, 1), case.weight[:, :, i : i + 1, j : j + 1], groups=groups)
    return output


@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("attributes", GRID, ids=str)
@pytest.mark.parametrize("version", [1, 2])
def test_forward_and_backward_are_the_definition(ext, version, attributes):
    case = Case(*attributes, dtype=torch.float64)
    output, grads = case.forward(ext, version), case.backward(ext, version)
    names = ["input", "offset", "weight", "mask", "bias"][: len(grads)]
    for name in names:
        getattr(case, name).requires_grad_()
    expected = naive(case, version)
    assert torch.allclose(output, expected, atol=1e-9)
    wanted = torch.autograd.grad(expected, [getattr(case, name) for name in names], case.grad)
    for name, one, two in zip(names, grads, wanted):
        assert torch.allclose(one, two, atol=1e-9), name


@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("attributes", GRID, ids=str)
def test_without_offsets_it_is_a_convolution(ext, attributes):
    case = Case(*attributes)
    case.offset.zero_()
    case.mask.fill_(1)
    expected = F.conv2d(case.input, case.weight, **case.layer)
    assert torch.allclose(case.forward(ext, 1), expected, atol=1e-5)
    assert torch.allclose(case.forward(ext, 2, bias=False), expected, atol=1e-5)


@pytest.mark.parametrize("ext", both())
def test_gradients_are_added_and_scaled(ext):
    case = Case(*GRID[0])
    given = (case.input, case.offset, case.grad)
    once = case.backward(ext, 1)[2]
    total = torch.ones_like(case.weight)
    ext.deform_conv_backward_parameters(*given, total, case.empty, case.empty, scale=0.5, **case.integers(1))
    assert torch.allclose(total, 1 + 0.5 * once, atol=1e-4)


@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("version", [1, 2])
def test_points_one_pixel_beside_the_input_have_no_offset_gradient(ext, version):
    """All points of the border are there before the offsets are trained; mmcv's rule, not torchvision's."""
    case = Case(*GRID[0])
    case.offset.zero_()
    gradient = case.backward(ext, version)[1].view(2, 3, 3, 2, *case.size)
    assert gradient[:, 0, :, :, 0].abs().max() == 0  # upper row of the kernel, first row of the output
    assert gradient[:, :, 2, :, :, -1].abs().max() == 0  # right column, last column
    assert gradient[:, 1, 1].abs().min() > 0


@needs_compiled
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("attributes", GRID, ids=str)
@pytest.mark.parametrize("version", [1, 2])
def test_is_the_compiled_one(version, attributes, batch):
    case = Case(*attributes, batch=batch)
    # Offsets of whole pixels, and far outside.
    case.offset[:, :, 0] = case.offset[:, :, 0].round()
    case.offset[:, 0, 1] = 50
    scale = 0.1  # sums of up to a few hundred products: keep them near 1, where 1e-5 means something
    for name in ("weight", "grad"):
        setattr(case, name, getattr(case, name) * scale)
    assert (case.forward(ours(), version) - case.forward(compiled(), version)).abs().max() <= 1e-5
    for one, two in zip(case.backward(ours(), version), case.backward(compiled(), version)):
        assert (one - two).abs().max() <= 1e-5
