"""Stand-in for ``mmdet/models/detectors/glip.py`` of 2.x."""

from typing import Any

import torch

from ....context import ExportContext
from ....prompts import read_prompt
from ....registry import rewrite


@rewrite("mmdet.models.detectors.glip.GLIP.predict")
def predict(
    context: ExportContext,
    original: Any,
    self: Any,
    batch_inputs: torch.Tensor,
    batch_data_samples: Any,
    rescale: bool = True,
) -> Any:
    """The sample with the instances of the batch, all of whose images are asked for the same text."""
    (sample,) = batch_data_samples
    text, sample.token_positive_map = read_prompt(context, self, sample)
    levels = self.extract_feat(batch_inputs)
    (sample.pred_instances,) = self.bbox_head.predict(levels, text, batch_data_samples, rescale=rescale)
    return batch_data_samples
