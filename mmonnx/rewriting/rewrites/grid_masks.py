"""Instances of heads that judge the cells of grids and make a mask of the whole image for each (the SOLO kinds)."""

from typing import Any, Callable, List, NamedTuple, Sequence

import torch
from torch.nn import functional

from .batched import ABSENT, clip_k, compact, divide, image_numbers, longest, top_per_image
from .context import Detections, ExportContext
from .padding import within_image
from .rows import merge_first


class Candidates(NamedTuple):
    """The judgements above the threshold, of all images, at least one of them and perhaps of nothing.

    Attributes:
        scores: (K,), ABSENT for nothing.
        labels: (K,) int64.
        image: (K,) int64, the last image for nothing, which is behind all others.
        cell: (K,) int64, which cell of the image's grids.
        masks: (K, h, w) probabilities.
    """

    scores: torch.Tensor
    labels: torch.Tensor
    image: torch.Tensor
    cell: torch.Tensor
    masks: torch.Tensor


def find_candidates(
    context: ExportContext,
    maps: List[torch.Tensor],
    score_thr: float,
    make_masks: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> Candidates:
    """The classes of the cells above a threshold, with their masks.

    Args:
        maps: per level (N, g, g, classes) scores.
        score_thr: exclusive lower bound.
        make_masks: from image (K,) and cell (K,) to masks (K, h, w).
    """
    classes = int(maps[0].shape[-1])
    scores = torch.cat([level.flatten(1) for level in maps], 1)  # (N, cells * classes)
    cells = sum(int(level.shape[1]) * int(level.shape[2]) for level in maps)
    values = torch.where(scores > score_thr, scores, scores.new_full((1,), ABSENT))
    place = compact(context, values, never_empty=True)
    index = context.image_index
    assert index is not None  # ``compact`` leaves it
    real = index >= 0
    image = torch.where(real, index, image_numbers(context)[-1:])
    row = divide(place, classes)
    cell = torch.where(real, row - image * cells, row.new_zeros(1))
    found = torch.where(real, scores.reshape(-1)[place], scores.new_full((1,), ABSENT))
    return Candidates(found, place - row * classes, image, cell, make_masks(image, cell))


def keep_instances(context: ExportContext, found: Candidates, smallest: torch.Tensor, cfg: Any, scale: int) -> None:
    """Judge the masks, suppress, and put what is left into ``context.detections`` and ``context.masks``.

    Args:
        found: the candidates.
        smallest: per cell the area that a mask has to exceed, in pixels of the mask.
        cfg: ``test_cfg``.
        scale: pixels of the image per pixel of a mask.
    """
    absent = found.scores.new_full((1,), ABSENT)
    hard = (found.masks > cfg.mask_thr).to(found.masks.dtype)
    area = hard.flatten(1).sum(1)
    sure = (found.masks * hard).flatten(1).sum(1) / area.clamp(min=1)
    large = (area > smallest[found.cell]) & (found.scores > ABSENT / 2)
    scores = torch.where(large, found.scores * sure, absent)
    values, index = top_per_image(context, scores, found.image, cfg.nms_pre if cfg.nms_pre > 0 else None)
    most = longest(context, (values > ABSENT / 2).long().sum(1), never_empty=True)
    values, index = values[:, :most], index[:, :most]
    present = values > ABSENT / 2
    index = torch.where(present, index, index.new_zeros(1))
    decay = _decay(hard.flatten(1)[index], area[index], found.labels[index], present, cfg.kernel, cfg.sigma)
    values = torch.where(present, values * decay, absent)
    if cfg.filter_thr > 0:
        values = torch.where(values >= cfg.filter_thr, values, absent)
    limit = clip_k(cfg.max_per_img, values.shape[1]) if cfg.max_per_img > 0 else values.shape[1]
    values, order = values.topk(limit, dim=1)
    rows = merge_first(index)[order + image_numbers(context)[:, None] * index.shape[1]]

    def grow(masks: torch.Tensor) -> torch.Tensor:
        return enlarge(masks, scale, context.input.shape[2:])

    give_instances(context, values, found.labels[rows], found.masks, rows, cfg.mask_thr, grow)


def _decay(
    hard: torch.Tensor, area: torch.Tensor, labels: torch.Tensor, present: torch.Tensor, kernel: str, sigma: float
) -> torch.Tensor:
    """By what matrix suppression multiplies the scores, (N, M), best first.

    Args:
        hard: (N, M, h * w) of 0 and 1, area: (N, M), labels: (N, M), present: (N, M) bool.
    """
    shared = hard.matmul(hard.transpose(1, 2))
    rank = torch.arange(hard.shape[1], device=hard.device)
    rival = (rank[:, None] < rank) & (labels[:, :, None] == labels[:, None])
    rival = rival & present[:, :, None] & present[:, None]
    union = area[:, :, None] + area[:, None] - shared
    overlap = torch.where(rival, shared / union.clamp(min=1), shared.new_zeros(1))
    own = overlap.max(1)[0][:, :, None]  # how much each is suppressed itself
    if kernel == "gaussian":
        return ((own**2 - overlap**2) * sigma).exp().min(1)[0]
    if kernel == "linear":
        return ((1 - overlap) / (1 - own)).min(1)[0]
    raise NotImplementedError(f"the kernel {kernel!r} of matrix suppression cannot be exported; gaussian, linear can")


def give_instances(
    context: ExportContext,
    values: torch.Tensor,
    labels: torch.Tensor,
    masks: torch.Tensor,
    rows: torch.Tensor,
    threshold: float,
    grow: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    """Put instances without boxes into ``context.detections``, and their masks into ``context.masks``.

    Args:
        values: (N, D) scores, the best first, ABSENT for nothing.
        labels: (N, D) int64.
        masks: (K, h, w) probabilities.
        rows: (N, D) which of them each has.
        threshold: that a pixel of a mask exceeds.
        grow: from masks (N, D, h, w) to those of the input's size.
    """
    most = longest(context, (values > ABSENT / 2).long().sum(1), never_empty=True)
    values, labels, rows = values[:, :most], labels[:, :most], rows[:, :most]
    present = values > ABSENT / 2
    scores = torch.where(present, values, values.new_zeros(1))[..., None]
    dets = torch.cat([scores.expand(-1, -1, 4) * 0, scores], 2)  # upstream gives no boxes
    labels = torch.where(present, labels, labels.new_full((1,), -1))
    context.detections = Detections(dets, labels, present, merge_first(dets), merge_first(labels))
    masks = masks[rows] * present.to(masks.dtype)[..., None, None]
    context.masks = within_image(context, grow(masks) > threshold)


def enlarge(masks: torch.Tensor, scale: int, size: Sequence[Any]) -> torch.Tensor:
    """Masks (N, D, h, w) bilinearly enlarged ``scale`` times and cut to (height, width)."""
    whole = (masks.shape[2] * scale, masks.shape[3] * scale)
    return functional.interpolate(masks, size=whole, mode="bilinear", align_corners=False)[:, :, : size[0], : size[1]]


def flat_masks(masks: torch.Tensor) -> torch.Tensor:
    """(A, B, h, w) as (A * B, h, w), for any h and w; not for masks of which there may be none."""
    return masks.reshape(-1, masks.shape[2], masks.shape[3])
