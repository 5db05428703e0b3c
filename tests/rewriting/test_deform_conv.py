"""Deformable convolutions against mmcv's own functions: compiled where mmcv is, on torchvision's kernels elsewhere."""

import warnings

import pytest
import torch
from bodies import close, every_opset, export, rand, randn, run, run_body

from mmonnx import fallback
from mmonnx.environment import compat
from mmonnx.rewriting.rewrites import rewriting

# groups, deform_groups, stride, padding, dilation, kernel
GRID = [
    (1, 1, (1, 1), (1, 1), (1, 1), (3, 3)),
    (2, 4, (2, 1), (0, 2), (1, 2), (3, 2)),
    (4, 1, (1, 2), (1, 1), (2, 1), (1, 3)),
    (8, 8, (1, 1), (0, 0), (1, 1), (1, 1)),
    (1, 8, (2, 2), (1, 1), (1, 1), (3, 3)),
]
SIZES = [(1, 9, 11), (2, 16, 13), (3, 7, 8)]
OPSETS = sorted({11, 13, 16, compat.max_opset()})


def output_size(size, stride, padding, dilation, kernel):
    return [
        (length + 2 * pad - step * (taps - 1) - 1) // move + 1
        for length, move, pad, step, taps in zip(size, stride, padding, dilation, kernel)
    ]


@pytest.fixture(scope="module")
def ops():
    fallback.ensure()
    return pytest.importorskip("mmcv.ops")


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("modulated", [False, True])
@pytest.mark.parametrize("groups, deform_groups, stride, padding, dilation, kernel", GRID)
def test_body(ops, opset, modulated, groups, deform_groups, stride, padding, dilation, kernel):
    weight, bias = randn(16, 8 // groups, *kernel, seed=1), randn(16, seed=2)
    attributes = dict(stride=stride, padding=padding, dilation=dilation, groups=groups, deform_groups=deform_groups)
    for batch, *size in SIZES:
        out, taps = output_size(size, stride, padding, dilation, kernel), deform_groups * kernel[0] * kernel[1]
        image, offset = randn(batch, 8, *size, seed=3), 3 * randn(batch, 2 * taps, *out, seed=4)
        if modulated:
            inputs = [image, offset, rand(batch, taps, *out, seed=5), weight, bias]
            expected = ops.modulated_deform_conv2d(*inputs, *attributes.values())
            found = run_body("MMCVModulatedDeformConv2d", opset, inputs, **attributes)
        else:
            inputs = [image, offset, weight]
            expected = ops.deform_conv2d(*inputs, *attributes.values())
            found = run_body("MMCVDeformConv2d", opset, inputs, **attributes, bias=0, im2col_step=32)
        close(found[0], expected)


@every_opset
def test_taps_on_and_beside_the_border(ops, opset):
    """Whole pixels, halves, exactly one pixel outside, and far away, where nothing is seen."""
    moves = torch.tensor([-1e6, -2.0, -1.0, -0.999, -0.5, 0.0, 0.5, 1.0, 2.0, 2.5, 2.999, 3.0, 4.0, 1e6])
    count = len(moves)
    offset = torch.zeros(1, 2, count, count)
    # the tap of place (y, x) is moved back to the corner, and then by its own two numbers
    offset[0, 0] = moves[:, None] - torch.arange(float(count))[:, None]
    offset[0, 1] = moves[None, :] - torch.arange(float(count))[None, :]
    image, weight = 1 + rand(1, 1, 3, 3), torch.ones(1, 1, 1, 1)
    padded = torch.nn.functional.pad(image, (0, count - 3, 0, count - 3))
    attributes = dict(stride=[1, 1], padding=[0, 0], dilation=[1, 1], groups=1, deform_groups=1)
    expected = ops.deform_conv2d(padded, offset, weight)
    found = run_body("MMCVDeformConv2d", opset, [padded, offset, weight], **attributes, bias=0, im2col_step=32)
    close(found[0], expected)
    assert (expected[0, 0, 0] == 0).all() and (expected[0, 0, -1] == 0).all() and (expected > 0).sum() > 36


class Layers(torch.nn.Module):
    """Each of mmcv's layers, and something behind them that asks for the size of what they give."""

    def __init__(self, ops):
        super().__init__()
        torch.manual_seed(0)
        self.plain = ops.DeformConv2dPack(4, 6, 3, stride=2, padding=1, deform_groups=2)
        self.modulated = ops.ModulatedDeformConv2dPack(4, 6, 3, stride=2, padding=1)
        self.without_bias = ops.ModulatedDeformConv2dPack(4, 6, 3, stride=2, padding=1, bias=False)
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter, std=0.3)

    def forward(self, image):
        total = self.plain(image) + self.modulated(image) + self.without_bias(image)
        return total + torch.nn.functional.interpolate(image[:, :1], size=total.shape[2:])


@every_opset
def test_layers_at_other_sizes(ops, opset, capfd):
    module = Layers(ops)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch 1.13 warns before it is told the type; later ones print what remains
        model = export(module, [randn(1, 4, 12, 10)], opset)
    assert {node.domain for node in model.graph.node} == {""} and not model.functions
    assert "shape inference of" not in capfd.readouterr().err
    for batch, *size in SIZES:
        image = randn(batch, 4, *size, seed=5)
        with torch.no_grad():
            expected = module(image)
            close(run(model, [image])[0], expected)
            with rewriting():
                close(module(image).numpy(), expected)


def test_every_name_of_the_function_is_replaced_and_restored(ops):
    import mmcv.ops.deform_conv as module
    import mmcv.ops.saconv as saconv

    before = module.deform_conv2d
    with rewriting():
        assert module.deform_conv2d is not before
        assert saconv.deform_conv2d is module.deform_conv2d is ops.deform_conv2d
    assert saconv.deform_conv2d is module.deform_conv2d is ops.deform_conv2d is before


def test_offsets_of_a_larger_map_are_read_as_mmcv_reads_them(ops):
    """The first numbers of each image, in the shape of the output: so DyHead uses its layers."""
    image, weight, bias = randn(2, 4, 5, 6, seed=1), randn(3, 4, 3, 3, seed=2), randn(3, seed=3)
    offset, mask = randn(2, 18, 10, 12, seed=4), rand(2, 9, 10, 12, seed=5)
    first = [value.flatten(1)[:, : size * 30].reshape(2, size, 5, 6) for value, size in ((offset, 18), (mask, 9))]
    expected = ops.modulated_deform_conv2d(image, *first, weight, bias, 1, 1)
    close(ops.modulated_deform_conv2d(image, offset, mask, weight, bias, 1, 1).numpy(), expected)
    with rewriting():
        close(ops.modulated_deform_conv2d(image, offset, mask, weight, bias, 1, 1).numpy(), expected)
