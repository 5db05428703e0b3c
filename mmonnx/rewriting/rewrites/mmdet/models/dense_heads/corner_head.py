"""Stand-ins for ``mmdet/models/dense_heads/corner_head.py``."""

from typing import Any, List, Optional, Tuple

import torch

from ....batched import compact, list_detections
from ....context import ExportContext
from ....corners import at_corners, best_pairs, boxes_of, cell_size, central_distance, find_corners, pair
from ....instances import as_instances
from ....registry import rewrite
from ....splitting import greatest_number

_HEAD = "mmdet.models.dense_heads.corner_head.CornerHead."
_PAIRS = 1000
"""Upstream's number of pairs that enter the suppression, of each image."""


@rewrite(_HEAD + "get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    tl_heats: List[torch.Tensor],
    br_heats: List[torch.Tensor],
    tl_embs: List[torch.Tensor],
    br_embs: List[torch.Tensor],
    tl_offs: List[torch.Tensor],
    br_offs: List[torch.Tensor],
    img_metas: Any,
    rescale: bool = False,
    with_nms: bool = True,
) -> List[Tuple[torch.Tensor, torch.Tensor]]:
    """One list element with the detections of the whole batch; of the lists, the last level counts, (N, C, H, W)."""
    maps = tl_heats[-1], br_heats[-1], tl_offs[-1], br_offs[-1]
    return [self._get_bboxes_single(*maps, img_metas[0], tl_emb=tl_embs[-1], br_emb=br_embs[-1], with_nms=with_nms)]


@rewrite(_HEAD + "_get_bboxes_single")
def get_bboxes_single(
    context: ExportContext,
    original: Any,
    self: Any,
    tl_heat: torch.Tensor,
    br_heat: torch.Tensor,
    tl_off: torch.Tensor,
    br_off: torch.Tensor,
    img_meta: Any,
    tl_emb: Optional[torch.Tensor] = None,
    br_emb: Optional[torch.Tensor] = None,
    tl_centripetal_shift: Optional[torch.Tensor] = None,
    br_centripetal_shift: Optional[torch.Tensor] = None,
    rescale: bool = False,
    with_nms: bool = True,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """The detections of a batch: (D, 5) and labels (D,); ``context.detections`` has them padded as well.

    Args:
        tl_heat: (N, classes, H, W) logits; the other maps have the same size.
    """
    if not with_nms:
        raise NotImplementedError("detections without suppression (test-time augmentation) cannot be exported")
    cfg = self.test_cfg
    heats, offsets = (tl_heat.sigmoid(), br_heat.sigmoid()), (tl_off, br_off)
    first, last = (
        find_corners(context, heat, offset, cfg.corner_topk, cfg.local_maximum_kernel)
        for heat, offset in zip(heats, offsets)
    )
    scale, corner = cell_size(img_meta["pad_shape"], tl_heat), context.image_corner
    boxes = boxes_of(first.points, last.points, scale, corner)
    if tl_emb is not None and br_emb is not None:
        one, other = pair(at_corners(tl_emb, first.row)[..., 0], at_corners(br_emb, last.row)[..., 0])
        distance = (one - other).abs()
    else:
        one = first.points + at_corners(tl_centripetal_shift, first.row).exp()
        other = last.points - at_corners(br_centripetal_shift, last.row).exp()
        distance = central_distance(boxes, boxes_of(one, other, scale, corner))
    boxes, scores, labels = best_pairs(context, (first, last), boxes, distance, cfg.distance_threshold, _PAIRS)
    place = compact(context, scores)
    found = list_detections(
        context,
        boxes.reshape(-1, 4)[place],
        scores.reshape(-1)[place],
        labels.reshape(-1)[place],
        context.image_index,
        self.num_classes,
        cfg.get("nms") or cfg.nms_cfg,
        greatest_number(cfg.max_per_img, None),
    )
    context.detections = found
    return found.flat_dets, found.flat_labels


@rewrite(_HEAD + "predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    tl_heats: List[torch.Tensor],
    br_heats: List[torch.Tensor],
    tl_embs: List[torch.Tensor],
    br_embs: List[torch.Tensor],
    tl_offs: List[torch.Tensor],
    br_offs: List[torch.Tensor],
    batch_img_metas: Any = None,
    rescale: bool = False,
    with_nms: bool = True,
) -> List[Any]:
    """What ``get_bboxes`` is in 2.x."""
    maps = tl_heats[-1], br_heats[-1], tl_offs[-1], br_offs[-1]
    more = dict(tl_emb=tl_embs[-1], br_emb=br_embs[-1], with_nms=with_nms)
    return as_instances(context, *get_bboxes_single(context, original, self, *maps, batch_img_metas[0], **more))
