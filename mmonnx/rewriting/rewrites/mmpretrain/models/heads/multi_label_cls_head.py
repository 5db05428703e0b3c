"""Stand-ins for the head of several labels."""

from typing import Any, List

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....scores import as_sample


@rewrite("mmpretrain.models.heads.multi_label_cls_head.MultiLabelClsHead._get_predictions")
def _get_predictions(
    context: ExportContext, original: Any, self: Any, cls_score: torch.Tensor, data_samples: Any = None
) -> List[Any]:
    """Probabilities of logits (N, num_classes), for the whole batch and not image by image."""
    return as_sample(cls_score.sigmoid())
