"""Stand-in for ``mmdet/models/dense_heads/embedding_rpn_head.py``."""

from typing import Any, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmdet.models.dense_heads.embedding_rpn_head.EmbeddingRPNHead._decode_init_proposals")
def decode_init_proposals(
    context: ExportContext, original: Any, self: Any, imgs: Any, img_metas: Any
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The learned proposals at the size of the images, for any number of images.

    Returns:
        Boxes (N, P, 4), features (N, P, C), and (1, 1, 4) ``(width, height, width, height)``.
    """
    height, width = img_metas[0]["img_shape"][:2]
    size = imgs[0].new_tensor([[[width, height, width, height]]])
    center, half = self.init_proposal_bboxes.weight[:, :2], self.init_proposal_bboxes.weight[:, 2:] * 0.5
    boxes = torch.cat([center - half, center + half], 1) * size
    images = context.input.shape[0]
    return boxes.expand(images, -1, -1), self.init_proposal_features.weight.expand(images, -1, -1), size
