"""Restorers that take a reference: a sharp picture of something like it."""

from typing import Any, Dict, Mapping, Sequence, Tuple

import cv2
import numpy as np
import torch

from ...loading import Feeds, make_input
from .family import Shape, scored_by
from .pipelines import Step, Transforms, steps_of
from .restoring import Restoring

_SCALE = 4
_BESIDE = ("lq_up", "ref", "ref_downup")
_UNIT = {"mean": [0.0] * 3, "std": [255.0] * 3, "to_rgb": True}


class Referring(Restoring):
    """TTSR; beside the picture it takes that enlarged, the reference, and that made smaller and larger again."""

    classes = ("restorers.ttsr.TTSR",)
    norm = {"mean": [127.5] * 3, "std": [127.5] * 3, "to_rgb": True}

    def beside(self, model: Any, images: Sequence[np.ndarray], shape: Shape) -> Feeds:
        """See ``Family.beside``; the reference is the picture's mirror image."""
        height, width = (side * _SCALE for side in shape)
        small = [cv2.resize(image, shape[::-1]) for image in images]
        large = [cv2.resize(image[:, ::-1], (width, height)) for image in images]
        blurred = [cv2.resize(image, shape[::-1]) for image in large]
        pictures = zip(_BESIDE, (small, large, blurred))
        return {name: make_input(rows, (height, width), _UNIT) for name, rows in pictures}

    def companions(self, model: Any, transforms: Transforms, steps: Sequence[Step]) -> Dict[str, Dict[str, Any]]:
        """See ``Family.companions``."""
        last = steps_of(transforms, "ref") or []
        how = {"type": "resize", "rule": "times", "interpolation": "bicubic", "backend": "pillow"}
        larger, smaller = {**how, "factor": float(_SCALE)}, {**how, "factor": 1 / _SCALE}
        resized: Mapping[str, Any] = {
            "lq_up": ("input", [larger]),
            "ref": ("ref", []),
            "ref_downup": ("ref", [smaller, larger]),
        }
        return {name: {"of": of, "read": "picture", "steps": [*first, *last]} for name, (of, first) in resized.items()}

    def predict(self, model: Any, image: torch.Tensor, **beside: torch.Tensor) -> torch.Tensor:
        """See ``Family.predict``."""
        with scored_by(model, None):
            return model(lq=image, test_mode=True, **beside)["output"]

    def fed(self, data: Mapping[str, Any]) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
        """See ``Family.fed``."""
        return data["lq"], {name: data[name] for name in _BESIDE}
