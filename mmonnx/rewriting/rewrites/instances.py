"""Instances of OpenMMLab 2.x for a flat batch: one list element, whose rows are those of all images."""

from typing import Any, List, Tuple

import torch

from .context import ExportContext

_BOXES = "boxes of the latest instances"


def as_instances(context: ExportContext, dets: torch.Tensor, labels: torch.Tensor) -> List[Any]:
    """Detections (K, 5) and labels (K,) of all images, as heads of the second generation give them."""
    from mmengine.structures import InstanceData

    found = InstanceData(bboxes=dets[:, :4], scores=dets[:, 4], labels=labels)
    context.extras[_BOXES] = found.bboxes, found.scores, dets
    return [found]


def of_instances(context: ExportContext, found: Any) -> Tuple[torch.Tensor, torch.Tensor]:
    """Detections (K, 5) and labels (K,) of instances; those that ``as_instances`` was given, where they are these."""
    boxes, scores, dets = context.extras.get(_BOXES, (None, None, None))
    if found.bboxes is boxes and found.scores is scores:
        return dets, found.labels
    return torch.cat([found.bboxes, found.scores[:, None]], 1), found.labels
