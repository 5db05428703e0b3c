"""Stand-ins for ``mmdet/models/dense_heads/deformable_detr_head.py``."""

from typing import Any, List, Tuple

import torch

from ......environment import compat
from ....context import ExportContext
from ....padding import padded_cells
from ....registry import rewrite
from .detr_head import best_queries

_HEAD = "mmdet.models.dense_heads.deformable_detr_head.DeformableDETRHead."


@rewrite(_HEAD + "forward")
def forward(
    context: ExportContext, original: Any, self: Any, mlvl_feats: List[torch.Tensor], img_metas: Any
) -> Tuple[Any, ...]:
    """Upstream's forward without the loop over images that makes the mask of the padding.

    Args:
        mlvl_feats: per level (N, C, H, W).

    Returns:
        Logits (1, N, Q, C) and boxes (1, N, Q, 4) of the last decoder layer, which is all that inference uses, and two
        times None for what training wants of the encoder.
    """
    masks = [padded_cells(context, feat) for feat in mlvl_feats]
    states, first, references = self.transformer(
        mlvl_feats,
        masks,
        None if self.as_two_stage else self.query_embedding.weight,
        [self.positional_encoding(mask) for mask in masks],
        reg_branches=self.reg_branches if self.with_box_refine else None,
        cls_branches=self.cls_branches if self.as_two_stage else None,
    )[:3]
    last = len(states) - 1
    state = states[last].transpose(0, 1)
    reference = _inverse_sigmoid(references[last - 1] if last else first)
    moved = self.reg_branches[last](state)
    if int(reference.shape[-1]) == 4:
        moved = moved + reference
    else:
        moved = torch.cat([moved[..., :2] + reference, moved[..., 2:]], -1)
    return self.cls_branches[last](state)[None], moved.sigmoid()[None], None, None


@rewrite(_HEAD + "get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    all_cls_scores: torch.Tensor,
    all_bbox_preds: torch.Tensor,
    enc_cls_scores: Any,
    enc_bbox_preds: Any,
    img_metas: Any,
    rescale: bool = False,
) -> List[Tuple[torch.Tensor, torch.Tensor]]:
    """The detections of the batch, from logits (layers, N, Q, C) and boxes (layers, N, Q, 4)."""
    return [best_queries(context, self, all_cls_scores[-1], all_bbox_preds[-1], img_metas)]


def _inverse_sigmoid(values: torch.Tensor) -> torch.Tensor:
    return compat.upstream("mmdet.models.utils.transformer.inverse_sigmoid")(values)
