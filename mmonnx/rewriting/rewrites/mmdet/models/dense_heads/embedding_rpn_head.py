"""Stand-in for ``mmdet/models/dense_heads/embedding_rpn_head.py``."""

from typing import Any, List, Tuple

import torch

from ......environment import compat
from ....context import ExportContext
from ....registry import rewrite
from ....rows import merge_first

Learned = Tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@rewrite("mmdet.models.dense_heads.embedding_rpn_head.EmbeddingRPNHead._decode_init_proposals")
def decode_init_proposals(context: ExportContext, original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    """The learned proposals at the size of the images, for any number of images.

    Returns:
        Boxes (N, P, 4), features (N, P, C), and (1, 1, 4) ``(width, height, width, height)``; in 2.x instances of all
        images with ``bboxes``, ``features`` and ``imgs_whwh``, (N * P, ...) each.
    """
    if compat.is_second_generation():
        return _as_instances(*_of_second(context, self, *args, **kwargs))
    return _of_first(context, self, *args, **kwargs)


def _of_first(context: ExportContext, self: Any, imgs: Any, img_metas: Any) -> Learned:
    return _learned(context, self, imgs[0], img_metas[0])


def _of_second(context: ExportContext, self: Any, x: Any, batch_data_samples: Any) -> Learned:
    return _learned(context, self, x[0], batch_data_samples[0].metainfo)


def _learned(context: ExportContext, self: Any, like: torch.Tensor, meta: Any) -> Learned:
    height, width = meta["img_shape"][:2]
    size = like.new_tensor([[[width, height, width, height]]])
    center, half = self.init_proposal_bboxes.weight[:, :2], self.init_proposal_bboxes.weight[:, 2:] * 0.5
    boxes = torch.cat([center - half, center + half], 1) * size
    images = context.input.shape[0]
    return boxes.expand(images, -1, -1), self.init_proposal_features.weight.expand(images, -1, -1), size


def _as_instances(boxes: torch.Tensor, features: torch.Tensor, size: torch.Tensor) -> List[Any]:
    from mmengine.structures import InstanceData

    flat = merge_first(boxes)
    return [InstanceData(bboxes=flat, features=merge_first(features), imgs_whwh=size[0].expand(flat.shape[0], -1))]
