"""Stand-in for ``mmdet/core/post_processing/bbox_nms.py``."""

from typing import Any, Optional, Tuple

import torch

from ....batched import multiclass_detections
from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmdet.core.post_processing.bbox_nms.multiclass_nms")
def multiclass_nms(
    context: ExportContext,
    original: Any,
    multi_bboxes: torch.Tensor,
    multi_scores: torch.Tensor,
    score_thr: float,
    nms_cfg: Any,
    max_num: int = -1,
    score_factors: Optional[torch.Tensor] = None,
    return_inds: bool = False,
    box_dim: int = 4,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Upstream's suppression for the rows of a batch; ``context.image_index`` says whose each is but of one alone.

    Args:
        multi_bboxes: (K, 4) or (K, classes * 4).
        multi_scores: (K, classes + 1), the last one is the background.
        score_factors: (K,), multiplied with the scores that pass ``score_thr``.

    Returns:
        (D, 5) detections and (D,) labels of all images; ``context.detections`` has them padded as well.

    Raises:
        NotImplementedError: the indices of the boxes are asked for.
    """
    if return_inds:
        raise NotImplementedError("multiclass_nms(return_inds=True) cannot be exported")
    found = multiclass_detections(
        context,
        multi_bboxes,
        multi_scores[:, :-1],
        torch.zeros_like(multi_scores[:, 0]).long() if context.alone else context.image_index,
        score_thr,
        nms_cfg,
        max_num if max_num > 0 else None,
        score_factors,
    )
    context.detections = found
    return found.flat_dets, found.flat_labels
