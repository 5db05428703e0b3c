"""What is traced of a pose estimator that gets crops, and how it is run once."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, List

import numpy as np
import torch
from torch import nn

from ...rewriting import current
from .films import in_one_batch, weights_of_frames

_UNIT = 200.0
"""What mmpose gives the width and the height of a crop in, in pixels."""


class PoseModule(nn.Module):
    """(N, C, H, W), or films (N, T, C, H, W) -> keypoints (N, K, 3): x, y in pixels of the input, and the score.

    It runs the pose estimator's own inference and has to be called inside ``rewriting``.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Run the pose estimator on a batch."""
        context = current()
        assert context is not None  # it is called inside ``rewriting``
        context.start(input)
        with one_pass(self.model), in_one_batch(self.model):
            found = self.model(**asked(self.model, input))
        return found["preds"]


@contextmanager
def one_pass(model: Any) -> Iterator[None]:
    """Have a pose estimator run its input inside the block, and no flipped copy beside it."""
    own = model.test_cfg
    model.test_cfg = type(own)({**own, "flip_test": False})
    try:
        yield
    finally:
        model.test_cfg = own


def asked(model: Any, image: torch.Tensor) -> Dict[str, Any]:
    """What a pose estimator is called with for crops (N, C, H, W), or films of them (N, T, C, H, W)."""
    frames = list(image.unbind(1)) if weights_of_frames(model) else image
    return {"img": frames, "img_metas": metas(model, image), "return_loss": False}


def metas(model: Any, image: torch.Tensor) -> List[Dict[str, Any]]:
    """The meta data of crops that are pictures of their own: answers are in pixels of the input then."""
    height, width = (float(side) for side in image.shape[-2:])
    whole = np.array([width, height], np.float32) - (1.0 if is_udp(model) else 0.0)
    one = {"image_file": "", "center": whole * 0.5, "scale": whole / _UNIT, "rotation": 0, "flip_pairs": []}
    one["frame_weight"] = weights_of_frames(model)
    return [{**one, "bbox_id": number} for number in range(image.shape[0])]


def is_udp(model: Any) -> bool:
    """Whether the first and the last places of a model's maps lie on the border of its input."""
    return bool((model.test_cfg or {}).get("use_udp", False))
