"""Stand-in for ``mmdet/models/detectors/maskformer.py``."""

from typing import Any, List

import torch

from ....context import ExportContext
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
    fusion = self.panoptic_fusion_head
    logits, masks = self.panoptic_head.simple_test(self.extract_feat(imgs), img_metas, **kwargs)
    instances, panoptic = panoptic_outputs(fusion, self)
    if panoptic:
        kinds = fusion.num_classes, fusion.num_things_classes
        context.panoptic = panoptic_map(context, logits, masks, *kinds, fusion.test_cfg)
    if not instances:
        return [None]
    limit = fusion.test_cfg.get("max_per_image", 100)
    found = best_instances(context, logits, masks, fusion.num_things_classes, limit)
    return [(found.flat_dets, found.flat_labels)]
