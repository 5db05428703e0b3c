"""How mmcv's ``batched_nms`` divides the candidates of an image among calls of its operator, and what is left of them.

From ``split_thr`` candidates on it suppresses class by class, to save memory, and so even where ``class_agnostic`` says
that classes suppress each other. How many candidates an image has is known only when the file runs.
"""

from typing import Any, Dict, Optional

import torch

from ..symbolics import ABSENT

_SPLIT_THR = 10000
"""mmcv's default."""


def is_agnostic(nms: Optional[Dict[str, Any]]) -> bool:
    """Whether the classes of an image with few candidates suppress each other."""
    return bool((nms or {}).get("class_agnostic", False))


def goes_by_class(nms: Optional[Dict[str, Any]], count: torch.Tensor) -> torch.Tensor:
    """Whether images with so many candidates (of any shape, int64) are suppressed class by class, config or not."""
    return count >= int((nms or {}).get("split_thr", _SPLIT_THR))


def strongest(own: torch.Tensor, of_image: torch.Tensor, by_class: torch.Tensor) -> torch.Tensor:
    """The best score of the call that a class of an image is in: the class's own, or that of the whole image."""
    return torch.where(by_class, own, of_image)


def greatest_number(limit: Optional[int], nms: Optional[Dict[str, Any]]) -> Optional[int]:
    """The smaller of a limit and of the config's ``max_num``, where they are numbers of detections; None for no limit.

    Args:
        limit: as the end of a slice: less than 1 is none, see :func:`cut`.
    """
    limits = (limit, (nms or {}).get("max_num"))
    return min((value for value in limits if value and value > 0), default=None)


def cut(values: torch.Tensor, end: Optional[int]) -> torch.Tensor:
    """What a slice ``[:end]`` leaves of each image's scores (N, k), best first: ``ABSENT`` in the place of the rest.

    mmdet cuts at its limits without a look at their sign: -1 leaves the weakest out, and 0 all.
    """
    if end is None or end > 0:
        return values
    rank = torch.arange(values.shape[1], device=values.device)
    count = (values > ABSENT / 2).long().sum(1, keepdim=True)
    kept = rank < (count + end if end < 0 else torch.zeros_like(count))
    return torch.where(kept, values, values.new_full((1,), ABSENT))
