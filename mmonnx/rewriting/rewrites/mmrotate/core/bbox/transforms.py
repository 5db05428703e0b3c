"""Stand-ins for ``mmrotate/core/bbox/transforms.py``."""

import math
from typing import Any, List, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite

_PATH = "mmrotate.core.bbox.transforms."


@rewrite(_PATH + "rbbox2result")
def rbbox2result(
    context: ExportContext, original: Any, bboxes: torch.Tensor, labels: torch.Tensor, num_classes: int
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Keep the detections as tensors, (K, 6) and (K,), where upstream splits them by class into arrays."""
    return bboxes, labels


@rewrite(_PATH + "rbbox2roi")
def rbbox2roi(context: ExportContext, original: Any, bbox_list: List[torch.Tensor]) -> torch.Tensor:
    """Put the image's index before each box: the list has one element that holds the boxes of the whole batch.

    Args:
        bbox_list: one (K, 5 or 6) tensor.

    Returns:
        (K, 6) ``(image, cx, cy, width, height, angle)``.
    """
    if context.image_index is None:
        return original(bbox_list)
    (boxes,) = bbox_list
    return torch.cat([context.image_index.to(boxes.dtype)[:, None], boxes[:, :5]], 1)


@rewrite(_PATH + "poly2obb_le90")
def poly2obb_le90(context: ExportContext, original: Any, polys: torch.Tensor) -> torch.Tensor:
    """Rotated boxes (K, 5) around polygons (K, 8), the longer side the width: upstream writes by masks."""
    return _around(polys, math.pi / 2)


@rewrite(_PATH + "poly2obb_le135")
def poly2obb_le135(context: ExportContext, original: Any, polys: torch.Tensor) -> torch.Tensor:
    """As :func:`poly2obb_le90`, with angles from -45 to 135 degrees."""
    return _around(polys, math.pi / 4)


def _around(polys: torch.Tensor, least: float) -> torch.Tensor:
    """Rotated boxes with angles from ``-least`` on."""
    points = polys.reshape(-1, 4, 2)
    first, second, third, last = points.unbind(1)
    sides = [(ends[0] - ends[1]).square().sum(1).sqrt() for ends in ((first, second), (second, third))]
    longer = sides[0] > sides[1]
    way = torch.where(longer[:, None], second - first, last - first)
    angle = torch.remainder(torch.atan2(way[:, 1], way[:, 0]) + least, math.pi) - least
    width, height = torch.where(longer, sides[0], sides[1]), torch.where(longer, sides[1], sides[0])
    return torch.cat([(first + third) / 2, torch.stack([width, height, angle], 1)], 1)


@rewrite(_PATH + "obb2poly_le90")
def obb2poly_le90(context: ExportContext, original: Any, rboxes: torch.Tensor) -> torch.Tensor:
    """Corners (K, 8) of rotated boxes (K, 5), of none as well; upstream counts them in Python."""
    cos, sin = rboxes[:, 4:].cos(), rboxes[:, 4:].sin()
    along = torch.cat([cos, sin], 1) * rboxes[:, 2:3] * 0.5
    across = torch.cat([-sin, cos], 1) * rboxes[:, 3:4] * 0.5
    ways = (-along - across, along - across, along + across, across - along)
    return torch.cat([rboxes[:, :2] + way for way in ways], 1)


@rewrite(_PATH + "obb2poly_le135")
def obb2poly_le135(context: ExportContext, original: Any, rboxes: torch.Tensor) -> torch.Tensor:
    """As :func:`obb2poly_le90`."""
    return obb2poly_le90(context, original, rboxes)
