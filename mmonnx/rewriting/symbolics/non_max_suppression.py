"""ONNX NonMaxSuppression with its own batch and class dimensions."""

from typing import Any

import torch
import torchvision
from torch.autograd import Function

from ...environment import compat

_PER_KEPT = 4
"""How many boxes are asked for each that may be kept, and by what they grow where too few are."""


class _NonMaxSuppression(Function):
    @staticmethod
    def forward(
        ctx: Any,
        boxes: torch.Tensor,
        scores: torch.Tensor,
        max_output: int,
        iou_threshold: float,
        score_threshold: float,
        never_empty: bool,
    ) -> torch.Tensor:
        rows = []
        for batch in range(scores.shape[0]):
            for group in range(scores.shape[1]):
                candidates = torch.nonzero(scores[batch, group] > score_threshold)[:, 0]
                if candidates.numel() == 0:
                    continue
                kept = _kept(boxes[batch, candidates], scores[batch, group, candidates], iou_threshold, max_output)
                kept = candidates[kept]
                rows.append(torch.stack([kept.new_full(kept.shape, batch), kept.new_full(kept.shape, group), kept], 1))
        if not rows:
            return boxes.new_zeros((1 if never_empty else 0, 3), dtype=torch.long)
        return torch.cat(rows)

    @staticmethod
    def symbolic(
        g: Any,
        boxes: Any,
        scores: Any,
        max_output: int,
        iou_threshold: float,
        score_threshold: float,
        never_empty: bool,
    ) -> Any:
        return g.op(
            "NonMaxSuppression",
            boxes,
            scores,
            g.op("Constant", value_t=torch.tensor([max_output], dtype=torch.int64)),
            g.op("Constant", value_t=torch.tensor([iou_threshold], dtype=torch.float32)),
            g.op("Constant", value_t=torch.tensor([score_threshold], dtype=torch.float32)),
        )


def _kept(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float, most: int) -> torch.Tensor:
    """The first of the boxes that suppression leaves, ``most`` at most, from the best score down.

    Whether a box stays depends on better ones alone: the best are asked first, and more of them only where too few
    stay. All at once take a minute where tens of thousands overlap, as of a YOLOv3 without training.
    """
    order = scores.sort(descending=True, **({"stable": True} if compat.has_stable_sort() else {}))[1]
    asked = _PER_KEPT * most
    while True:
        first = order[:asked]
        kept = torchvision.ops.nms(boxes[first], scores[first], iou_threshold)[:most]
        if kept.numel() == most or asked >= order.numel():
            return first[kept]
        asked *= _PER_KEPT


def non_max_suppression(
    boxes: torch.Tensor, scores: torch.Tensor, max_output: int, iou_threshold: float, score_threshold: float
) -> torch.Tensor:
    """Suppress, in each batch and each class by itself, the boxes that overlap a better one.

    Args:
        boxes: (B, K, 4) ``(x1, y1, x2, y2)``.
        scores: (B, C, K); only scores above ``score_threshold`` take part.
        max_output: the greatest number of boxes kept per batch and class.
        iou_threshold: boxes whose IoU with a better one is greater are dropped.
        score_threshold: exclusive lower bound of the scores.

    Returns:
        (S, 3) int64 rows ``(batch, class, box)``, in each batch and class from the best score down. While tracing at
        least one row, so that no branch of the model's own code for "nothing found" is traced.
    """
    return _NonMaxSuppression.apply(
        boxes, scores, int(max_output), float(iou_threshold), float(score_threshold), torch.jit.is_tracing()
    )
