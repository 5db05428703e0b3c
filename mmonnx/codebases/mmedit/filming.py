"""Restorers of films: several frames in, the middle one of them or all of them larger out, in RGB of 0 to 1."""

from typing import Any, Dict, List, Mapping, Optional

import numpy as np
import torch

from ...runtime import EditedImage
from .family import Shape, inherits, scored_by
from .pipelines import Step, Transforms
from .restoring import Restoring

_BACKBONES = "backbones.sr_backbones"
_FRAMES = 5
"""Of networks that take any number, and whose reference lies two frames away at most."""
_OF_FLOW, _FLOW_DIVISOR = f"{_BACKBONES}.tof.TOFlow", 16
_OF_WINDOWS, _WINDOW_DIVISOR = f"{_BACKBONES}.edvr_net.EDVRNet", 4
_OF_ALL_FRAMES = ("basicvsr.BasicVSR", "real_basicvsr.RealBasicVSR")
_OF_ONE_FRAME = ("edvr.EDVR", "tdan.TDAN")
_LEAST_SIDE = 64


class Filming(Restoring):
    """BasicVSR and its successors, EDVR, TDAN and TOFlow: (N, T, C, H, W) films, T frames each.

    How many frames there are is built into a file, as its loops over them are unrolled.
    """

    classes = tuple(f"restorers.{path}" for path in _OF_ALL_FRAMES + _OF_ONE_FRAME)
    of_films = True

    def shape(self, model: Any) -> Shape:
        """See ``Family.shape``."""
        return _LEAST_SIDE, _LEAST_SIDE + 32

    def divisor(self, model: Any) -> int:
        """See ``Family.divisor``."""
        if inherits(model.generator, _OF_FLOW):
            return _FLOW_DIVISOR
        return _WINDOW_DIVISOR if inherits(model.generator, _OF_WINDOWS) else 1

    def frames(self, model: Any) -> int:
        """See ``Family.frames``."""
        generator = model.generator
        if inherits(generator, _OF_FLOW):
            return 7
        fusion = getattr(generator, "fusion", None) if inherits(generator, _OF_WINDOWS) else None
        fused: Optional[Any] = getattr(fusion, "feat_fusion", fusion)
        if fused is not None:
            return int(fused.in_channels) // int(fused.out_channels)
        # frames beyond the ends are reflected, as many as the network looks ahead
        return max(_FRAMES, 2 * int(getattr(generator, "padding", 0)) + 1)

    def makes_films(self, model: Any) -> bool:
        """See ``Family.makes_films``."""
        return any(inherits(model, f"restorers.{path}") for path in _OF_ALL_FRAMES)

    def steps(self, model: Any, transforms: Transforms) -> Optional[List[Step]]:
        """See ``Family.steps``."""
        frames = [{**one, "type": _OF_FRAMES.get(one["type"], one["type"])} for one in transforms]
        return super().steps(model, [one for one in frames if one["type"] not in _CHOOSING])

    def predict(self, model: Any, image: torch.Tensor, **beside: torch.Tensor) -> torch.Tensor:
        """See ``Family.predict``; what a network keeps of the film before, that it ran back and forth, is forgotten."""
        generator = model.generator
        if hasattr(generator, "is_mirror_extended"):
            generator.is_mirror_extended = False
        with scored_by(model, None):
            # one of them adds to what it was given
            return model(lq=image.clone(), test_mode=True)["output"]

    def edited(self, values: np.ndarray) -> EditedImage:
        """See ``Family.edited``; all frames of a film are one image, one below the other."""
        if values.ndim > 3:
            values = np.concatenate(list(values), 1)
        return super().edited(values)

    def score(self, model: Any, outputs: Mapping[str, np.ndarray], data: Mapping[str, Any]) -> Dict[str, Any]:
        """See ``Family.score``; of a film whose truth is one frame, that in the middle counts, as upstream has it."""
        truth = self.truth(model, data)
        found = torch.from_numpy(outputs["image"])[None]
        if found.dim() > truth.dim():
            found = self._middle(model, found, data["lq"])
        scores: Dict[str, Any] = model.evaluate(found, truth)
        return scores

    def truth(self, model: Any, data: Mapping[str, Any]) -> torch.Tensor:
        """See ``Restoring.truth``."""
        gt: torch.Tensor = data["gt"]
        return gt + 0.5 if inherits(model, "restorers.tdan.TDAN") else gt

    @staticmethod
    def _middle(model: Any, found: torch.Tensor, lq: torch.Tensor) -> torch.Tensor:
        count = found.shape[1]
        if model.check_if_mirror_extended(lq):
            return 0.5 * (found[:, count // 4] + found[:, -1 - count // 4])
        return found[:, count // 2]


_OF_FRAMES = {"LoadImageFromFileList": "LoadImageFromFile", "FramesToTensor": "ImageToTensor"}
_CHOOSING = ("GenerateSegmentIndices", "GenerateFrameIndices", "GenerateFrameIndiceswithPadding", "MirrorSequence")
"""What says which frames there are, and how they are called."""
