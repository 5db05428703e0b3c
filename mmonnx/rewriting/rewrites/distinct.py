"""Distinct queries: those of a batch that suppression leaves, with a fixed number of them or as a mask."""

from typing import Any, Dict, Optional, Tuple

import torch

from .batched import ABSENT, Survivors, inside, suppress, top_per_image
from .context import ExportContext
from .splitting import greatest_number

DISTINCT = "queries of DDQ that are distinct"
"""Where a decoder leaves in ``context.extras`` which queries of its last layer count."""


def distinct_queries(context: ExportContext) -> Optional[torch.Tensor]:
    """Which queries (N, Q) of the decoder's last layer count, bool."""
    return context.extras.get(DISTINCT)


def best_distinct(
    context: ExportContext, boxes: torch.Tensor, scores: torch.Tensor, nms: Dict[str, Any], limit: int
) -> Tuple[torch.Tensor, torch.Tensor]:
    """The rows that are left of each image's, the best first.

    Args:
        boxes: (N, K, 4) corners, scores: (N, K).
        nms: the config of the suppression.
        limit: how many are taken of an image at most.

    Returns:
        (N, limit) int64 rows, and (N, limit) bool whether there are so many; where there are not, the row is 0.
    """
    found = _suppressed(context, boxes, scores, nms, limit)
    values, place = top_per_image(context, found.scores, found.batch, limit)
    there = values > ABSENT / 2
    rows = torch.cat([found.row, found.row.new_zeros(1)])
    last = torch.as_tensor(found.row.shape[0], device=rows.device)
    return rows[torch.where(there, place, last)], there


def distinct(
    context: ExportContext, boxes: torch.Tensor, scores: torch.Tensor, alive: torch.Tensor, nms: Dict[str, Any]
) -> torch.Tensor:
    """Which of the queries suppression leaves: (N, Q) bool.

    Args:
        boxes: (N, Q, 4) corners, scores: (N, Q).
        alive: (N, Q) bool which of them take part.
        nms: the config of the suppression.
    """
    scores = torch.where(alive, scores, scores.new_full((1,), ABSENT))
    found = _suppressed(context, boxes, scores, nms, None, alive)
    queries = int(boxes.shape[1])
    count = torch.as_tensor(alive.shape[0] * queries, device=boxes.device)
    # what is absent leaves its mark behind the others
    place = torch.where(found.scores > ABSENT / 2, found.batch * queries + inside(found.row, queries), count)
    marks = torch.cat([torch.zeros_like(scores).reshape(-1), scores.new_zeros(1)])
    return marks.scatter(0, place, torch.ones_like(found.scores))[:-1].reshape(-1, queries) > 0


def _suppressed(
    context: ExportContext,
    boxes: torch.Tensor,
    scores: torch.Tensor,
    nms: Dict[str, Any],
    limit: Optional[int],
    alive: Optional[torch.Tensor] = None,
) -> Survivors:
    """What mmcv's ``batched_nms`` leaves where all boxes of an image are of one class, which it calls 1."""
    if not nms.get("class_agnostic", False):
        # it moves them by the greatest coordinate and 1, in which small boxes are rounded
        corners = boxes if alive is None else torch.where(alive[..., None], boxes, boxes.new_full((1,), ABSENT))
        boxes = boxes + (corners.flatten(1).max(1)[0] + 1)[:, None, None]
    best = scores.max(1)[0][:, None, None]
    return suppress(context, boxes, scores[:, None], nms, ABSENT / 2, greatest_number(limit, nms), best)
