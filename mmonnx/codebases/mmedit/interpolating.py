"""Interpolators of films: some frames in, what is between the two in the middle out, in RGB of 0 to 1."""

from typing import Any, Dict, Mapping, Tuple

import numpy as np
import torch

from .family import Shape, inherits, scored_by
from .filming import Filming

_OF_STRIDES, _STRIDE = "backbones.vfi_backbones.flavr_net.FLAVRNet", 8
_COLORS = 3


class Interpolating(Filming):
    """CAIN, FLAVR and TOFlow: (N, T, C, H, W) films of as many frames as the network takes at once."""

    name = "video interpolator"
    classes = ("video_interpolators.basic_interpolator.BasicInterpolator",)
    keeps_size = True

    def key(self, model: Any) -> str:
        """See ``Family.key``."""
        return "inputs"

    def shape(self, model: Any) -> Shape:
        """See ``Family.shape``."""
        return 128, 192

    def divisor(self, model: Any) -> int:
        """See ``Family.divisor``; the other networks pad by themselves."""
        return _STRIDE if inherits(model.generator, _OF_STRIDES) else 1

    def frames(self, model: Any) -> int:
        """See ``Family.frames``."""
        return int(model.required_frames)

    def makes_films(self, model: Any) -> bool:
        """See ``Family.makes_films``."""
        last = model.generator.conv_last if inherits(model.generator, _OF_STRIDES) else None
        return last is not None and int(last[-1].out_channels) > _COLORS

    def predict(self, model: Any, image: torch.Tensor, **beside: torch.Tensor) -> torch.Tensor:
        """See ``Family.predict``."""
        with scored_by(model, None):
            # CAIN takes the means away from what it was given
            return model(inputs=image.clone(), test_mode=True)["output"]

    def fed(self, data: Mapping[str, Any]) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
        """See ``Family.fed``."""
        return data["inputs"], {}

    def score(self, model: Any, outputs: Mapping[str, np.ndarray], data: Mapping[str, Any]) -> Dict[str, Any]:
        """See ``Family.score``."""
        scores: Dict[str, Any] = model.evaluate(torch.from_numpy(outputs["image"])[None], data["target"])
        return scores
