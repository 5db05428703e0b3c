"""What rotated detectors take of mmcv besides overlaps: filters, point sets, and pooling that turns channels."""

import math

import cv2
import numpy as np
import pytest
import torch
from kernels import ours
from rectangles import area, clip, crowd, iou, vertices

from mmonnx import fallback

on_the_fallback = pytest.mark.once  # the default stack alone has it in use; mmcv's compiled ones of these want a GPU


def rand(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def points(count, seed):
    """(count, 18) sets of nine points; the last ones are of one place, of one line, and of a grid."""
    sets = rand(count, 9, 2, seed=seed) * 40 - 10
    sets[-1] = 7.0
    sets[-2, :, 1] = 2 * sets[-2, :, 0] + 3
    sets[-3] = torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0))
    return sets.reshape(count, 18)


def quadrilaterals(count, seed):
    """(count, 8) rotated boxes, of which every second one goes the other way round."""
    corners = torch.tensor([vertices(box) for box in crowd(count, seed, extent=25.0).tolist()])
    corners[::2] = corners[::2].flip(1)
    return corners.reshape(count, 8)


def hull(flat):
    found = cv2.convexHull(np.asarray(flat, np.float32).reshape(-1, 2))[:, 0]
    return [tuple(map(float, point)) for point in found]


def same_way(polygon):
    doubled = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(polygon, polygon[1:] + polygon[:1]))
    return polygon if doubled >= 0 else polygon[::-1]


def test_filters_go_where_the_indices_say():
    weight = rand(2, 3, 4, 3, 3)
    indices = torch.stack([torch.randperm(36, generator=torch.Generator().manual_seed(k)) + 1 for k in range(5)], 1)
    output = torch.zeros(10, 12, 3, 3)
    ours().active_rotated_filter_forward(weight, indices.reshape(4, 3, 3, 5).int(), output)
    for o, i, entry, k in np.ndindex(2, 3, 36, 5):
        found = output.reshape(2, 5, 3, 36)[o, k, i, int(indices[entry, k]) - 1]
        assert found == weight.reshape(2, 3, 36)[o, i, entry]
    weight.requires_grad_()
    fallback.ensure()
    from mmcv.ops import active_rotated_filter

    grad = rand(10, 12, 3, 3, seed=3)
    active_rotated_filter(weight, indices.reshape(4, 3, 3, 5).int()).backward(grad)
    shaken = weight.detach() + 0.5
    moved = torch.zeros_like(output)
    ours().active_rotated_filter_forward(shaken, indices.reshape(4, 3, 3, 5).int(), moved)
    # it is linear: the gradient says what a step does
    assert ((moved - output) * grad).sum() == pytest.approx(float((weight.grad * 0.5).sum()), rel=1e-4)


def test_the_smallest_rectangle_is_opencvs():
    sets = points(60, 1)
    polygons = torch.zeros(60, 8)
    ours().min_area_polygons(sets, polygons)
    for given, found in zip(sets.numpy(), polygons.numpy()):
        _, (width, height), _ = cv2.minAreaRect(given.reshape(-1, 2))
        corners = found.reshape(4, 2)
        sides = np.linalg.norm(np.roll(corners, -1, 0) - corners, axis=1)
        assert sides[0] * sides[1] == pytest.approx(width * height, rel=1e-3, abs=1e-2)
        np.testing.assert_allclose(sides[:2], sides[2:], atol=1e-3)
        # each point lies inside of each side
        for point in given.reshape(-1, 2):
            assert cv2.pointPolygonTest(cv2.convexHull(corners), tuple(map(float, point)), True) > -1e-3
    np.testing.assert_allclose(polygons[-3].reshape(4, 2).numpy(), [[2, 0], [0, 0], [0, 2], [2, 2]], atol=1e-6)


def test_hulls_overlap_polygons_as_clipped_ones_do():
    sets, windows = points(25, 2), quadrilaterals(12, 3)
    ious = torch.zeros(25, 12)
    ours().convex_iou(sets, windows, ious)
    for i, j in np.ndindex(25, 12):
        one = same_way(hull(sets[i])) if i < 23 else []  # those of a point or a line have no area
        two = same_way([tuple(map(float, corner)) for corner in windows[j].reshape(4, 2)])
        shared = area(clip(one, two)) if one else 0.0
        union = (area(one) if one else 0.0) + area(two) - shared
        assert ious[i, j] == pytest.approx(shared / union, abs=1e-5), (i, j)
    assert (ious > 0.2).sum() > 10


def test_the_generalised_overlap_and_its_gradient():
    sets, windows = points(14, 4)[:10], quadrilaterals(10, 5)
    windows[3] += 100  # apart from its set
    output = torch.zeros(10, 19)
    ours().convex_giou(sets, windows, output)
    for number, (given, window) in enumerate(zip(sets, windows)):
        one = same_way(hull(given))
        two = same_way([tuple(map(float, corner)) for corner in window.reshape(4, 2)])
        shared = area(clip(one, two))
        union, around = area(one) + area(two) - shared, area(hull(torch.cat((given, window))))
        assert output[number, 18] == pytest.approx(shared / union - (around - union) / around, abs=1e-5)
    assert output[3, 18] < 0
    step = rand(10, 18, seed=6) - 0.5
    moved = []
    for sign in (1, -1):
        moved.append(torch.zeros(10, 19))
        ours().convex_giou(sets + sign * 1e-2 * step, windows, moved[-1])
    slope = (moved[0][:, 18] - moved[1][:, 18]) / 2e-2
    torch.testing.assert_close((output[:, :18] * step).sum(1), slope, atol=2e-3, rtol=0.05)


def test_points_inside_of_polygons_are_opencvs():
    where, polygons = rand(200, 2, seed=7) * 50 - 10, quadrilaterals(15, 8)
    output = torch.zeros(200, 15)
    ours().points_in_polygons_forward(where, polygons, output)
    for i, j in np.ndindex(200, 15):
        corners = polygons[j].reshape(4, 2).numpy()
        side = cv2.pointPolygonTest(corners, tuple(map(float, where[i])), True)
        if abs(side) > 1e-4:  # on the side it is open
            assert output[i, j] == (side > 0)
    assert 0 < output.sum() < output.numel()


@on_the_fallback
def test_the_differentiable_overlap_is_that_of_clipped_polygons():
    fallback.ensure()
    from mmcv.ops import diff_iou_rotated_2d

    one, two = crowd(40, 9, extent=60.0), crowd(40, 10, extent=60.0)
    two[:3] = one[:3]
    found = diff_iou_rotated_2d(one[None], two[None])[0]
    expected = [iou(*pair) for pair in zip(one.tolist(), two.tolist())]
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-4)
    assert min(expected) == 0 and max(expected) == pytest.approx(1)
    one.requires_grad_()
    diff_iou_rotated_2d(one[None], two[None])[0].sum().backward()
    assert torch.isfinite(one.grad).all() and one.grad.abs().sum() > 0


@on_the_fallback
@pytest.mark.parametrize("clockwise", [False, True])
def test_channels_turn_with_the_box(clockwise):
    fallback.ensure()
    from mmcv.ops import RiRoIAlignRotated, RoIAlignRotated

    features = rand(2, 16, 9, 11)
    angles = torch.tensor([0.0, math.pi / 4, -math.pi / 4, 0.3, -2.0, math.pi / 2])
    rois = torch.cat([torch.tensor([0, 1, 0, 1, 1, 0.0])[:, None], rand(6, 4, seed=2) * 30 + 8, angles[:, None]], 1)
    found = RiRoIAlignRotated((3, 2), 0.25, num_samples=2, num_orientations=8, clockwise=clockwise)(features, rois)
    plain = RoIAlignRotated((3, 2), 0.25, 2, aligned=False, clockwise=clockwise)(features, rois)
    for row, group, orientation in np.ndindex(6, 2, 8):
        place = float(np.float32(float(angles[row] * 8) / (2 * math.pi)))
        before = math.floor(place)
        one, two = (plain[row, group * 8 + (orientation - before + more) % 8] for more in (0, 1))
        expected = one * (1 - (place - before)) + two * (place - before)
        torch.testing.assert_close(found[row, group * 8 + orientation], expected, atol=1e-5, rtol=1e-4)


@on_the_fallback
def test_the_gradient_of_turned_channels():
    fallback.ensure()
    from mmcv.ops import RiRoIAlignRotated

    features, rois = rand(1, 8, 6, 7).requires_grad_(), torch.tensor([[0, 10.0, 12, 16, 8, 0.4]])
    layer = RiRoIAlignRotated((2, 2), 0.5, num_samples=2)
    grad, step = rand(1, 8, 2, 2, seed=1), rand(1, 8, 6, 7, seed=2)
    pooled = layer(features, rois)
    pooled.backward(grad)
    moved = layer(features.detach() + step, rois)  # it is linear
    assert ((moved - pooled) * grad).sum().item() == pytest.approx((features.grad * step).sum().item(), rel=1e-4)
