"""Stand-in for ``mmdet/models/detectors/maskformer.py``."""

from typing import Any, List, Optional

import torch

from ....context import Detections, ExportContext
from ....instances import as_instances
from ....panoptic import best_instances, panoptic_map, panoptic_outputs
from ....registry import rewrite


@rewrite("mmdet.models.detectors.maskformer.MaskFormer.simple_test")
def simple_test(
    context: ExportContext, original: Any, self: Any, imgs: torch.Tensor, img_metas: Any, **kwargs: Any
) -> List[Any]:
    """The instances and the panoptic maps of the batch, as far as the model gives them.

    Returns:
        [((N * k, 5) detections, (N * k,) labels)], or [None] of a model that gives no instances; ``context`` has the
        detections, masks and maps.
    """
    results = self.panoptic_head.simple_test(self.extract_feat(imgs), img_metas, **kwargs)
    found = _fused(context, self, *results)
    return [None] if found is None else [(found.flat_dets, found.flat_labels)]


@rewrite("mmdet.models.detectors.maskformer.MaskFormer.predict")
def predict(
    context: ExportContext,
    original: Any,
    self: Any,
    batch_inputs: torch.Tensor,
    batch_data_samples: Any,
    rescale: bool = True,
) -> List[Any]:
    """What ``simple_test`` is in 2.x: the samples, with the instances of the batch if the model gives them."""
    results = self.panoptic_head.predict(self.extract_feat(batch_inputs), batch_data_samples)
    found = _fused(context, self, *results)
    if found is not None:
        (batch_data_samples[0].pred_instances,) = as_instances(context, found.flat_dets, found.flat_labels)
    return batch_data_samples


def _fused(context: ExportContext, model: Any, logits: torch.Tensor, masks: torch.Tensor) -> Optional[Detections]:
    """The detections if the model gives any; ``context`` then has them, their masks and the panoptic maps.

    Args:
        logits: (N, Q, classes + 1), masks: (N, Q, H, W) logits.
    """
    fusion = model.panoptic_fusion_head
    instances, panoptic = panoptic_outputs(fusion, model)
    if panoptic:
        kinds = fusion.num_classes, fusion.num_things_classes
        context.panoptic = panoptic_map(context, logits, masks, *kinds, fusion.test_cfg)
    if not instances:
        return None
    limit = fusion.test_cfg.get("max_per_image", 100)
    return best_instances(context, logits, masks, fusion.num_things_classes, limit)
