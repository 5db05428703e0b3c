"""Stand-in for ``mmrotate/core/post_processing/bbox_nms_rotated.py``."""

from typing import Any, Optional, Tuple, cast

import torch

from ....batched import rotated_detections
from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmrotate.core.post_processing.bbox_nms_rotated.multiclass_nms_rotated")
def multiclass_nms_rotated(
    context: ExportContext,
    original: Any,
    multi_bboxes: torch.Tensor,
    multi_scores: torch.Tensor,
    score_thr: float,
    nms: Any,
    max_num: int = -1,
    score_factors: Optional[torch.Tensor] = None,
    return_inds: bool = False,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Upstream's suppression for the rows of a batch; ``context.image_index`` says whose each is but of one alone.

    Args:
        multi_bboxes: (K, 5), or (K, classes * 5), or (K, classes, 5).
        multi_scores: (K, classes + 1), the last one is the background.
        score_factors: (K,), multiplied with the scores that pass ``score_thr``.

    Returns:
        (D, 6) detections and (D,) labels of all images; ``context.detections`` has them padded as well.

    Raises:
        NotImplementedError: the indices of the boxes are asked for.
    """
    if return_inds:
        raise NotImplementedError("multiclass_nms_rotated(return_inds=True) cannot be exported")
    alone = context.alone or context.image_index is None
    image = torch.zeros_like(multi_scores[:, 0]).long() if alone else cast(torch.Tensor, context.image_index)
    boxes = multi_bboxes.flatten(1)
    found = rotated_detections(context, boxes, multi_scores[:, :-1], image, score_thr, nms, max_num, score_factors)
    context.detections = found
    return found.flat_dets, found.flat_labels
