"""Laying masks over each other, the best below: each takes the pixels that none before it has."""

from typing import Any, Sequence, Tuple

import torch

from .body import Body, Value
from .functions import DOMAIN
from .operator import Operator

_EPSILON = 1e-5
"""What upstream adds to an area that it divides by."""


def _compute(masks: torch.Tensor, overlap: float) -> Tuple[torch.Tensor, torch.Tensor]:
    ids = torch.zeros(masks.shape[1:], device=masks.device)
    areas = []
    for number, mask in enumerate(masks):
        taken = ids > 0
        area, covered = mask.float().sum((1, 2)), (mask & taken).float().sum((1, 2))
        lies = (area > 0) & ~(covered / (area + _EPSILON) > overlap)
        shown = (mask & ~taken & lies[:, None, None]).float()
        ids = ids + shown * (number + 1)
        areas.append(shown.sum((1, 2)))
    return ids, torch.stack(areas)


def _write(body: Body, masks: Value, overlap: float) -> Sequence[Value]:
    def step(number: Value, ids: Value) -> Any:
        mask = body.op("Gather", masks, number, axis=0)
        taken = ids > 0.0
        area = body.reduce("ReduceSum", body.cast(mask, "float"), 1, 2)
        covered = body.reduce("ReduceSum", body.cast(mask & taken, "float"), 1, 2)
        lies = (area > 0.0) & ~(covered / (area + _EPSILON) > float(overlap))
        shown = body.cast(mask & ~taken & body.unsqueeze(lies, 1, 2), "float")
        ids = ids + shown * (body.cast(number, "float") + 1.0)
        return [ids], [("float[n]", body.reduce("ReduceSum", shown, 1, 2))]

    nothing = body.op("Expand", 0.0, body.slice(body.op("Shape", masks), 0, 1, 4))
    trips = body.squeeze(body.size(masks, 0), 0)
    return body.loop(trips, [("float[n, h, w]", nothing)], step, 1)


_OPERATOR = Operator("LayMasks", ["masks"], _compute, _write, ((torch.float32, 3), (torch.float32, 2)), DOMAIN)


def lay_masks(masks: torch.Tensor, overlap: float) -> Tuple[torch.Tensor, torch.Tensor]:
    """Lay the masks (D, N, H, W) bool of N images, one after the other.

    Args:
        masks: at least one of each image; what has no pixel changes nothing.
        overlap: a mask of which more than this part is taken is left out.

    Returns:
        (N, H, W) float the number of each pixel's mask, from 1 on, 0 for none, and (D, N) the pixels that each took.
    """
    return _OPERATOR(masks, overlap=float(overlap))
