"""Stand-ins for ``mmdet/models/dense_heads/deformable_detr_head.py``."""

from typing import Any, List, Sequence, Tuple

import torch

from ......environment import compat
from .....upstream import PACKAGES
from ....context import ExportContext
from ....instances import as_instances
from ....padding import padded_cells
from ....registry import rewrite
from .detr_head import best_queries

_HEAD = "mmdet.models.dense_heads.deformable_detr_head.DeformableDETRHead."


@rewrite(_HEAD + "forward")
def forward(context: ExportContext, original: Any, self: Any, *args: Any, **kwargs: Any) -> Tuple[Any, ...]:
    """In 1.x, the head has the transformer; in 2.x, where it has not, its forward can be traced."""
    if compat.is_second_generation():
        return original(self, *args, **kwargs)
    return _with_transformer(context, self, *args, **kwargs)


def _with_transformer(
    context: ExportContext, self: Any, mlvl_feats: List[torch.Tensor], img_metas: Any
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
    logits, boxes = last_layer(self, [state.transpose(0, 1) for state in states], [first, *references])
    return logits[None], boxes[None], None, None


def last_layer(
    head: Any, states: Sequence[torch.Tensor], references: Sequence[torch.Tensor], *more: torch.Tensor
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, Q, C) and boxes (N, Q, 4) in parts of the image, of the last decoder layer.

    The branches of all layers are called, as upstream does: by the number of a call a verification knows the file's
    tensor in PyTorch. What they give for the others is not in the file, as nothing hangs on it.

    Args:
        states: (N, Q, C'), what each layer gives.
        references: (N, Q, 2 or 4), what each began with.
        more: what the class branches take behind that.
    """
    for number, state in enumerate(states):
        before = _inverse_sigmoid(references[number])
        moved = head.reg_branches[number](state)
        whole = int(before.shape[-1]) == 4
        moved = moved + before if whole else torch.cat([moved[..., :2] + before, moved[..., 2:]], -1)
        logits, boxes = head.cls_branches[number](state, *more), moved.sigmoid()
    return logits, boxes


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


@rewrite(_HEAD + "predict")
def predict(
    context: ExportContext,
    original: Any,
    self: Any,
    hidden_states: torch.Tensor,
    references: Sequence[torch.Tensor],
    batch_data_samples: Any,
    rescale: bool = True,
) -> List[Any]:
    """What forward and ``get_bboxes`` are in 2.x, of the last decoder layer alone.

    Args:
        hidden_states: (layers, N, Q, C).
        references: what each layer began with, (N, Q, 2 or 4), and what the last one made of it.
    """
    if not _is_upstream(type(self), "forward"):
        return original(self, hidden_states, references, batch_data_samples, rescale)
    logits, boxes = last_layer(self, hidden_states, references)
    metas = [sample.metainfo for sample in batch_data_samples]
    return self.predict_by_feat(logits[None], boxes[None], batch_img_metas=metas, rescale=rescale)


@rewrite(_HEAD + "predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    all_layers_cls_scores: torch.Tensor,
    all_layers_bbox_preds: torch.Tensor,
    batch_img_metas: Any,
    rescale: bool = False,
) -> List[Any]:
    """What ``get_bboxes`` is in 2.x."""
    found = best_queries(context, self, all_layers_cls_scores[-1], all_layers_bbox_preds[-1], batch_img_metas)
    return as_instances(context, *found)


def _is_upstream(kind: type, name: str) -> bool:
    """Whether the method of this name that a class has or inherits is of OpenMMLab's own."""
    owner = next(base for base in kind.__mro__ if name in vars(base))
    return owner.__module__.partition(".")[0] in PACKAGES


def _inverse_sigmoid(values: torch.Tensor) -> torch.Tensor:
    return compat.upstream("mmdet.models.utils.transformer.inverse_sigmoid")(values)
