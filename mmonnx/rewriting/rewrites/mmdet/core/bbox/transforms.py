"""Stand-ins for ``mmdet/core/bbox/transforms.py``."""

from typing import Any, List, Optional, Sequence, Tuple

import torch

from ....boxes import clip_columns, clip_points
from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmdet.core.bbox.transforms.bbox2roi")
def bbox2roi(context: ExportContext, original: Any, bbox_list: List[torch.Tensor]) -> torch.Tensor:
    """Put the image's index before each box: the list has one element that holds the boxes of the whole batch.

    Args:
        bbox_list: one (K, 4 or 5) tensor.

    Returns:
        (K, 5) ``(image, x1, y1, x2, y2)``.
    """
    if context.image_index is None:
        return original(bbox_list)
    (boxes,) = bbox_list
    # a dummy's image is -1, which no operator takes
    image = context.image_index.to(boxes.dtype).clamp(min=0)
    return torch.cat([image[:, None], boxes[:, :4]], 1)


@rewrite("mmdet.core.bbox.transforms.bbox2result")
def bbox2result(
    context: ExportContext, original: Any, bboxes: torch.Tensor, labels: torch.Tensor, num_classes: int
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Keep the detections as tensors, (K, 5) and (K,), where upstream splits them by class into arrays."""
    return bboxes, labels


@rewrite("mmdet.core.bbox.transforms.distance2bbox")
def distance2bbox(
    context: ExportContext,
    original: Any,
    points: torch.Tensor,
    distance: torch.Tensor,
    max_shape: Optional[Sequence[Any]] = None,
) -> torch.Tensor:
    """Boxes from points and the distances to their sides, with a traced image size and no write in place.

    Args:
        points: (..., 2).
        distance: (..., 4) to the left, upper, right and lower side.
        max_shape: (height, width, ...) in pixels, traced or not.

    Returns:
        (..., 4).
    """
    if points.dim() == 2:
        # by columns: along rows a runtime takes two numbers at a time, and of 90,000 boxes several times as long
        columns = distance.t()
        corners = torch.stack([points.t() - columns[:2], points.t() + columns[2:]])
        if max_shape is not None:
            corners = clip_columns(corners, max_shape)
        return torch.stack(corners.reshape(4, -1).unbind(0), 1)
    corners = torch.stack([points - distance[..., :2], points + distance[..., 2:]], -2)
    if max_shape is not None:
        corners = clip_points(corners, max_shape)
    # no size of -1 behind others: of no points at all Reshape cannot tell what it is
    return corners.reshape(-1, 4) if corners.dim() == 3 else torch.cat([corners[..., 0, :], corners[..., 1, :]], -1)
