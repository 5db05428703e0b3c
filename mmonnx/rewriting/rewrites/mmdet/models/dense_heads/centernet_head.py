"""Stand-ins for ``mmdet/models/dense_heads/centernet_head.py``."""

from typing import Any, List, Tuple

import torch

from ....batched import flat_detections, image_numbers, list_detections
from ....context import ExportContext
from ....instances import as_instances
from ....registry import rewrite
from ....splitting import greatest_number


@rewrite("mmdet.models.dense_heads.centernet_head.CenterNetHead.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    center_heatmap_preds: List[torch.Tensor],
    wh_preds: List[torch.Tensor],
    offset_preds: List[torch.Tensor],
    img_metas: Any,
    rescale: bool = True,
    with_nms: bool = False,
) -> List[Tuple[torch.Tensor, torch.Tensor]]:
    """The detections of a batch; upstream's decoding of heat maps takes one as it is.

    Args:
        center_heatmap_preds: one (N, classes, H, W), wh_preds: one (N, 2, H, W), offset_preds: likewise.

    Returns:
        [((D, 5) detections, (D,) labels)] of all images; ``context.detections`` has them padded as well.
    """
    cfg = self.test_cfg
    decode = self._decode_heatmap if hasattr(self, "_decode_heatmap") else self.decode_heatmap  # of 2.x, of 1.x
    rows, labels = decode(
        center_heatmap_preds[0],
        wh_preds[0],
        offset_preds[0],
        img_metas[0]["batch_input_shape"],
        k=cfg.topk,
        kernel=cfg.local_maximum_kernel,
    )
    image = (image_numbers(context)[:, None] + torch.zeros_like(labels)).reshape(-1)
    rows, labels = rows.reshape(-1, 5), labels.reshape(-1)
    context.image_index = image
    if with_nms:
        boxes, scores = rows[:, :4], rows[:, 4]
        limit = greatest_number(cfg.max_per_img, None)
        found = list_detections(context, boxes, scores, labels, image, self.num_classes, cfg.nms, limit)
    else:
        found = flat_detections(context, rows, labels)
    context.detections = found
    return [(found.flat_dets, found.flat_labels)]


@rewrite("mmdet.models.dense_heads.centernet_head.CenterNetHead.predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    center_heatmap_preds: List[torch.Tensor],
    wh_preds: List[torch.Tensor],
    offset_preds: List[torch.Tensor],
    batch_img_metas: Any = None,
    rescale: bool = True,
    with_nms: bool = False,
) -> List[Any]:
    """What ``get_bboxes`` is in 2.x."""
    maps = center_heatmap_preds, wh_preds, offset_preds
    ((dets, labels),) = get_bboxes(context, original, self, *maps, batch_img_metas, with_nms=with_nms)
    return as_instances(context, dets, labels)
