"""What mmrotate does differently from the mmdet that it is made of."""

import importlib
from typing import Any, List, Optional, Tuple

import numpy as np
import torch
from torch import nn

from ...environment import inference
from ...runtime import ROTATED, Detections
from ..mmdet import First, Meta

_CLIPPED = ("DeltaXYWHAOBBoxCoder",)
"""Coders that keep the centres of boxes inside of the image."""


class Rotated(First):
    """mmrotate 0.x."""

    codebase = "mmrotate"
    columns = ROTATED

    def build(self, config: Any) -> nn.Module:
        """See ``Generation.build``."""
        build = importlib.import_module("mmrotate.models").build_detector
        return build(config.model, test_cfg=config.get("test_cfg"))

    def box_limits(self, model: nn.Module) -> str:
        """See ``Generation.box_limits``."""
        found: Any = model
        for names in (("roi_head",), ("odm_head", "refine_head", "bbox_head")):
            found = next((getattr(found, name) for name in names if hasattr(found, name)), found)
            found = found[-1] if isinstance(found, nn.ModuleList) else found
        return "image" if type(getattr(found, "bbox_coder", None)).__name__ in _CLIPPED else "none"

    def datasets(self) -> Any:
        """See ``Generation.datasets``."""
        return importlib.import_module("mmrotate.datasets.builder").ROTATED_DATASETS

    def run(
        self,
        model: nn.Module,
        image: torch.Tensor,
        metas: List[Meta],
        proposals: Any = None,
        text: Optional[str] = None,
    ) -> List[Any]:
        """See ``Generation.run``.

        The boxes are brought to the picture's size, which is the image's: of few classes Gliding Vertex runs not else.
        """
        with inference(model):
            return model(img=[image], img_metas=[metas], return_loss=False, rescale=True)

    def read(self, result: Any, size: Tuple[int, int]) -> Detections:
        """See ``Generation.read``."""
        return by_score(result)

    def evaluator(self) -> Any:
        """See ``Generation.evaluator``."""
        return importlib.import_module(f"{__package__}.evaluation").RotatedEvaluator()


def by_score(result: Any) -> Detections:
    """From upstream's list of arrays by class; sorted by score, as the file gives them."""
    labels = np.concatenate([np.full(len(rows), label, np.int64) for label, rows in enumerate(result)])
    dets = np.concatenate([np.asarray(rows, np.float32).reshape(-1, ROTATED + 1) for rows in result])
    order = np.argsort(-dets[:, ROTATED], kind="stable")
    return Detections(dets[order], labels[order])
