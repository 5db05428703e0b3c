"""What the stand-ins of heads of rotated boxes share: the best positions of each level and image, and what they give.

A head's maps are rows here, image after image: upstream decodes image by image.
"""

from typing import Any, Callable, List, Sequence, Tuple

import torch

from .batched import clip_k, image_numbers, rotated_detections
from .context import ExportContext

Found = Tuple[torch.Tensor, torch.Tensor]


def rows_of_levels(maps: Sequence[torch.Tensor], columns: int) -> List[torch.Tensor]:
    """Maps (N, priors * columns, H, W) of levels as rows (N * H * W * priors, columns)."""
    return [one.permute(0, 2, 3, 1).reshape(-1, columns) for one in maps]


def class_scores(head: Any, logits: torch.Tensor) -> torch.Tensor:
    """The scores (K, classes) of a head's logits, without those of the background."""
    return logits.sigmoid() if head.use_sigmoid_cls else logits.softmax(-1)[:, :-1]


class Priors:
    """The priors of levels, of each image after the other."""

    def __init__(self, context: ExportContext, maps: Sequence[torch.Tensor]) -> None:
        self._context, self._maps = context, maps

    def of(self, generator: Any, **kwargs: Any) -> List[torch.Tensor]:
        """Per level (N * S, D), of mmdet's or mmrotate's generator."""
        first, sizes = self._maps[0], [one.shape[-2:] for one in self._maps]
        priors = generator.grid_priors(sizes, dtype=first.dtype, device=first.device, **kwargs)
        images = image_numbers(self._context).shape[0]
        return [rows.expand(images, -1, -1).reshape(-1, int(rows.shape[-1])) for rows in priors]


def detections(
    context: ExportContext,
    best: Sequence[torch.Tensor],
    parts: Sequence[Sequence[torch.Tensor]],
    decode: Callable[..., Tuple[torch.Tensor, ...]],
    cfg: Any,
) -> List[Found]:
    """One list element with the detections of the whole batch, and these in ``context.detections``.

    Args:
        best: per level (N * S,), by what positions are chosen where there are more than ``nms_pre``.
        parts: of what is needed of a position, per level (N * S, D).
        decode: from the chosen rows (K, D) of each of the parts to boxes (K, 5), scores (K, classes), and maybe
            factors (K,) of these.
        cfg: the head's ``test_cfg``.
    """
    chosen, image = _best_of_levels(context, best, parts, cfg.get("nms_pre", -1))
    boxes, scores, *factors = decode(*chosen)
    found = rotated_detections(context, boxes, scores, image, cfg.score_thr, cfg.nms, cfg.max_per_img, *factors)
    context.detections = found
    return [(found.flat_dets, found.flat_labels)]


def _best_of_levels(
    context: ExportContext, best: Sequence[torch.Tensor], parts: Sequence[Sequence[torch.Tensor]], limit: int
) -> Tuple[List[torch.Tensor], torch.Tensor]:
    """Of each of the parts the rows (N * K, D) of the best positions, image after image, and the image of each."""
    images, found = image_numbers(context), []
    for level, values in enumerate(best):
        table = values.reshape(images.shape[0], -1)
        size = table.shape[1]
        index = table.topk(clip_k(limit, size) if limit > 0 else size, dim=1)[1] + images[:, None] * size
        found.append([part[level][index] for part in parts])
    together = [torch.cat(levels, 1) for levels in zip(*found)]
    image = images[:, None].expand(-1, together[0].shape[1]).reshape(-1)
    return [rows.reshape(-1, int(rows.shape[2])) for rows in together], image
