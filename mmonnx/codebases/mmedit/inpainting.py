"""Inpaintors: a picture without what a mask leaves out, and the mask, in; the picture with that filled in out."""

from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
import torch
from torch import nn

from ...loading import Feeds
from . import samples
from .family import Family, Shape, inherits, scored_by, stacked
from .pipelines import Step, Transforms

_PARTIAL = "inpaintors.pconv_inpaintor.PConvInpaintor"
_OF_SEVERAL = ("inpaintors.two_stage.TwoStageInpaintor", _PARTIAL)
_DIVISOR = 32


class Inpainting(Family):
    """Inpaintors; (N, 1, H, W) ``mask`` is 1 where something is to be filled in, and the picture is 0 there."""

    name = "inpainting"
    classes = ("inpaintors.one_stage.OneStageInpaintor",)
    norm = {"mean": [127.5] * 3, "std": [127.5] * 3, "to_rgb": False}
    low, high = -1.0, 1.0
    rgb = False

    def divisor(self, model: Any) -> int:
        """See ``Family.divisor``; upstream's ``inpainting_inference`` fills pictures up to 32.

        A network of partial convolutions halves its maps more often, and takes no others.
        """
        encoder = getattr(model.generator, "encoder", None)
        return max(_DIVISOR, 2 ** getattr(encoder, "num_layers", 0)) if inherits(model, _PARTIAL) else _DIVISOR

    def beside(self, model: Any, images: Sequence[np.ndarray], shape: Shape) -> Feeds:
        """See ``Family.beside``."""
        return {"mask": stacked([samples.mask(number, shape) for number in range(len(images))])}

    def steps(self, model: Any, transforms: Transforms) -> List[Step]:
        """See ``Family.steps``; upstream's ``inpainting_inference`` has the same ones for all models."""
        return [self._filled_up(model), {"type": "normalize", **self.norm}]

    def companions(self, model: Any, transforms: Transforms, steps: Sequence[Step]) -> Dict[str, Dict[str, Any]]:
        """See ``Family.companions``."""
        return {"mask": {"of": "mask", "read": "mask", "steps": [self._filled_up(model)]}}

    def _filled_up(self, model: Any) -> Step:
        return {"type": "pad", "divisor": self.divisor(model), "value": 0.0, "mode": "reflect"}

    def shown(self, image: torch.Tensor, beside: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """See ``Family.shown``."""
        return image * (1 - beside["mask"])

    def predict(self, model: Any, image: torch.Tensor, **beside: torch.Tensor) -> torch.Tensor:
        """See ``Family.predict``."""
        with scored_by(model, None):
            return model.forward_test(masked_img=image, mask=beside["mask"])["fake_img"]

    def fed(self, data: Mapping[str, Any]) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
        """See ``Family.fed``."""
        return data["masked_img"], {"mask": data["mask"]}

    def score(self, model: Any, outputs: Mapping[str, np.ndarray], data: Mapping[str, Any]) -> Dict[str, Any]:
        """See ``Family.score``; upstream's test runs with the file's image for what its generator makes."""
        image = torch.from_numpy(outputs["image"])[None]
        own, model.generator = model.generator, _Given(model, image)
        try:
            scores: Dict[str, Any] = model.forward_test(**data)["eval_result"]
        finally:
            model.generator = own
        return scores


class _Given(nn.Module):
    """Gives an image in the place of a generator, as an inpaintor's generator gives its own."""

    def __init__(self, model: Any, image: torch.Tensor) -> None:
        super().__init__()
        several = any(inherits(model, path) for path in _OF_SEVERAL)
        self._found = (image, image) if several else image

    def forward(self, *inputs: torch.Tensor) -> Any:
        """The image, twice where a generator gives a second one or a mask."""
        return self._found
