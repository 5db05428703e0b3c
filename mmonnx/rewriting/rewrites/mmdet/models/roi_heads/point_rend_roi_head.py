"""Stand-ins for ``mmdet/models/roi_heads/point_rend_roi_head.py``."""

from typing import Any, List, Tuple

import torch
from torch.nn import functional

from ....batched import divide
from ....context import ExportContext
from ....mask_pasting import keep_masks
from ....point_sampling import sample_at_rois
from ....registry import rewrite
from ....rows import rows_of_label

_HEAD = "mmdet.models.roi_heads.point_rend_roi_head.PointRendRoIHead."


@rewrite(_HEAD + "_get_fine_grained_point_feats")
def get_fine_grained_point_feats(
    context: ExportContext,
    original: Any,
    self: Any,
    x: Any,
    rois: torch.Tensor,
    rel_roi_points: torch.Tensor,
    img_metas: Any = None,
) -> torch.Tensor:
    """The features of all levels at (K, P, 2) points of (K, 5) RoIs: (K, channels, P)."""
    strides = self.mask_roi_extractor.featmap_strides[: self.mask_roi_extractor.num_inputs]
    return torch.cat([sample_at_rois(x[level], rois, rel_roi_points, 1.0 / by) for level, by in enumerate(strides)], 1)


@rewrite(_HEAD + "simple_test_mask")
def simple_test_mask(
    context: ExportContext,
    original: Any,
    self: Any,
    x: Any,
    img_metas: Any,
    det_bboxes: List[torch.Tensor],
    det_labels: List[torch.Tensor],
    rescale: bool = False,
) -> List[Any]:
    """The refined masks of the batch's detections; upstream refines those of all classes, here the label's alone.

    Args:
        det_bboxes: one (K, 5) tensor, det_labels: one (K,) tensor, of all images.
    """
    _refine(context, self, x, det_bboxes[0][:, :4], det_labels[0], "mask_pred", img_metas)
    return [[]]


@rewrite(_HEAD + "predict_mask")
def predict_mask(
    context: ExportContext,
    original: Any,
    self: Any,
    x: Any,
    batch_img_metas: Any,
    results_list: List[Any],
    rescale: bool = False,
) -> List[Any]:
    """What ``simple_test_mask`` is in 2.x.

    Args:
        results_list: the instances of the batch.
    """
    (found,) = results_list
    _refine(context, self, x, found.bboxes, found.labels, "mask_preds")
    return results_list


def _refine(
    context: ExportContext, self: Any, x: Any, boxes: torch.Tensor, labels: torch.Tensor, key: str, *metas: Any
) -> None:
    """Put the refined masks of boxes (K, 4) and labels (K,) into ``context``.

    Args:
        key: what ``_mask_forward`` calls its coarse masks.
        metas: the meta data, which 1.x samples its features with.
    """
    from mmdet.models.roi_heads.point_rend_roi_head import bbox2roi, point_sample

    cfg, rois = self.test_cfg, bbox2roi([boxes])
    coarse = self._mask_forward(x, rois)[key]
    labels = labels * 0 if int(coarse.shape[1]) == 1 else labels
    masks = rows_of_label(coarse, labels)[:, None]  # (K, 1, h, w) logits
    for step in range(cfg.subdivision_steps):
        masks = functional.interpolate(masks, scale_factor=cfg.scale_factor, mode="bilinear", align_corners=False)
        height, width = int(masks.shape[2]), int(masks.shape[3])
        many = cfg.subdivision_num_points >= cfg.scale_factor**2 * height * width
        if many and step < cfg.subdivision_steps - 1:
            continue
        index, points = _uncertain_points(masks.flatten(1), height, width, cfg.subdivision_num_points)
        fine = self._get_fine_grained_point_feats(x, rois, points, *metas)
        judged = rows_of_label(self.point_head(fine, point_sample(coarse, points)), labels)
        masks = masks.flatten(1).scatter(1, index, judged).reshape(-1, 1, height, width)
    keep_masks(context, masks[:, 0].sigmoid(), boxes, cfg.mask_thr_binary)


def _uncertain_points(masks: torch.Tensor, height: int, width: int, limit: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """Where logits (K, height * width) are next to 0: indices (K, P), and points (K, P, 2) in parts of the mask."""
    index = (-masks.abs()).topk(min(limit, height * width), dim=1)[1]
    row = divide(index, width)
    points = torch.stack([index - row * width, row], 2).to(masks.dtype)
    return index, (points + 0.5) / masks.new_tensor([width, height])
