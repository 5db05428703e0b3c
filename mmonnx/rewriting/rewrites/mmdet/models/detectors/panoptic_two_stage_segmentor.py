"""Stand-in for ``mmdet/models/detectors/panoptic_two_stage_segmentor.py``."""

from typing import Any, List, Optional, cast

import torch
from torch.nn import functional

from ....context import ExportContext
from ....mask_pasting import paste_masks
from ....padding import within_image
from ....panoptic import fuse
from ....registry import rewrite
from ....rows import merge_first, rows_of_label


@rewrite("mmdet.models.detectors.panoptic_two_stage_segmentor.TwoStagePanopticSegmentor.simple_test")
def simple_test(
    context: ExportContext,
    original: Any,
    self: Any,
    img: torch.Tensor,
    img_metas: Any,
    proposals: Any = None,
    rescale: bool = False,
) -> List[None]:
    """The panoptic maps of the batch, left in ``context``; upstream fuses image by image, instance by instance."""
    from mmdet.models.detectors.panoptic_two_stage_segmentor import bbox2roi, multiclass_nms

    x = self.extract_feat(img)
    proposals = self.rpn_head.simple_test_rpn(x, img_metas) if proposals is None else proposals
    (boxes,), (scores,) = self.roi_head.simple_test_bboxes(x, img_metas, proposals, None)
    cfg, fusion = self.test_cfg.panoptic, self.panoptic_fusion_head
    dets, labels = multiclass_nms(boxes, scores, cfg.score_thr, cfg.nms, cfg.max_per_img)
    logits = self.roi_head._mask_forward(x, bbox2roi([dets[:, :4]]))["mask_pred"]
    masks = context.found.unflatten(rows_of_label(logits, labels).sigmoid())
    # in the padding as well, as upstream has it at the size of the input
    _fuse(
        context, fusion, masks, self.semantic_head.simple_test(x, img_metas, rescale), fusion.test_cfg.mask_thr_binary
    )
    return [None]


@rewrite("mmdet.models.detectors.panoptic_two_stage_segmentor.TwoStagePanopticSegmentor.predict")
def predict(
    context: ExportContext,
    original: Any,
    self: Any,
    batch_inputs: torch.Tensor,
    batch_data_samples: Any,
    rescale: bool = True,
) -> Any:
    """What ``simple_test`` is in 2.x, whose instances and masks are those of the RoI head.

    All is counted in the picture alone, as of maps that are cut to it.
    """
    x = self.extract_feat(batch_inputs)
    context.mask_output = "roi"  # pasted below, with one that is nothing
    proposals = self.rpn_head.predict(x, batch_data_samples, rescale=False)
    self.roi_head.predict(x, proposals, batch_data_samples, rescale=rescale)
    height, width = batch_inputs.shape[2:]
    stuff = self.semantic_head(x)["seg_preds"]
    stuff = functional.interpolate(stuff, size=(height, width), mode="bilinear", align_corners=False)
    inside = within_image(context, torch.ones_like(stuff[:, 0], dtype=torch.bool)) if context.told_size else None
    masks = cast(torch.Tensor, context.masks)
    _fuse(context, self.panoptic_fusion_head, masks, stuff, self.test_cfg.rcnn.mask_thr_binary, inside)
    return batch_data_samples


def _fuse(
    context: ExportContext,
    fusion: Any,
    masks: torch.Tensor,
    stuff: torch.Tensor,
    threshold: float,
    inside: Optional[torch.Tensor] = None,
) -> None:
    """Leave the panoptic maps in ``context``.

    Args:
        masks: (N, D, h, w) probabilities of the latest detections.
        stuff: (N, kinds, H, W) logits.
        threshold: of the pasted masks.
        inside: (N, H, W) bool what is counted; None for all, the padding as well.
    """
    found = context.found
    # one more that is nothing, since neither pasting nor fusing takes none
    boxes, valid = _and_nothing(found.dets[..., :4]), _and_nothing(found.valid.to(masks.dtype)) > 0
    ends = None if inside is None else context.image_size
    size = stuff.shape[2:]
    pasted = paste_masks(merge_first(_and_nothing(masks)), merge_first(boxes), size, threshold, ends)
    pasted = pasted.reshape(boxes.shape[0], boxes.shape[1], size[0], size[1]) & valid[..., None, None]
    context.panoptic = fuse(pasted, _and_nothing(found.labels), stuff, fusion, inside)


def _and_nothing(values: torch.Tensor) -> torch.Tensor:
    """(N, D, ...) -> (N, D + 1, ...), the last of them zeros."""
    zeros = values.new_zeros([1, 1] + [int(size) for size in values.shape[2:]])
    return torch.cat([values, zeros.expand([values.shape[0]] + [-1] * (values.dim() - 1))], 1)
