"""Detections of heads that find a fixed number of them in every image, whatever it shows."""

from typing import Any, Sequence, Tuple

import torch

from ...environment import compat
from .batched import divide, image_numbers
from .boxes import clip_points
from .context import Detections, ExportContext
from .prompts import number_of_labels


class FullDetections(Detections):
    """As many detections in each image: none is padding."""

    def unflatten(self, rows: torch.Tensor) -> torch.Tensor:
        """Values (N * k, ...) -> (N, k, ...)."""
        return rows.reshape([self.valid.shape[0], -1] + [int(size) for size in rows.shape[1:]])


def full_detections(context: ExportContext, dets: torch.Tensor, labels: torch.Tensor) -> FullDetections:
    """The detections (N, k, 5) and labels (N, k) in both forms; ``context`` then has them and their images."""
    found = FullDetections(dets, labels, labels >= 0, dets.reshape(-1, 5), labels.reshape(-1))
    context.image_index = (image_numbers(context)[:, None] + torch.zeros_like(labels)).reshape(-1)
    context.detections = found
    return found


def best_of_all(
    context: ExportContext, scores: torch.Tensor, limit: int
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The greatest of the scores (N, Q, C) of each image: their values, queries and classes, each (N, limit)."""
    classes = number_of_labels(context, scores)
    values, index = scores.flatten(1).topk(limit, dim=1)
    query = divide(index, classes)
    return values, query, index - query * classes


def rows_of_queries(context: ExportContext, values: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """The rows (N, k) of values (N, Q, ...), as one Gather: (N, k, ...)."""
    size = values.shape[1]
    flat = values.reshape([-1] + [int(length) for length in values.shape[2:]])
    return flat[query + image_numbers(context)[:, None] * size]


def scaled_boxes(boxes: torch.Tensor, image: Sequence[Any]) -> torch.Tensor:
    """Boxes (..., 4) ``(center x, center y, width, height)`` in parts of an image as corners in its pixels, clipped.

    Args:
        image: (height, width, ...) in pixels, traced or not.
    """
    center, half = boxes[..., :2], boxes[..., 2:] * 0.5
    corners = torch.stack([center - half, center + half], -2)
    corners = clip_points(corners * boxes.new_tensor([image[1], image[0]]), image)
    return torch.cat([corners[..., 0, :], corners[..., 1, :]], -1)


def sequence(maps: torch.Tensor) -> torch.Tensor:
    """Maps (N, C, H, W) as upstream's transformers take them: (N, H * W, C), in 1.x (H * W, N, C)."""
    order = (0, 2, 1) if compat.is_second_generation() else (2, 0, 1)
    return maps.flatten(2).permute(order)
