"""Stand-ins for ``mmdet/models/dense_heads/grounding_dino_head.py`` of 2.x."""

from typing import Any, List, Sequence

import torch
from torch.nn import functional

from ....context import ExportContext
from ....instances import as_instances
from ....prompts import scores_of_labels
from ....registry import rewrite
from .deformable_detr_head import last_layer
from .detr_head import best_scores

_FILE = "mmdet.models.dense_heads.grounding_dino_head."


@rewrite(_FILE + "ContrastiveEmbed.forward")
def contrastive_embed(
    context: ExportContext,
    original: Any,
    self: Any,
    visual_feat: torch.Tensor,
    text_feat: torch.Tensor,
    text_token_mask: torch.Tensor,
) -> torch.Tensor:
    """Similarities (N, Q, max_text_len) of (N, Q, C) and (N, T, C), without writes in place.

    Args:
        text_token_mask: (N, T) bool, where there is text; elsewhere, and behind it, they are infinitely small.
    """
    found = visual_feat @ text_feat.transpose(-1, -2)
    if isinstance(self.log_scale, torch.nn.Parameter):
        found = found * self.log_scale.exp()
    elif self.log_scale == "auto":
        found = found / float(visual_feat.shape[-1]) ** 0.5
    if self.bias is not None:
        found = found + self.bias
    nothing = found.new_full((1,), -float("inf"))
    found = torch.where(text_token_mask[:, None], found, nothing)
    return functional.pad(found, (0, self.max_text_len - text_feat.shape[1]), value=-float("inf"))


@rewrite(_FILE + "GroundingDINOHead.predict")
def predict(
    context: ExportContext,
    original: Any,
    self: Any,
    hidden_states: torch.Tensor,
    references: Sequence[torch.Tensor],
    memory_text: torch.Tensor,
    text_token_mask: torch.Tensor,
    batch_data_samples: Any,
    rescale: bool = True,
) -> List[Any]:
    """The best queries and labels of the last decoder layer.

    Args:
        hidden_states: (layers, N, Q, C).
        references: what each layer began with, (N, Q, 4).
        memory_text: (N, T, C), text_token_mask: (N, T) bool.
    """
    (sample,) = batch_data_samples
    logits, boxes = last_layer(self, hidden_states, references, memory_text, text_token_mask)
    scores = scores_of_labels(logits.sigmoid(), sample.token_positive_map)
    return as_instances(context, *best_scores(context, self, scores, boxes, [sample.metainfo]))
