"""The best positions of the levels of a pyramid, and the proposals that are left of them: what RPNs of boxes share."""

from typing import Any, List, Optional, Tuple

import torch

from .batched import ABSENT, clip_k, compact, divide, image_numbers, inside, suppress, top_per_image
from .context import ExportContext
from .splitting import cut, goes_by_class, greatest_number, is_agnostic, strongest


def candidates(
    context: ExportContext,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    limit: int,
    columns: int = 4,
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The best positions of each level and image, decoded.

    Args:
        cls_scores: per level (N, A * classes, H, W).
        bbox_preds: per level (N, A * columns, H, W).
        limit: the greatest number per level and image, less than 1 for all.

    Returns:
        Boxes (N, K, D) of the head's coder, scores (N, K), and their levels (K,) int64.
    """
    found = [_best(context, self, pair, limit, columns) for pair in zip(cls_scores, bbox_preds)]
    scores, index, deltas = (torch.cat(parts, 1) for parts in list(zip(*found))[:3])
    level = torch.cat([_filled(number, part[3], limit) for number, part in enumerate(found)]).to(index.device)  # (K,)
    anchors = _anchors(self, level, index, [score.shape[3] for score in cls_scores])
    boxes = self.bbox_coder.decode(anchors.reshape(-1, 4), deltas.reshape(-1, columns), max_shape=context.image_size)
    return boxes.reshape(*deltas.shape[:2], int(boxes.shape[1])), scores, level


def _best(
    context: ExportContext, self: Any, maps: Tuple[torch.Tensor, torch.Tensor], limit: int, columns: int
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor, Any]:
    """Scores (N, k), flat positions (N, k) and deltas (N, k, columns) of the best positions of one level, and k."""
    logits, deltas = (value.permute(0, 2, 3, 1) for value in maps)
    # before top-k as upstream does: scores that are equal in float32 come from logits that are not
    if self.use_sigmoid_cls:
        scores = logits.flatten(1).sigmoid()
    else:  # two classes, the first is the object
        scores = logits.reshape(-1, 2).softmax(1)[:, 0].reshape(logits.shape[0], -1)
    size = scores.shape[1]
    number = clip_k(limit, size) if limit > 0 else size
    values, index = scores.topk(number, dim=1)
    # one Gather on the flat rows: GatherElements is slower, and PPLNN has none
    rows = index + image_numbers(context)[:, None] * size
    return values, index, deltas.reshape(-1, columns)[rows], number


def best_of_levels(
    context: ExportContext, scores: List[torch.Tensor], rows: List[List[torch.Tensor]], limit: int
) -> Tuple[torch.Tensor, ...]:
    """The best positions of each level and image.

    Args:
        scores: per level (N * S,).
        rows: lists like it, of rows (N * S, D) to pick from.
        limit: the greatest number per level and image, less than 1 for all.

    Returns:
        scores (N, K), their levels (K,) int64, and of each list its rows (N, K, D).
    """
    images = image_numbers(context)
    found, numbers = [], []
    for level, score in enumerate(scores):
        table = score.reshape(images.shape[0], -1)
        size = table.shape[1]
        number = clip_k(limit, size) if limit > 0 else size
        values, index = table.topk(number, dim=1)
        index = index + images[:, None] * size
        found.append([values, *(part[level][index] for part in rows)])
        numbers.append(_filled(level, number, limit))
    values, *picked = (torch.cat(parts, 1) for parts in zip(*found))
    return (values, torch.cat(numbers).to(values.device), *picked)


def _filled(value: int, number: Any, limit: int) -> torch.Tensor:
    """The value ``number`` times, (number,) int64, which is no more than ``limit``."""
    if limit <= 0:
        return torch.full((number,), value, dtype=torch.long)
    # a slice of a constant: half the nodes of filling a shape
    return torch.full((limit,), value, dtype=torch.long)[:number]


def _anchors(self: Any, level: torch.Tensor, index: torch.Tensor, widths: List[Any]) -> torch.Tensor:
    """The anchors (N, K, 4) at flat positions (N, K) of the levels (K,), whose grids are ``widths`` wide."""
    generator = getattr(self, "prior_generator", None) or self.anchor_generator
    base = torch.stack(list(generator.base_anchors)).to(self.rpn_cls.weight)  # (L, A, 4)
    kinds = base.shape[1]
    strides = torch.tensor(generator.strides).to(base)
    width = torch.stack([torch.as_tensor(value, device=index.device) for value in widths])[level]
    # no Mod: PPLNN has none
    position = divide(index, kinds)
    row = divide(position, width)
    kind = index - position * kinds + level * kinds
    corner = torch.stack([position - row * width, row], -1).to(base.dtype) * strides[level]
    return base.reshape(-1, 4)[kind] + torch.cat([corner, corner], -1)


def select_proposals(
    context: ExportContext,
    boxes: torch.Tensor,
    scores: torch.Tensor,
    level: torch.Tensor,
    levels: int,
    cfg: Any,
    limit_of_level: Optional[int] = None,
    shown: Optional[torch.Tensor] = None,
) -> torch.Tensor:
    """Suppress in each level by itself and take the best of all.

    Args:
        boxes: (N, K, 4), scores: (N, K), ``ABSENT`` for what takes no part, level: (K,) int64.
        levels: how many there are.
        cfg: ``nms`` and ``max_per_img`` of the ``test_cfg``.
        limit_of_level: the greatest number that a level may give, None for ``max_per_img``.
        shown: (N, K, D) what the proposals are, where others than the boxes that suppress each other.

    Returns:
        The proposals (P, 5), or (P, D + 1), of all images; ``context.image_index`` then has their images.
    """
    absent = scores.new_full((1,), ABSENT)
    # a level is a class of the operator, so that boxes of different levels do not suppress each other; if they do,
    # all levels are one more, before them
    by_class = goes_by_class(cfg.nms, (scores > ABSENT / 2).long().sum(1))[:, None]
    if is_agnostic(cfg.nms):
        level, levels = torch.where(by_class, level + 1, level.new_zeros(1))[:, None], levels + 1
    number = torch.arange(levels, device=level.device)[:, None]
    table = torch.where(level == number, scores[:, None], absent)  # (N, L, K)
    best = strongest(table.max(2)[0], scores.max(1, keepdim=True)[0], by_class)[:, :, None]
    limit = greatest_number(cfg.max_per_img, cfg.nms)
    found = suppress(context, boxes, table, cfg.nms, ABSENT / 2, limit_of_level or limit, best)
    values, index = top_per_image(context, found.scores, found.batch, limit)
    values = cut(values, cfg.max_per_img)
    place = compact(context, values)
    kept = inside(index.reshape(-1)[place], found.row.shape[0])
    row = found.batch[kept] * scores.shape[1] + found.row[kept]
    if not context.capabilities.empty_tensors:
        # the last row of each image's boxes may stand for none, whose place is behind the boxes
        row = inside(row, boxes.shape[0] * scores.shape[1])
    rows = boxes.reshape(-1, 4) if shown is None else shown.reshape(-1, int(shown.shape[2]))
    return torch.cat([rows[row], values.reshape(-1)[place][:, None]], 1)
