"""RoI pooling of all kinds, against loops in double precision and against the compiled kernels."""

import itertools
import math

import pytest
import torch
import torchvision
from kernels import both, compiled, needs_compiled, ours, randn, rois

MAX, AVERAGE = 0, 1
ATTRIBUTES = [
    dict(aligned_height=h, aligned_width=w, spatial_scale=0.5, sampling_ratio=r, pool_mode=m, aligned=a)
    for (h, w), r, m, a in itertools.product([(2, 3), (7, 7)], [0, 2], [MAX, AVERAGE], [False, True])
]


def align(ext, input, boxes, attributes):
    """Output and, for the maximum, the rows and columns of the greatest samples."""
    shape = (len(boxes), input.shape[1], attributes["aligned_height"], attributes["aligned_width"])
    output = input.new_zeros(shape)
    places = [input.new_zeros(shape if attributes["pool_mode"] == MAX else 0) for _ in range(2)]
    ext.roi_align_forward(input, boxes, output, *places, **attributes)
    return (output, *places)


def align_gradient(ext, input, boxes, attributes, grad):
    output, *places = align(ext, input, boxes, attributes)
    grad_input = torch.zeros_like(input)
    ext.roi_align_backward(grad, boxes, *places, grad_input, **attributes)
    return grad_input


def naive_align(input, box, aligned_height, aligned_width, spatial_scale, sampling_ratio, pool_mode, aligned):
    """One RoI of one channel, sample by sample."""
    height, width = input.shape
    x1, y1, x2, y2 = (float(value) * spatial_scale - 0.5 * aligned for value in box)
    least = 0 if aligned else 1
    bin_h, bin_w = max(y2 - y1, least) / aligned_height, max(x2 - x1, least) / aligned_width
    grid_h, grid_w = sampling_ratio or math.ceil(bin_h), sampling_ratio or math.ceil(bin_w)

    def at(y, x):
        if not (-1 <= y <= height and -1 <= x <= width):
            return 0.0
        y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
        top, left = min(int(y), height - 2), min(int(x), width - 2)
        return sum(
            float(input[top + i, left + j]) * abs(1 - i - (y - top)) * abs(1 - j - (x - left))
            for i, j in itertools.product((0, 1), (0, 1))
        )

    output = torch.zeros(aligned_height, aligned_width)
    for i, j in itertools.product(range(aligned_height), range(aligned_width)):
        rows = [y1 + (i + (k + 0.5) / grid_h) * bin_h for k in range(grid_h)]
        columns = [x1 + (j + (k + 0.5) / grid_w) * bin_w for k in range(grid_w)]
        samples = [at(y, x) for y, x in itertools.product(rows, columns)]
        output[i, j] = sum(samples) / len(samples) if pool_mode == AVERAGE else max(samples)
    return output


@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("attributes", ATTRIBUTES[:8], ids=str)
def test_roi_align_is_the_definition(ext, attributes):
    # Some RoIs reach over the border, one lies outside, one is a point (where that has samples).
    input, boxes = randn(2, 2, 11, 13, seed=0), rois(6, 2, 0, extent=24)
    boxes[0, 1:] -= 9
    boxes[1, 1:] += 40
    if attributes["sampling_ratio"] or not attributes["aligned"]:
        boxes[2, 3:] = boxes[2, 1:3]
    output, *places = align(ext, input, boxes, attributes)
    for index, box in enumerate(boxes):
        for channel in range(2):
            expected = naive_align(input[int(box[0]), channel], box[1:], **attributes)
            assert torch.allclose(output[index, channel], expected, atol=1e-5)
    assert output[1].abs().max() == 0


@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("pool_mode", [MAX, AVERAGE])
def test_roi_align_of_no_roi(ext, pool_mode):
    attributes = dict(ATTRIBUTES[0], pool_mode=pool_mode)
    input, boxes = randn(2, 3, 8, 8, seed=1), torch.zeros(0, 5)
    assert align(ext, input, boxes, attributes)[0].shape == (0, 3, 2, 3)
    assert align_gradient(ext, input, boxes, attributes, torch.zeros(0, 3, 2, 3)).abs().max() == 0


@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("attributes", ATTRIBUTES[:8], ids=str)
def test_roi_align_gradient_by_finite_differences(ext, attributes):
    input, boxes = randn(2, 2, 6, 7, seed=2).double(), rois(4, 2, 2, extent=12).double()
    grad = randn(4, 2, 2, 3, seed=3).double()
    gradient = align_gradient(ext, input, boxes, attributes, grad)
    step = 1e-6
    for index in itertools.product((0, 1), (0, 1), (0, 3, 5), (0, 4, 6)):
        moved = []
        for sign in (1, -1):
            shifted = input.clone()
            shifted[index] += sign * step
            moved.append((align(ext, shifted, boxes, attributes)[0] * grad).sum())
        assert gradient[index].item() == pytest.approx((moved[0] - moved[1]).item() / (2 * step), abs=1e-6)


def test_roi_align_does_not_split_its_result():
    """More samples than one step reads, RoIs of the batch in turns: the pieces come together in the right order."""
    input, boxes = randn(3, 128, 40, 40, seed=4), rois(60, 3, 4, extent=60)
    attributes = dict(ATTRIBUTES[0], aligned_height=14, aligned_width=14, sampling_ratio=3)
    from mmonnx.fallback import sampling

    assert sampling._STEP < 60 // 3 * 128 * (14 * 3) ** 2
    whole = align(ours(), input, boxes, attributes)[0]
    for index in (0, 31, 59):
        assert torch.equal(whole[index : index + 1], align(ours(), input, boxes[index : index + 1], attributes)[0])


@needs_compiled
@pytest.mark.parametrize("attributes", ATTRIBUTES, ids=str)
def test_roi_align_is_the_compiled_one(attributes):
    for seed in range(3):
        input, boxes = randn(2, 5, 25, 31, seed=seed), rois(40, 2, seed, extent=70, least=0.0)
        boxes[0, 1:] -= 100  # outside
        boxes[1, 3:] = boxes[1, 1:3]  # a point
        results = [align(ext, input, boxes, attributes) for ext in (ours(), compiled())]
        for one, two in zip(*results):
            assert one.shape == two.shape
            assert one.numel() == 0 or (one - two).abs().max() <= 1e-5
        grad = randn(*results[0][0].shape, seed=seed + 10)
        one, two = (align_gradient(ext, input, boxes, attributes, grad) for ext in (ours(), compiled()))
        assert (one - two).abs().max() <= 1e-5


def pool(input, boxes, scale, size=(3, 2)):
    output = input.new_zeros((len(boxes), input.shape[1], *size))
    argmax = torch.zeros(output.shape, dtype=torch.int)
    ours().roi_pool_forward(
        input, boxes, output, argmax, pooled_height=size[0], pooled_width=size[1], spatial_scale=scale
    )
    return output, argmax


def naive_pool(input, box, scale, size):
    """One RoI of one channel: the value and the place of the greatest pixel of each bin."""
    height, width = input.shape
    x1, y1, x2, y2 = (float(v) * scale for v in (box[0], box[1], box[2] + 1, box[3] + 1))
    for i, j in itertools.product(range(size[0]), range(size[1])):
        rows = range(math.floor(y1 + i * (y2 - y1) / size[0]), math.ceil(y1 + (i + 1) * (y2 - y1) / size[0]))
        columns = range(math.floor(x1 + j * (x2 - x1) / size[1]), math.ceil(x1 + (j + 1) * (x2 - x1) / size[1]))
        inside = [(y, x) for y in rows for x in columns if 0 <= y < height and 0 <= x < width]
        best = max(inside, key=lambda place: float(input[place]), default=None)
        yield (0.0, -1) if best is None else (float(input[best]), best[0] * width + best[1])


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_roi_pool_takes_the_greatest_pixel(scale):
    input, boxes = randn(2, 2, 12, 14, seed=5), rois(8, 2, 5, extent=12)
    input = (input * 2).round()  # ties: the first pixel counts
    boxes[0, 1:] -= 16  # over the border
    boxes[1, 1:] += 100  # outside
    output, argmax = pool(input, boxes, scale)
    for index, box in enumerate(boxes):
        for channel in range(2):
            expected = list(naive_pool(input[int(box[0]), channel], box[1:], scale, (3, 2)))
            assert output[index, channel].flatten().tolist() == [value for value, _ in expected]
            assert argmax[index, channel].flatten().tolist() == [place for _, place in expected]
    assert (argmax[1] == -1).all()
    assert (argmax[2:] >= 0).any()


def test_roi_pool_gives_its_gradient_to_those_pixels():
    input, boxes = randn(2, 2, 12, 14, seed=6), rois(8, 2, 6, extent=12)
    boxes[1, 3:] = boxes[1, 1:3] - 5  # upside down: no pixel
    output, argmax = pool(input, boxes, 1.0)
    grad, grad_input = randn(*output.shape, seed=7), torch.zeros_like(input)
    ours().roi_pool_backward(grad, boxes, argmax, grad_input, pooled_height=3, pooled_width=2, spatial_scale=1.0)
    expected = torch.zeros_like(input).flatten(2)
    for index in itertools.product(*map(range, output.shape)):
        if argmax[index] >= 0:
            expected[int(boxes[index[0], 0]), index[1], argmax[index]] += grad[index]
    assert torch.allclose(grad_input.flatten(2), expected, atol=1e-6)
    assert output[1].abs().max() == 0
    assert pool(input, boxes[:0], 1.0)[0].shape == (0, 2, 3, 2)


def deform(input, boxes, offset, ratio=2, gamma=0.1):
    output = input.new_zeros((len(boxes), input.shape[1], 3, 2))
    attributes = dict(pooled_height=3, pooled_width=2, spatial_scale=0.5, sampling_ratio=ratio, gamma=gamma)
    ours().deform_roi_pool_forward(input, boxes, offset, output, **attributes)
    return output, attributes


@pytest.mark.parametrize("ratio", [0, 2])
def test_deform_roi_pool_is_roi_align_with_moved_bins(ratio):
    input, boxes = randn(2, 3, 16, 18, seed=8), rois(5, 2, 8, extent=20)
    plain = torchvision.ops.roi_align(input, boxes, (3, 2), 0.5, ratio, True)
    assert torch.allclose(deform(input, boxes, torch.zeros(0), ratio)[0], plain, atol=1e-5)
    assert torch.allclose(deform(input, boxes, torch.zeros(5, 2, 3, 2), ratio)[0], plain, atol=1e-5)
    # One bin is moved by a tenth of half the RoI's width to the right and of its whole height up.
    offset = torch.zeros(5, 2, 3, 2)
    offset[:, 0, 1, 1], offset[:, 1, 1, 1] = 0.5, -1.0
    side = boxes[:, 3:] - boxes[:, 1:3]
    shift = torch.stack((0.05 * side[:, 0], -0.1 * side[:, 1]), 1)
    moved = torchvision.ops.roi_align(
        input, boxes + torch.nn.functional.pad(shift.repeat(1, 2), (1, 0)), (3, 2), 0.5, ratio, True
    )
    expected = plain.clone()
    expected[:, :, 1, 1] = moved[:, :, 1, 1]
    assert torch.allclose(deform(input, boxes, offset, ratio)[0], expected, atol=1e-5)


def test_deform_roi_pool_gradient_by_finite_differences():
    input, boxes = randn(2, 2, 9, 9, seed=9).double(), rois(3, 2, 9, extent=8, least=4).double()
    offset, grad = randn(3, 2, 3, 2, seed=10).double(), randn(3, 2, 3, 2, seed=11).double()
    grads = [torch.zeros_like(input), torch.zeros_like(offset)]
    attributes = deform(input, boxes, offset)[1]
    ours().deform_roi_pool_backward(grad, input, boxes, offset, *grads, **attributes)
    for values, gradient in zip((input, offset), grads):
        for index in list(itertools.product(*(range(0, size, 2) for size in values.shape)))[::3]:
            old, moved = values[index].item(), []
            for step in (1e-6, -1e-6):
                values[index] = old + step
                moved.append((deform(input, boxes, offset)[0] * grad).sum().item())
            values[index] = old
            assert gradient[index].item() == pytest.approx((moved[0] - moved[1]) / 2e-6, abs=1e-6)
        assert gradient.abs().max() > 0


def test_deform_roi_pool_without_rois_or_offsets_has_gradients():
    input = randn(1, 2, 8, 8, seed=12)
    for boxes in (torch.zeros(0, 5), rois(2, 1, 12, extent=8)):
        output, attributes = deform(input, boxes, torch.zeros(0))
        grads = [torch.zeros_like(input), torch.zeros(0)]
        ours().deform_roi_pool_backward(torch.ones_like(output), input, boxes, torch.zeros(0), *grads, **attributes)
        assert grads[0].sum().item() == pytest.approx(output.numel(), abs=1e-3)
