"""Flat lists: what is left of a batch's candidates, image after image, and the padded form of it."""

from typing import Optional, Tuple

import torch

from ...symbolics import ABSENT, non_zero
from ..context import Detections, ExportContext
from ..splitting import cut
from .indices import CERTAIN, clip_k, divide, image_numbers, longest


def top_per_image(
    context: ExportContext, scores: torch.Tensor, image: torch.Tensor, limit: Optional[int]
) -> Tuple[torch.Tensor, torch.Tensor]:
    """The best candidates of each image, from the best down.

    Args:
        scores: (S,) scores of the candidates of all images, none negative but ``ABSENT``.
        image: (S,) int64 the image of each.
        limit: the greatest number per image, None for all.

    Returns:
        scores (N, k), ``ABSENT`` where an image has fewer, and the candidates' indices (N, k), S or more where absent.
    """
    absent = scores.new_full((1,), ABSENT)
    # columns of nothing make TopK legal for any number of candidates, none included
    more = limit or 1
    image, scores = torch.cat([image, image.new_full((more,), -1)]), torch.cat([scores, scores.new_zeros(more)])
    table = torch.where(image == image_numbers(context)[:, None], scores, absent)
    return table.topk(limit or table.shape[1], dim=1)


def compact(context: ExportContext, values: torch.Tensor, never_empty: bool = False) -> torch.Tensor:
    """The candidates that are there, as a flat list; it ends with a dummy where nothing may be empty.

    Args:
        values: (N, k) scores, ``ABSENT`` where there is nothing.
        never_empty: end with a dummy in any case.

    Returns:
        (K,) int64 the place of each in ``values.reshape(-1)``, 0 for the dummy; ``context.image_index`` then has the
        image of each, -1 for the dummy.
    """
    flat, width = values.reshape(-1), values.shape[1]
    if context.capabilities.empty_tensors and not never_empty:
        found = non_zero(values > ABSENT / 2, never_empty=True)
        # no division: the width is 0 where no image has any
        context.image_index = found[0]
        return found[0] * width + found[1]
    place = non_zero(torch.cat([flat, flat.new_full((1,), CERTAIN)]) > ABSENT / 2).reshape(-1)
    real = place < flat.shape[0]
    context.image_index = torch.where(real, divide(place, width), place.new_full((1,), -1))
    return torch.where(real, place, place.new_zeros(1))


def best_in_place(values: torch.Tensor, limit: int, bound: float) -> torch.Tensor:
    """The values (N, k), those that are above a bound and among the ``limit`` greatest of their row; ``ABSENT`` others.

    Of equal ones the first are taken. What is left stands in another order than best first, which is the same to
    whoever orders it again and goes by places among equals, as a suppression does.
    """
    absent = values.new_full((1,), ABSENT)
    best, place = values.topk(clip_k(limit, values.shape[1]), dim=1, sorted=False)
    best = torch.where(best > bound, best, absent)
    return torch.full_like(values, ABSENT).scatter(1, place, best)


def gather_detections(
    context: ExportContext,
    boxes: torch.Tensor,
    scores: torch.Tensor,
    labels: torch.Tensor,
    image: torch.Tensor,
    limit: Optional[int],
    end: Optional[int] = None,
    source: Optional[torch.Tensor] = None,
) -> Detections:
    """Sort the survivors of NMS into images.

    Args:
        boxes: (S, 4) the candidates, or (S, 5) of rotated ones.
        scores: (S,), labels: (S,) int64, image: (S,) int64.
        limit: the greatest number per image, None for all.
        end: of the slice that is left of them, see :func:`cut`.
        source: (S,) int64, what the detections are to know themselves by; None for nothing.

    Returns:
        The padded and the flat form.
    """
    values, index = top_per_image(context, scores, image, limit)
    values = cut(values, end)
    most = longest(context, (values > ABSENT / 2).long().sum(1))
    values, index = values[:, :most], index[:, :most]
    present = values > ABSENT / 2
    # row S, behind the candidates, is what an absent detection looks like
    # counted by the labels: torch 1.13 takes the number of scores, which GatherND gives, for a constant
    end = torch.as_tensor(labels.shape[0], device=index.device)
    rows = torch.cat([torch.cat([boxes, scores[:, None]], 1), boxes.new_zeros(1, int(boxes.shape[1]) + 1)])
    labels = torch.cat([labels, labels.new_full((1,), -1)])
    padded = torch.where(present, index, end)
    flat = padded.reshape(-1)[compact(context, values)]
    if source is not None:
        source = torch.cat([source, source.new_zeros(1)])[flat]
    return Detections(rows[padded], labels[padded], present, rows[flat], labels[flat], source)


def flat_detections(context: ExportContext, rows: torch.Tensor, labels: torch.Tensor) -> Detections:
    """Both forms of detections (K, 5 or 6) and labels (K,) that are flat already, image after image."""
    index = context.image_index
    count = (index == image_numbers(context)[:, None]).long().sum(1)
    valid = torch.arange(longest(context, count), device=count.device) < count[:, None]
    found = Detections(rows, labels, valid, rows, labels)
    found.labels = torch.where(valid, found.unflatten(labels), labels.new_full((1,), -1))
    found.dets = found.unflatten(rows)
    return found
