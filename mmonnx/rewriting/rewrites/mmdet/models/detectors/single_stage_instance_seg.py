"""Stand-in for ``mmdet/models/detectors/single_stage_instance_seg.py``."""

from typing import Any, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmdet.models.detectors.single_stage_instance_seg.SingleStageInstanceSegmentor.format_results")
def format_results(context: ExportContext, original: Any, self: Any, results: Any) -> Tuple[torch.Tensor, torch.Tensor]:
    """The batch's detections, which the head left in the context, where upstream sorts them by class into arrays."""
    return context.found.flat_dets, context.found.flat_labels
