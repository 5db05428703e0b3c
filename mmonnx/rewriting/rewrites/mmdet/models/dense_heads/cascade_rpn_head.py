"""Stand-ins for ``mmdet/models/dense_heads/cascade_rpn_head.py``."""

from typing import Any, List, Tuple

import torch

from ....batched import image_numbers
from ....context import ExportContext
from ....instances import as_instances
from ....registry import rewrite
from .base_dense_head import fold, for_each_image
from .ga_rpn_head import object_scores, proposals_of_anchors

_HEAD = "mmdet.models.dense_heads.cascade_rpn_head.CascadeRPNHead."


@rewrite(_HEAD + "simple_test_rpn")
def simple_test_rpn(
    context: ExportContext, original: Any, self: Any, x: List[torch.Tensor], img_metas: Any
) -> List[torch.Tensor]:
    """Refine the anchors of a batch stage by stage; one list element with the proposals (P, 5) of all images.

    Args:
        x: per level (N, C, H, W).
    """
    sizes = [value.shape[-2:] for value in x]
    priors = self.stages[0].prior_generator.grid_priors(sizes, device=x[0].device)
    anchors = [for_each_image(context, rows) for rows in priors]
    for number, stage in enumerate(self.stages):
        offsets = None
        if stage.adapt_cfg["type"] == "offset":
            offsets = [_offsets(context, *level) for level in zip(anchors, stage.anchor_strides, sizes)]
        x, scores, deltas = stage(x, offsets)
        if number < self.num_stages - 1:
            (anchors,) = stage.refine_bboxes([anchors], [value[None] for value in fold(deltas)], img_metas)
    values, shape = object_scores(stage, fold(scores)), img_metas[0]["img_shape"]
    return [proposals_of_anchors(context, stage, values, anchors, fold(deltas), shape, self.test_cfg)]


@rewrite(_HEAD + "predict")
def predict(
    context: ExportContext,
    original: Any,
    self: Any,
    x: Any,
    batch_data_samples: List[Any],
    rescale: bool = False,
) -> List[Any]:
    """What ``simple_test_rpn`` is in 2.x."""
    (rows,) = simple_test_rpn(context, original, self, x, [sample.metainfo for sample in batch_data_samples])
    return as_instances(context, rows, torch.zeros_like(rows[:, 0]).long())


def _offsets(context: ExportContext, anchors: torch.Tensor, stride: int, size: Tuple[Any, Any]) -> torch.Tensor:
    """How far an anchor moves the nine taps of a 3x3 kernel at its position.

    Args:
        anchors: (N * H * W, 4) in pixels.
        stride: of the level, size: its (H, W).

    Returns:
        (N, H * W, 18), ``(y, x)`` of each tap in cells.
    """
    rows, columns = (torch.arange(length, device=anchors.device).to(anchors) for length in size)
    cells = torch.stack([columns + torch.zeros_like(rows)[:, None], rows[:, None] + torch.zeros_like(columns)], -1)
    low, high = anchors[:, :2], anchors[:, 2:]
    center = (low + high) * 0.5 / stride - for_each_image(context, cells.reshape(-1, 2))
    spread = (high - low) / stride / 2 - 1
    tap = torch.tensor([-1.0, 0.0, 1.0], device=anchors.device)
    taps = torch.stack([tap[:, None].expand(3, 3), tap.expand(3, 3)], -1).reshape(-1, 2)
    moved = spread.flip(1)[:, None] * taps + center.flip(1)[:, None]
    return moved.reshape(image_numbers(context).shape[0], -1, 18)
