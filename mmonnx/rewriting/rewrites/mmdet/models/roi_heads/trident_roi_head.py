"""Stand-in for ``mmdet/models/roi_heads/trident_roi_head.py``."""

from typing import Any

import torch

from ....batched import list_detections
from ....context import Detections, ExportContext
from ....instances import as_instances
from ....registry import rewrite
from ....splitting import greatest_number


@rewrite("mmdet.models.roi_heads.trident_roi_head.TridentRoIHead.merge_trident_bboxes")
def merge_trident_bboxes(context: ExportContext, original: Any, self: Any, *found: Any) -> Any:
    """Suppress once more what is left of each image of a batch; upstream's own takes those of one.

    Args:
        found: (K, 5) detections and (K,) labels of all images, whose are in ``context.image_index``; in 2.x a list with
            the instances of the one branch.

    Returns:
        (D, 5) and (D,) of all images, or in 2.x instances; ``context.detections`` has them padded as well.
    """
    if len(found) == 2:
        kept = _suppressed(context, self, found[0][:, :4], found[0][:, 4], found[1])
        return kept.flat_dets, kept.flat_labels
    ((instances,),) = found
    kept = _suppressed(context, self, instances.bboxes, instances.scores, instances.labels)
    return as_instances(context, kept.flat_dets, kept.flat_labels)[0]


def _suppressed(
    context: ExportContext, self: Any, boxes: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor
) -> Detections:
    """What is left of boxes (K, 4), scores (K,) and labels (K,), which becomes ``context.detections``.

    Raises:
        NotImplementedError: the model runs all its branches, whose features it stacks as if they were more images.
    """
    if self.test_branch_idx == -1:
        raise NotImplementedError("TridentNet with all branches cannot be exported; test_branch_idx=1 runs one")
    context.detections = list_detections(
        context,
        boxes,
        scores,
        labels,
        context.image_index,
        self.bbox_head.num_classes,
        self.test_cfg["nms"],
        greatest_number(self.test_cfg["max_per_img"], None),
    )
    return context.detections
