"""RoIAlign of rotated boxes, rotated feature alignment and border align: definitions, gradients, compiled kernels."""

import itertools
import math

import pytest
import torch
from kernels import both, compiled, needs_compiled, ours, randn
from kernels import boxes as random_boxes


def at(plane, y, x):
    """One bilinear sample by mmcv's rule."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = min(int(y), height - 2), min(int(x), width - 2)
    return sum(
        float(plane[top + i, left + j]) * abs(1 - i - (y - top)) * abs(1 - j - (x - left))
        for i, j in itertools.product((0, 1), (0, 1))
    )


def rotated_rois(count, images, seed, extent=40.0):
    upright = random_boxes(count, seed, extent, least=0.5)
    center, side = (upright[:, :2] + upright[:, 2:]) / 2, upright[:, 2:] - upright[:, :2]
    return torch.cat([(torch.arange(count) % images)[:, None].float(), center, side, randn(count, 1, seed=seed)], 1)


def align(ext, input, rois, **attributes):
    output = input.new_zeros((len(rois), input.shape[1], attributes["pooled_height"], attributes["pooled_width"]))
    ext.roi_align_rotated_forward(input, rois, output, **attributes)
    return output


ATTRIBUTES = [
    dict(pooled_height=h, pooled_width=w, spatial_scale=0.5, sampling_ratio=ratio, aligned=aligned, clockwise=clockwise)
    for (h, w), ratio, aligned, clockwise in itertools.product([(2, 3), (7, 7)], [0, 2], [False, True], [False, True])
]


@pytest.mark.parametrize("attributes", ATTRIBUTES, ids=str)
def test_upright_rois_are_those_of_roi_align(attributes):
    import torchvision

    input, rois = randn(2, 3, 20, 22, seed=0), rotated_rois(9, 2, 0)
    rois[:, 5] = 0
    given = dict(attributes)
    size, low, high = [given[f"pooled_{key}"] for key in ("height", "width")], [], []
    for axis in (0, 1):
        center, side = rois[:, 1 + axis], rois[:, 3 + axis]
        if not given["aligned"]:  # there the center stays where it is, in ours, when a RoI is made a cell long
            side = side.clamp(min=2)
        low.append(center - side / 2), high.append(center + side / 2)
    upright = torch.stack([rois[:, 0], *low, *high], 1)
    expected = torchvision.ops.roi_align(input, upright, size, 0.5, given["sampling_ratio"], given["aligned"])
    assert torch.allclose(align(ours(), input, rois, **given), expected, atol=1e-4)


@needs_compiled
@pytest.mark.parametrize("attributes", ATTRIBUTES, ids=str)
def test_rotated_roi_align_is_the_compiled_one(attributes):
    for seed in range(3):
        input, rois = randn(2, 3, 20, 22, seed=seed), rotated_rois(30, 2, seed)
        one, two = (align(ext, input, rois, **attributes) for ext in (ours(), compiled()))
        assert (one - two).abs().max() <= 1e-4
        grad, grads = randn(*one.shape, seed=seed + 5), []
        for ext in (ours(), compiled()):
            grads.append(torch.zeros_like(input))
            ext.roi_align_rotated_backward(grad, rois, grads[-1], **attributes)
        assert (grads[0] - grads[1]).abs().max() <= 1e-3


@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("points", [1, 5])
def test_rotated_feature_align(ext, points):
    features, boxes = randn(2, 2, 5, 6, seed=1), randn(2, 5, 6, 5, seed=2)
    boxes[..., :2], boxes[..., 2:4] = (boxes[..., :2] + 1) * 12, boxes[..., 2:4].abs() * 10
    output, gradient, grad = torch.zeros_like(features), torch.zeros_like(features), randn(2, 2, 5, 6, seed=3)
    ext.rotated_feature_align_forward(features, boxes, output, spatial_scale=0.25, points=points)
    ext.rotated_feature_align_backward(grad, boxes, gradient, spatial_scale=0.25, points=points)
    for n, c, i, j in itertools.product(range(2), range(2), range(5), range(6)):
        y, x, width, height, angle = boxes[n, i, j].tolist()
        places = [(y, x)]
        for one, two in ((1, 1), (-1, 1), (-1, -1), (1, -1))[: points - 1]:
            along, across = one * width / 2, two * height / 2
            cos, sin = math.cos(angle), math.sin(angle)
            places.append((y + sin * along + cos * across, x + cos * along - sin * across))
        expected = float(features[n, c, i, j]) + sum(at(features[n, c], y / 4, x / 4) for y, x in places)
        assert float(output[n, c, i, j]) == pytest.approx(expected, abs=1e-4)
    assert (output * grad).sum().item() == pytest.approx((features * gradient).sum().item(), abs=1e-3)


def border(input, boxes, pool_size):
    output = input.new_zeros((input.shape[0], input.shape[1] // 4, boxes.shape[1], 4))
    argmax = torch.zeros(output.shape, dtype=torch.int)
    ours().border_align_forward(input, boxes, output, argmax, pool_size=pool_size)
    return output, argmax


@pytest.mark.parametrize("pool_size", [1, 5])
def test_border_align_takes_the_greatest_sample_of_each_side(pool_size):
    input, boxes = randn(2, 8, 6, 7, seed=4), torch.stack([random_boxes(5, seed, 6.0) for seed in (5, 6)])
    boxes[0, 0] += 30  # outside
    output, argmax = border(input, boxes, pool_size)
    for n, c, s in itertools.product(range(2), range(2), range(5)):
        x1, y1, x2, y2 = boxes[n, s].tolist()
        ends = [((x1, y1), (x2, y1)), ((x1, y1), (x1, y2)), ((x2, y2), (x1, y2)), ((x2, y2), (x2, y1))]
        for side, ((x, y), (to_x, to_y)) in enumerate(ends):
            shares = [i / pool_size for i in range(pool_size + 1)]
            plane = input[n, side * 2 + c]
            samples = [at(plane, y + t * (to_y - y), x + t * (to_x - x)) for t in shares]
            assert float(output[n, c, s, side]) == pytest.approx(max(samples), abs=1e-4)
            assert samples[argmax[n, c, s, side]] == pytest.approx(max(samples), abs=1e-4)
    grad, gradient = randn(*output.shape, seed=7), torch.zeros_like(input)
    ours().border_align_backward(grad, boxes, argmax, gradient, pool_size=pool_size)
    assert (output * grad).sum().item() == pytest.approx((input * gradient).sum().item(), abs=1e-3)


def curve(points, share):
    """A cubic Bezier curve by de Casteljau's halving, which the fallback does not use."""
    while len(points) > 1:
        points = [[(1 - share) * a + share * b for a, b in zip(one, two)] for one, two in zip(points, points[1:])]
    return points[0]


def bezier_by_definition(input, beziers, height, width, scale, ratio, aligned):
    found = torch.zeros(len(beziers), input.shape[1], height, width)
    for number, row in enumerate(beziers.tolist()):
        points = [[scale * value for value in row[1 + 2 * i : 3 + 2 * i]] for i in range(8)]
        upper, lower = points[:4], points[:3:-1]
        sides = [max(abs(upper[0][i] - upper[3][i]), abs(lower[0][i] - lower[3][i])) for i in (0, 1)]
        sides = sides if aligned else [max(side, 1.0) for side in sides]
        cells = sides[0] / width, sides[1] / height
        grid = [ratio or math.ceil(cell) for cell in cells]
        for channel, down, right in itertools.product(range(input.shape[1]), range(height), range(width)):
            (x0, y0), (x1, y1) = curve(upper, right / width), curve(lower, right / width)
            share, shift = down / height, 0.5 if aligned else 0.0
            x, y = x1 * share + x0 * (1 - share) - shift, y1 * share + y0 * (1 - share) - shift
            samples = [
                at(
                    input[int(row[0]), channel],
                    y + ((i + 0.5) / grid[1] - 0.5) * cells[1],
                    x + ((j + 0.5) / grid[0] - 0.5) * cells[0],
                )
                for i, j in itertools.product(range(grid[1]), range(grid[0]))
            ]
            found[number, channel, down, right] = sum(samples) / max(len(samples), 1)
    return found


@pytest.mark.parametrize("ratio, aligned", itertools.product([0, 2], [False, True]))
def test_what_lies_between_two_curves_is_pooled_by_definition(ratio, aligned):
    input = randn(2, 2, 12, 14, seed=0)
    beziers = torch.cat([torch.tensor([[0.0], [1.0], [1.0]]), randn(3, 16, seed=2).abs() * 12], 1)
    beziers[2, 1:] = 7.0  # a point
    sizes = (3, 4, 0.5, ratio, aligned)
    names = ("aligned_height", "aligned_width", "spatial_scale", "sampling_ratio", "aligned")
    output = input.new_zeros(3, 2, 3, 4)
    ours().bezier_align_forward(input, beziers, output, **dict(zip(names, sizes)))
    assert torch.allclose(output, bezier_by_definition(input, beziers, *sizes), atol=1e-4)
    given, grad = torch.zeros_like(input), randn(3, 2, 3, 4, seed=1)
    ours().bezier_align_backward(grad, beziers, given, **dict(zip(names, sizes)))
    # the operator is linear: its gradient is what the input's own values meet
    assert float((given * input).sum()) == pytest.approx(float((grad * output).sum()), abs=1e-3)
