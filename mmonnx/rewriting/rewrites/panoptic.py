"""Panoptic maps: what each pixel shows, from masks that overlap."""

from typing import Any, Optional, Tuple

import torch
from torch import nn

from ...environment import compat
from ..symbolics import lay_masks
from .batched import ABSENT, image_numbers, longest
from .context import Detections, ExportContext
from .padding import within_image
from .queries import best_of_all, rows_of_queries
from .rows import merge_first

OFFSET = 1000
"""A segment is class + 1000 * instance."""
_NEVER = -1e6
"""The logarithm of the score of what is left out."""


def panoptic_outputs(fusion: nn.Module, model: nn.Module) -> Tuple[bool, bool]:
    """Whether a panoptic model gives instances, and whether it gives panoptic maps."""
    if not hasattr(model, "panoptic_head"):  # two stages, and a map of both
        return False, True
    cfg = fusion.test_cfg
    if compat.is_second_generation():
        return bool(cfg.get("instance_on", False)), bool(cfg.get("panoptic_on", True))
    stuff = model.num_stuff_classes > 0
    return bool(cfg.get("instance_on", False)) or not stuff, bool(cfg.get("panoptic_on", True)) and stuff


def panoptic_map(
    context: ExportContext, logits: torch.Tensor, masks: torch.Tensor, classes: int, things: int, cfg: Any
) -> torch.Tensor:
    """The map of queries of which each pixel goes to the surest; of the padding, to none.

    Args:
        logits: (N, Q, classes + 1), the last one is nothing.
        masks: (N, Q, H, W) logits.
        classes: how many there are, of which the first ``things`` are things.
        cfg: ``test_cfg`` of the fusion head.

    Returns:
        (N, H, W) int32.
    """
    scores, labels = logits.softmax(-1).max(-1)
    keep = (labels != classes) & (scores > cfg.get("object_mask_thr", 0.8))
    # Upstream multiplies scores with sigmoids. Where all are nearly 0, ONNX Runtime's sigmoid has no digits left.
    sure = torch.where(keep, scores.log(), scores.new_full((1,), _NEVER))[..., None, None] + _log_sigmoid(masks)
    query = sure.max(1)[1]  # (N, H, W)
    number = torch.arange(int(logits.shape[1]), device=logits.device)
    own = _area(within_image(context, query[:, None] == number[:, None, None]))
    whole = _area(within_image(context, masks >= 0))
    real = keep & (own > 0) & (whole > 0) & (own >= whole * cfg.get("iou_thr", 0.8))
    names = segment_names(real, labels, things)
    names = torch.where(real, names, torch.full_like(names, classes))
    found = rows_of_maps(names, query)
    if cfg.get("filter_low_score", False):
        found = torch.where(masks.gather(1, query[:, None])[:, 0] >= 0, found, torch.full_like(found, classes))
    if context.told_size:
        inside = within_image(context, torch.ones_like(found, dtype=torch.bool))
        found = torch.where(inside, found, torch.full_like(found, classes))
    return found.to(torch.int32)


def _log_sigmoid(values: torch.Tensor) -> torch.Tensor:
    return values.clamp(max=0) - ((-values.abs()).exp() + 1).log()


def segment_names(real: torch.Tensor, labels: torch.Tensor, things: int) -> torch.Tensor:
    """class + 1000 * instance of segments (N, Q), things counted in their order among those that are ``real``."""
    thing = real & (labels < things)
    # as float, since PPLNN has CumSum for nothing else
    instance = thing.to(torch.float32).cumsum(1).long()
    return labels + torch.where(thing, instance, torch.zeros_like(instance)) * OFFSET


def best_instances(
    context: ExportContext, logits: torch.Tensor, masks: torch.Tensor, things: int, limit: int
) -> Detections:
    """The surest queries and classes of each image, with the masks' own boxes, best first.

    Args:
        logits: (N, Q, classes + 1), masks: (N, Q, H, W) logits.
        things: a greater class is no instance.
        limit: how many are judged per image.

    Returns:
        The detections; ``context.masks`` has their masks (N, num_dets, H, W) bool.
    """
    scores, query, labels = best_of_all(context, logits.softmax(-1)[..., :-1], limit)
    inside = within_image(context, masks > 0)
    hard = inside.to(masks.dtype)
    sure = (masks.sigmoid() * hard).flatten(2).sum(2) / (hard.flatten(2).sum(2) + 1e-6)
    scores = scores * rows_of_queries(context, sure, query)
    scores = torch.where(labels < things, scores, scores.new_full((1,), ABSENT))
    scores, order = scores.topk(limit, dim=1)
    most = longest(context, (scores > ABSENT / 2).long().sum(1), never_empty=True)
    scores, order = scores[:, :most], order[:, :most]
    present = scores > ABSENT / 2
    query, labels = rows_of_queries(context, query, order), rows_of_queries(context, labels, order)
    boxes = rows_of_queries(context, _boxes(inside), query)
    dets = torch.cat([boxes, scores[..., None]], 2)
    dets = torch.where(present[..., None], dets, dets.new_zeros(1))
    labels = torch.where(present, labels, labels.new_full((1,), -1))
    rows = query + image_numbers(context)[:, None] * int(logits.shape[1])
    context.masks = inside.reshape(-1, inside.shape[2], inside.shape[3])[rows]
    context.detections = Detections(dets, labels, present, merge_first(dets), merge_first(labels))
    return context.detections


def _area(masks: torch.Tensor) -> torch.Tensor:
    """Pixels of (N, Q, H, W) bool, as (N, Q) float."""
    return masks.to(torch.float32).flatten(2).sum(2)


def _boxes(masks: torch.Tensor) -> torch.Tensor:
    """The boxes (N, Q, 4) around (N, Q, H, W) bool masks, zeros around none."""
    shown = masks.to(torch.float32)
    left, right = _ends(shown.max(2)[0])
    top, bottom = _ends(shown.max(3)[0])
    return torch.stack([left, top, right, bottom], -1)


def _ends(shown: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """The first place of 1.0 along the last axis, and the one behind the last; zeros where there is none."""
    place = torch.arange(shown.shape[-1], device=shown.device).to(shown.dtype)
    end = ((place + 1) * shown).max(-1)[0]
    size = place.max() + 1
    start = size - ((size - place) * shown).max(-1)[0]
    return torch.where(end > 0, start, torch.zeros_like(start)), end


def fuse(
    masks: torch.Tensor,
    labels: torch.Tensor,
    stuff: torch.Tensor,
    fusion: Any,
    inside: Optional[torch.Tensor] = None,
) -> torch.Tensor:
    """The map of instances, the best first, that lie over stuff.

    Args:
        masks: (N, D, H, W) bool, labels: (N, D), -1 for nothing.
        stuff: (N, kinds, H, W) logits; classes of stuff follow those of things.
        fusion: the ``HeuristicFusionHead``.
        inside: (N, H, W) bool where there is a picture; None for everywhere. The rest counts for nothing.

    Returns:
        (N, H, W) int32.
    """
    cfg, things = fusion.test_cfg, fusion.num_things_classes
    ids, areas = lay_masks(masks.transpose(0, 1), cfg.mask_overlap)
    names = segment_names(areas.t() > 0, labels, things)
    row = (ids - 1).clamp(min=0).long()
    instance = rows_of_maps(names, row)
    kind = stuff.max(1)[1]
    alone = ids == 0
    number = torch.arange(int(stuff.shape[1]), device=stuff.device)
    counted = alone if inside is None else alone & inside
    small = _area((kind[:, None] == number[:, None, None]) & counted[:, None]) < cfg.stuff_area_limit
    void = torch.full_like(number, fusion.num_classes)
    below = rows_of_maps(torch.where(small, void, number + things), kind)
    found = torch.where(alone, below, instance)
    if inside is not None:
        found = torch.where(inside, found, torch.full_like(found, fusion.num_classes))
    return found.to(torch.int32)


def rows_of_maps(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """``values[n, index[n]]`` of values (N, Q) and a map of indices (N, H, W)."""
    images = torch.arange(values.shape[0], device=index.device)[:, None, None]
    return values.reshape(-1)[index + images * values.shape[1]]
