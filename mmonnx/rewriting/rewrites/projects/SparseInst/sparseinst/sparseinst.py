"""Stand-in for the detector SparseInst, which loops over the images of a batch."""

from typing import Any, List

import torch
from torch.nn import functional

from ....batched import ABSENT, image_numbers
from ....context import ExportContext
from ....grid_masks import flat_masks, give_instances
from ....instances import as_instances
from ....registry import rewrite

_TINY = 1e-6


@rewrite("projects.SparseInst.sparseinst.sparseinst.SparseInst.predict")
def predict(
    context: ExportContext,
    original: Any,
    self: Any,
    batch_inputs: torch.Tensor,
    batch_data_samples: Any,
    rescale: bool = True,
) -> List[Any]:
    """The instances of all images, by scores that their masks have been judged by; boxes of zeros, as upstream's."""
    output = self._forward(batch_inputs)
    masks = output["pred_masks"].sigmoid()  # (N, Q, h, w)
    scores, labels = (output["pred_logits"].sigmoid() * output["pred_scores"].sigmoid()).sqrt().max(2)
    hard = (masks > self.mask_threshold).to(masks.dtype)
    sure = (masks * hard).flatten(2).sum(2) / (hard.flatten(2).sum(2) + _TINY)
    values = torch.where(scores > self.cls_threshold, scores * sure, scores.new_full((1,), ABSENT))
    values, order = values.sort(dim=1, descending=True)
    rows = order + image_numbers(context)[:, None] * order.shape[1]

    def grow(masks: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(masks, size=batch_inputs.shape[2:], mode="bilinear", align_corners=False)

    give_instances(context, values, labels.gather(1, order), flat_masks(masks), rows, self.mask_threshold, grow)
    found = context.found
    (batch_data_samples[0].pred_instances,) = as_instances(context, found.flat_dets, found.flat_labels)
    return batch_data_samples
