"""mmcv's alignment of features with one rotated box per cell."""

import torch

from ...fallback import rotated_feature_align_forward
from .body import Body, Value
from .operator import Operator
from .sampling import Maps, repeat, to_maps


def _compute(features: torch.Tensor, boxes: torch.Tensor, spatial_scale: float, points: int) -> torch.Tensor:
    output = torch.zeros_like(features)
    rotated_feature_align_forward(features, boxes, output, spatial_scale, points)
    return output


def _write(body: Body, features: Value, boxes: Value, spatial_scale: float, points: int) -> Value:
    batch, _, height, width = (body.size(features, axis) for axis in range(4))
    flat = body.reshape(boxes, batch * height * width, 5)
    # mmcv's kernel takes the first coordinate for the row
    y, x = (body.column(flat, index) * spatial_scale for index in (0, 1))
    places = [(x, y)]
    if points > 1:
        half_width, half_height = (body.column(flat, index) * (spatial_scale / 2) for index in (2, 3))
        cos, sin = (body.op(kind, body.column(flat, 4)) for kind in ("Cos", "Sin"))
        along, across = (cos * half_width, sin * half_width), (sin * half_height, cos * half_height)
        right, left = ((x + along[0], y + along[1]), (x - along[0], y - along[1]))
        for end in (right, left):
            places.append((end[0] - across[0], end[1] + across[1]))
            places.append((end[0] + across[0], end[1] - across[1]))
    maps = Maps(body, features)
    image = repeat(body, body.range(batch), height * width)
    samples = [maps.sample(image, *place) for place in places]
    return features + to_maps(body, sum(samples[1:], samples[0]), features, batch, height, width)


_ALIGN = Operator("MMCVRotatedFeatureAlign", ["features", "best_rbboxes"], _compute, _write)


def rotated_feature_align(
    features: torch.Tensor, boxes: torch.Tensor, spatial_scale: float = 1 / 8, points: int = 1
) -> torch.Tensor:
    """Add to each cell the samples at the center, and maybe at the corners, of its box.

    Args:
        features: (N, C, H, W).
        boxes: (N, H, W, 5), y and x of the center, width, height in pixels of the network's input, angle in radians.
        spatial_scale: size of the features over size of the input.
        points: 1 for the center, 5 for the corners too.

    Returns:
        (N, C, H, W)
    """
    return _ALIGN(features, boxes, spatial_scale=float(spatial_scale), points=int(points))
