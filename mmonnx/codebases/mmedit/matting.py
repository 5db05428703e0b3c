"""Mattors: a picture and a trimap in, an alpha matte out."""

from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
import torch
from torch import nn

from ...loading import Feeds
from . import samples
from .family import Family, Shape, inherits, scored_by, stacked
from .pipelines import Step, Transforms, geometry_of

_KNOWN = (0.0, 128.0, 255.0)
"""What a trimap holds: where nothing is, where it is not known, where all is."""
_COLORS = 3


class Matting(Family):
    """Mattors; (N, 1, H, W) ``trimap`` as in its file: the network's own form of it is made in the graph."""

    name = "mattor"
    classes = ("mattors.base_mattor.BaseMattor",)
    norm = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "to_rgb": True}
    outputs = ("alpha", "alpha_raw")

    def key(self, model: Any) -> str:
        """See ``Family.key``."""
        return "merged"

    def divisor(self, model: Any) -> int:
        """See ``Family.divisor``; upstream's test pipelines fill pictures up to these, or resize them."""
        return 32

    def beside(self, model: Any, images: Sequence[np.ndarray], shape: Shape) -> Feeds:
        """See ``Family.beside``."""
        return {"trimap": stacked([samples.trimap(number, shape) for number in range(len(images))])}

    def companions(self, model: Any, transforms: Transforms, steps: Sequence[Step]) -> Dict[str, Dict[str, Any]]:
        """See ``Family.companions``."""
        return {"trimap": {"of": "trimap", "read": "trimap", "steps": geometry_of(steps, "nearest")}}

    def run(self, model: Any, image: torch.Tensor, **beside: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        """See ``Family.run``."""
        trimap = beside["trimap"]
        raw = _alpha(model, torch.cat((image, _as_taken(model, trimap)), 1))
        alpha = torch.where(trimap == _KNOWN[0], torch.zeros_like(raw), raw.clamp(0, 1))
        return torch.where(trimap == _KNOWN[2], torch.ones_like(raw), alpha), raw

    def predict(self, model: Any, image: torch.Tensor, **beside: torch.Tensor) -> torch.Tensor:
        """See ``Family.predict``; upstream takes one picture at a time."""
        found: List[torch.Tensor] = []
        with scored_by(model, None):
            for picture, trimap in zip(image, beside["trimap"]):
                meta: Dict[str, Any] = {"ori_trimap": trimap[0].cpu().numpy(), "merged_ori_shape": picture.shape[1:]}
                taken = _as_taken(model, trimap[None])
                found.append(torch.from_numpy(model.forward_test(picture[None], taken, [meta])["pred_alpha"]))
        return torch.stack(found)[:, None]

    def fed(self, data: Mapping[str, Any]) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
        """See ``Family.fed``."""
        taken: torch.Tensor = data["trimap"]
        if taken.shape[1] > 1:
            return data["merged"], {"trimap": (taken * taken.new_tensor(_KNOWN)[:, None, None]).sum(1, keepdim=True)}
        return data["merged"], {"trimap": (taken * _KNOWN[2]).round()}

    def score(self, model: Any, outputs: Mapping[str, np.ndarray], data: Mapping[str, Any]) -> Dict[str, Any]:
        """See ``Family.score``."""
        alpha = model.restore_shape(outputs.get("alpha_raw", outputs["alpha"])[0], data["meta"])
        scores: Dict[str, Any] = model.evaluate(alpha, data["meta"])
        return scores


def _as_taken(model: nn.Module, trimap: torch.Tensor) -> torch.Tensor:
    """A trimap (N, 1, H, W) as a model takes it: a channel for each of its three values, or one of 0 to 1."""
    first = next(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
    if first.in_channels > _COLORS + 1:
        return torch.cat([(trimap == value).to(trimap) for value in _KNOWN], 1)
    return trimap / _KNOWN[2]


def _alpha(model: Any, image: torch.Tensor) -> torch.Tensor:
    """What a model predicts, before it is clipped and before the trimap counts."""
    if inherits(model, "mattors.dim.DIM"):
        refine = model.test_cfg.refine
        return model._forward(image, refine)[int(refine)]
    return model._forward(image) if inherits(model, "mattors.gca.GCA") else model.backbone(image)
