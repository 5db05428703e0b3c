"""Stand-ins for ``mmdet/models/dense_heads/base_dense_head.py``: the boxes of a batch, by the head's own code.

Upstream decodes image by image. Here the batch is one tall image, (N, C, H, W) -> (C, N * H, W), whose positions come
image after image; ``filter_scores_and_topk`` picks from each image by itself.
"""

from typing import Any, List, Optional, Tuple

import torch

from ....batched import ABSENT, clip_k, divide, image_numbers, list_detections
from ....context import ExportContext
from ....instances import as_instances
from ....registry import rewrite

_HEAD = "mmdet.models.dense_heads.base_dense_head.BaseDenseHead."


@rewrite(_HEAD + "get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    score_factors: Optional[List[torch.Tensor]] = None,
    img_metas: Any = None,
    cfg: Any = None,
    rescale: bool = False,
    with_nms: bool = True,
    **kwargs: Any,
) -> List[Tuple[torch.Tensor, torch.Tensor]]:
    """One list element with the detections of the whole batch.

    Args:
        cls_scores: per level (N, priors * classes, H, W).
        bbox_preds: per level (N, priors * 4, H, W).
        score_factors: per level (N, priors, H, W), or None.

    Returns:
        [((D, 5) detections, (D,) labels)] of all images; ``context.detections`` has them padded as well.
    """
    priors = priors_of_batch(context, self, cls_scores)
    factors = [None] * len(cls_scores) if score_factors is None else fold(score_factors)
    context.levels = []
    found = self._get_bboxes_single(
        fold(cls_scores),
        fold(bbox_preds),
        factors,
        priors,
        img_metas[0],
        cfg,
        False,
        with_nms,
        **kwargs,
    )
    return [found]


def _of_levels(
    context: ExportContext,
    self: Any,
    mlvl_scores: List[torch.Tensor],
    mlvl_labels: List[torch.Tensor],
    mlvl_bboxes: List[torch.Tensor],
    scale_factor: Any,
    cfg: Any,
    rescale: bool = False,
    with_nms: bool = True,
    mlvl_score_factors: Optional[List[torch.Tensor]] = None,
    **kwargs: Any,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """The detections of 1.x that are left.

    Args:
        mlvl_scores: per level (K,), mlvl_labels: (K,), mlvl_bboxes: (K, 4), mlvl_score_factors: (K,) or None; of all
            images, ``context.levels`` has the images.

    Returns:
        (D, 5) detections and (D,) labels of all images.
    """
    if not with_nms:
        raise NotImplementedError("detections without suppression (test-time augmentation) cannot be exported")
    scores = torch.cat(mlvl_scores)
    if mlvl_score_factors is not None:
        scores = scores * torch.cat(mlvl_score_factors)
    found = list_detections(
        context,
        torch.cat(mlvl_bboxes),
        scores,
        torch.cat(mlvl_labels),
        torch.cat(context.levels) if context.levels else torch.zeros_like(scores).long(),  # of an image alone
        self.num_classes,
        cfg.nms,
        cfg.max_per_img,
    )
    context.detections = found
    return found.flat_dets, found.flat_labels


@rewrite(_HEAD + "predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    score_factors: Optional[List[torch.Tensor]] = None,
    batch_img_metas: Any = None,
    cfg: Any = None,
    rescale: bool = False,
    with_nms: bool = True,
    **kwargs: Any,
) -> List[Any]:
    """What ``get_bboxes`` is in 2.x: one element with the instances of the whole batch."""
    context.levels = []
    found = self._predict_by_feat_single(
        cls_score_list=fold(cls_scores),
        bbox_pred_list=fold(bbox_preds),
        score_factor_list=[None] * len(cls_scores) if score_factors is None else fold(score_factors),
        mlvl_priors=priors_of_batch(context, self, cls_scores),
        img_meta=batch_img_metas[0],
        cfg=cfg,
        rescale=False,
        with_nms=with_nms,
        **kwargs,
    )
    return [found]


@rewrite(_HEAD + "_bbox_post_process")
def bbox_post_process(context: ExportContext, original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    """The suppression of the whole batch at once, by either generation's arguments."""
    if "results" in kwargs:
        return suppress_instances(context, self, *args, **kwargs)
    return _of_levels(context, self, *args, **kwargs)


def suppress_instances(
    context: ExportContext,
    self: Any,
    results: Any,
    cfg: Any,
    rescale: bool = False,
    with_nms: bool = True,
    img_meta: Any = None,
) -> Any:
    """The instances of 2.x that are left.

    Args:
        results: with ``bboxes`` (K, 4), ``scores``, ``labels`` and, of some, ``score_factors`` (K,) of all images; the
            rows (K, ...) of other names stay with their boxes.
    """
    factors = [results.score_factors] if "score_factors" in results else None
    minimum = cfg.get("min_bbox_size", -1)
    scores = results.scores
    if minimum >= 0:
        columns = results.bboxes.t()
        size = (columns[2:] - columns[:2]).min(0)[0]
        scores = torch.where(size > minimum, scores, scores.new_full((1,), ABSENT))
        factors = factors and [torch.where(size > minimum, factors[0], torch.ones_like(factors[0]))]
    rows = [scores], [results.labels], [results.bboxes]
    (found,) = as_instances(context, *_of_levels(context, self, *rows, None, cfg, False, with_nms, factors))
    for name, value in results.items():
        if name not in ("bboxes", "scores", "labels", "score_factors"):
            found[name] = value[context.found.flat_rows]
    return found


def priors_of_batch(context: ExportContext, head: Any, maps: List[torch.Tensor], **kwargs: Any) -> List[torch.Tensor]:
    """The priors of the levels (N, C, H, W), of each image after the other: per level (N * S, 2 or 4)."""
    sizes = [value.shape[-2:] for value in maps]
    priors = head.prior_generator.grid_priors(sizes, dtype=maps[0].dtype, device=maps[0].device, **kwargs)
    return [for_each_image(context, rows) for rows in priors]


def fold(maps: List[torch.Tensor]) -> List[torch.Tensor]:
    """Maps (N, C, H, W) as maps (C, N * H, W) of one tall image."""
    return [value.transpose(0, 1).reshape(value.shape[1], -1, value.shape[3]) for value in maps]


def best_rows(context: ExportContext, scores: torch.Tensor, limit: int) -> torch.Tensor:
    """The rows (K,) of the best scores (N * S,) of each image; their images join ``context.levels``.

    Args:
        limit: the greatest number per image, less than 1 for all.
    """
    images = image_numbers(context)
    table = scores.reshape(images.shape[0], -1)
    number = clip_k(limit, table.shape[1]) if limit > 0 else table.shape[1]
    index = table.topk(number, dim=1)[1] + images[:, None] * table.shape[1]
    index = index.reshape(-1)
    context.levels.append(divide(index, table.shape[1]))
    return index


def for_each_image(context: ExportContext, rows: torch.Tensor) -> torch.Tensor:
    """Rows (S, D), once per image: (N * S, D)."""
    return rows.expand(image_numbers(context).shape[0], -1, -1).reshape(-1, rows.shape[-1])
