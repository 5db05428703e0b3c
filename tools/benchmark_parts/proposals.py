"""Leaving only so many proposals, in the same way for PyTorch and for every exporter."""

from typing import List, Sequence, Tuple

import numpy as np
import torch

from mmonnx.loading.task import Task
from mmonnx.support.errors import InputError


def score_limit(task: Task, picture: np.ndarray, shapes: Sequence[Tuple[int, int]], number: int) -> float:
    """The score of the RPN that leaves so many proposals in a picture, on average over the shapes.

    Boxes under a limit never suppress one above it, so that NMS with the limit keeps exactly those of its boxes that
    score more: the limit can be read off the proposals that there are without it.

    Args:
        task: a two-stage detector.
        picture: BGR uint8 (H, W, 3).
        shapes: (height, width).
        number: of proposals.

    Raises:
        InputError: the detector does not find that many.
    """
    scores: List[torch.Tensor] = []
    for shape in shapes:
        scores.append(_proposal_scores(task, task.preprocess([picture], shape)["input"]))
    pooled, wanted = torch.cat(scores).sort(descending=True)[0], number * len(scores)
    if wanted >= len(pooled):
        most = len(pooled) // len(scores)
        raise InputError(
            f"--proposals {number}: the RPN finds {most} per image at these shapes", f"less than {most}", "give fewer"
        )
    return float(pooled[wanted - 1] + pooled[wanted]) / 2


def _proposal_scores(task: Task, image: torch.Tensor) -> torch.Tensor:
    """(K,) scores of the proposals in one image (1, 3, H, W)."""
    model = task.module.model
    shape = (int(image.shape[2]), int(image.shape[3]), 3)
    with torch.no_grad():
        found = model.rpn_head.simple_test_rpn(model.extract_feat(image), [dict(img_shape=shape)])
    return found[0][:, 4]
