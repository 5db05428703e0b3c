"""Stand-in for ``mmdet/models/dense_heads/rpn_head.py``."""

from typing import Any, List, Tuple

import torch

from ..... import compat
from ....batched import ABSENT, clip_k, compact, divide, image_numbers, inside, suppress, top_per_image
from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmdet.models.dense_heads.rpn_head.RPNHead.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    *args: Any,
    **kwargs: Any,
) -> List[torch.Tensor]:
    """The proposals of the whole batch, and only those that exist.

    The order of the work is top-k on the logits, then decoding of what is left: the anchors of the kept positions
    are computed from the base anchors, the grid of all anchors is never made.

    Args:
        cls_scores: per level (N, A * classes, H, W).
        bbox_preds: per level (N, A * 4, H, W).

    Returns:
        A list with one (K, 5) tensor, the proposals of all images, image after image, best first;
        ``context.image_index`` says which image each belongs to.
    """
    cfg = kwargs.get("cfg") or self.test_cfg
    limit = cfg.get("nms_pre", -1)
    found = [_best(context, self, pair, limit) for pair in zip(cls_scores, bbox_preds)]
    scores, index, deltas = (torch.cat(parts, 1) for parts in list(zip(*found))[:3])
    level = torch.cat([_filled(number, part[3], limit) for number, part in enumerate(found)]).to(index.device)  # (K,)
    anchors = _anchors(self, level, index, [score.shape[3] for score in cls_scores])
    boxes = self.bbox_coder.decode(anchors.reshape(-1, 4), deltas.reshape(-1, 4), max_shape=context.image_size)
    return [_select(context, boxes.view_as(deltas), scores, level, len(found), cfg)]


def _best(
    context: ExportContext, self: Any, maps: Tuple[torch.Tensor, torch.Tensor], limit: int
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor, Any]:
    """Scores (N, k), flat positions (N, k) and deltas (N, k, 4) of the best positions of one level, and k."""
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
    return values, index, deltas.reshape(-1, 4)[rows], number


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


def _select(
    context: ExportContext, boxes: torch.Tensor, scores: torch.Tensor, level: torch.Tensor, levels: int, cfg: Any
) -> torch.Tensor:
    """The proposals (P, 5) of all images: boxes (N, K, 4), scores (N, K), level (K,)."""
    absent = scores.new_full((1,), ABSENT)
    minimum = cfg.get("min_bbox_size", -1)
    if minimum > 0 or (minimum == 0 and not compat.keeps_proposals_of_the_minimum()):
        size = (boxes[..., 2:] - boxes[..., :2]).min(-1)[0]
        large = size >= minimum if compat.keeps_proposals_of_the_minimum() else size > minimum
        scores = torch.where(large, scores, absent)
    # a level is a class of the operator, so that boxes of different levels do not suppress each other
    number = torch.arange(levels, device=level.device)[:, None]
    table = torch.where(level == number, scores[:, None], absent)  # (N, L, K)
    limit = cfg.max_per_img if cfg.max_per_img > 0 else None
    found = suppress(context, boxes, table, cfg.nms, ABSENT / 2, limit)
    values, index = top_per_image(context, found.scores, found.batch, limit)
    place = compact(context, values)
    kept = inside(index.reshape(-1)[place], found.row.shape[0])
    row = found.batch[kept] * scores.shape[1] + found.row[kept]
    if not context.capabilities.empty_tensors:
        # the last row of each image's boxes may stand for none, whose place is behind the boxes
        row = inside(row, boxes.shape[0] * scores.shape[1])
    return torch.cat([boxes.reshape(-1, 4)[row], values.reshape(-1)[place][:, None]], 1)
