"""Stand-in for ``mmdet/models/detectors/panoptic_two_stage_segmentor.py``."""

from typing import Any, List

import torch

from ....context import ExportContext
from ....mask_pasting import paste_masks
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
    found = context.found
    # one more that is nothing, since neither pasting nor fusing takes none
    masks = _and_nothing(found.unflatten(rows_of_label(logits, labels).sigmoid()))
    boxes, valid = _and_nothing(found.dets[..., :4]), _and_nothing(found.valid.to(masks.dtype)) > 0
    # in the padding as well, as upstream has it at the size of the input
    pasted = paste_masks(merge_first(masks), merge_first(boxes), img.shape[2:], fusion.test_cfg.mask_thr_binary)
    pasted = pasted.reshape(boxes.shape[0], boxes.shape[1], img.shape[2], img.shape[3]) & valid[..., None, None]
    stuff = self.semantic_head.simple_test(x, img_metas, rescale)
    context.panoptic = fuse(pasted, _and_nothing(found.labels), stuff, fusion)
    return [None]


def _and_nothing(values: torch.Tensor) -> torch.Tensor:
    """(N, D, ...) -> (N, D + 1, ...), the last of them zeros."""
    zeros = values.new_zeros([1, 1] + [int(size) for size in values.shape[2:]])
    return torch.cat([values, zeros.expand([values.shape[0]] + [-1] * (values.dim() - 1))], 1)
