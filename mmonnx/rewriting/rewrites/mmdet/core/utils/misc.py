"""Stand-ins for ``mmdet/core/utils/misc.py``."""

from typing import Any, Tuple

import torch

from ....batched import ABSENT, best_in_place, clip_k, compact, divide, image_numbers
from ....context import ExportContext
from ....prompts import number_of_labels
from ....registry import rewrite
from ....splitting import cut

_MANY = 4096
"""From so many on, putting the best in order takes longer than finding them."""


@rewrite("mmdet.core.utils.misc.filter_scores_and_topk")
def filter_scores_and_topk(
    context: ExportContext, original: Any, scores: torch.Tensor, score_thr: float, topk: int, results: Any = None
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor, Any]:
    """The best of each image's scores above the threshold, for the rows of all images.

    Args:
        scores: (N * S, classes), image after image.
        score_thr: exclusive lower bound.
        topk: the greatest number of scores per image.
        results: a dict, list or tensor of rows (N * S, ...) to pick from.

    Returns:
        scores (K,), labels (K,), rows (K,) of ``scores``, and the rows of ``results``; ``context.image_index`` has the
        image of each, and joins ``context.levels``.
    """
    images, classes = image_numbers(context), number_of_labels(context, scores)
    flat = scores.reshape(images.shape[0], -1)
    if topk >= _MANY and context.capabilities.unordered_best:
        values = best_in_place(flat, topk, score_thr)
        place = compact(context, values)
        row = divide(place, classes)
        label = place - row * classes
    else:
        values, index = flat.topk(clip_k(topk, flat.shape[1]) if topk > 0 else flat.shape[1], dim=1)
        # behind the choice, which is the same: before it ONNX Runtime would compare millions, and have ties among them
        values = torch.where(values > score_thr, values, values.new_full((1,), ABSENT))
        values = cut(values, topk)
        place = compact(context, values)
        row = divide(index, classes)
        label = (index - row * classes).reshape(-1)[place]
        row = (row + images[:, None] * divide(flat.shape[1], classes)).reshape(-1)[place]
    context.levels.append(context.image_index)
    return values.reshape(-1)[place], label, row, _pick(results, row)


def _pick(results: Any, row: torch.Tensor) -> Any:
    if isinstance(results, dict):
        return {name: value[row] for name, value in results.items()}
    if isinstance(results, list):
        return [value[row] for value in results]
    return None if results is None else results[row]
