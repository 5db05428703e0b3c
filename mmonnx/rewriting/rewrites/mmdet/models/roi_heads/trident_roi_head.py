"""Stand-in for ``mmdet/models/roi_heads/trident_roi_head.py``."""

from typing import Any, Tuple

import torch

from ....batched import list_detections
from ....context import ExportContext
from ....registry import rewrite
from ....splitting import greatest_number


@rewrite("mmdet.models.roi_heads.trident_roi_head.TridentRoIHead.merge_trident_bboxes")
def merge_trident_bboxes(
    context: ExportContext, original: Any, self: Any, trident_det_bboxes: torch.Tensor, trident_det_labels: torch.Tensor
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Suppress once more what is left of each image of a batch; upstream's own takes those of one.

    Args:
        trident_det_bboxes: (K, 5) detections, trident_det_labels: (K,); ``context.image_index`` says whose each is.

    Returns:
        (D, 5) and (D,) of all images; ``context.detections`` has them padded as well.

    Raises:
        NotImplementedError: the model runs all its branches, whose features it stacks as if they were more images.
    """
    if self.test_branch_idx == -1:
        raise NotImplementedError("TridentNet with all branches cannot be exported; test_branch_idx=1 runs one")
    found = list_detections(
        context,
        trident_det_bboxes[:, :4],
        trident_det_bboxes[:, 4],
        trident_det_labels,
        context.image_index,
        self.bbox_head.num_classes,
        self.test_cfg["nms"],
        greatest_number(self.test_cfg["max_per_img"], None),
    )
    context.detections = found
    return found.flat_dets, found.flat_labels
