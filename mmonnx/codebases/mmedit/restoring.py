"""Restorers: one picture in, a larger one out, in RGB of 0 to 1."""

from typing import Any, Dict, Mapping, Sequence, Tuple

import numpy as np
import torch

from ...support import InputError
from .family import Family, Shape, inherits, scored_by
from .pipelines import Transforms

_OF_FACES = 16
"""The side of the pictures that DIC knows, whose heat maps have one size."""


class Restoring(Family):
    """Restorers of one picture."""

    name = "restorer"
    classes: Sequence[str] = ("restorers.basic_restorer.BasicRestorer",)
    keeps_size = False

    def key(self, model: Any) -> str:
        """See ``Family.key``."""
        return "lq"

    def shape(self, model: Any) -> Shape:
        """See ``Family.shape``; what is restored becomes several times as large. Some are of faces of one size."""
        side = _OF_FACES if inherits(model, "restorers.dic.DIC") else getattr(model.generator, "in_size", None)
        return (side, side) if side else (96, 128)

    def predict(self, model: Any, image: torch.Tensor, **beside: torch.Tensor) -> torch.Tensor:
        """See ``Family.predict``."""
        with scored_by(model, None):
            return model(lq=image, test_mode=True)["output"]

    def fed(self, data: Mapping[str, Any]) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
        """See ``Family.fed``."""
        return data["lq"], {}

    def score(self, model: Any, outputs: Mapping[str, np.ndarray], data: Mapping[str, Any]) -> Dict[str, Any]:
        """See ``Family.score``.

        Raises:
            InputError: the test set has no ground truth.
        """
        if "gt" not in data:
            raise InputError("the test set has no ground truth", "gt beside lq", "give a config whose test set has it")
        scores: Dict[str, Any] = model.evaluate(torch.from_numpy(outputs["image"])[None], self.truth(model, data))
        return scores

    def truth(self, model: Any, data: Mapping[str, Any]) -> torch.Tensor:
        """The ground truth (1, C, H, W), as upstream has it beside its own output."""
        gt: torch.Tensor = data["gt"]
        if inherits(model, "restorers.dic.DIC"):
            with torch.no_grad():
                return model.img_denormalize(gt)
        centred = any(inherits(model, path) for path in ("restorers.glean.GLEAN", "restorers.ttsr.TTSR"))
        return (gt + 1) / 2 if centred else gt


class Continuous(Restoring):
    """LIIF, whose pictures become any number of times as large: as many times as the test pipeline says.

    Args:
        scale: how many times as high and as wide.
    """

    classes = ("restorers.liif.LIIF",)

    def __init__(self, scale: int = 4) -> None:
        self._scale = scale

    def of(self, transforms: Transforms) -> Family:
        """See ``Family.of``.

        Raises:
            InputError: it does not become a whole number of times as large.
        """
        steps = [one for one in transforms if one["type"] == "GenerateCoordinateAndCell" and one.get("scale")]
        scale = steps[0]["scale"] if steps else self._scale
        if int(scale) != scale:
            raise InputError(f"pictures are to become {scale} times as large", "a whole number", "change the pipeline")
        return Continuous(int(scale))

    def run(self, model: Any, image: torch.Tensor, **beside: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        """See ``Family.run``."""
        mean, std = model.lq_mean.to(image), model.lq_std.to(image)
        places, cells = self._queries(image)
        colours = model.generator((image - mean) / std, places, cells, test_mode=True)
        colours = (colours * model.gt_std.to(image) + model.gt_mean.to(image)).clamp(0, 1)
        height, width = (side * self._scale for side in image.shape[2:])
        return (colours.reshape(image.shape[0], height, width, 3).permute(0, 3, 1, 2),)

    def predict(self, model: Any, image: torch.Tensor, **beside: torch.Tensor) -> torch.Tensor:
        """See ``Family.predict``."""
        places, cells = self._queries(image)
        with scored_by(model, None):
            return model(lq=image, gt=None, coord=places, cell=cells, test_mode=True)["output"]

    def truth(self, model: Any, data: Mapping[str, Any]) -> torch.Tensor:
        """See ``Restoring.truth``; the test pipeline has the picture's pixels in one row."""
        height, width = (side * self._scale for side in data["lq"].shape[2:])
        gt: torch.Tensor = data["gt"]
        return gt.reshape(1, height, width, 3).permute(0, 3, 1, 2)

    def _queries(self, image: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """Where the pixels of the larger picture are, (N, Q, 2) from -1 to 1, and how large they are, (N, Q, 2)."""
        sides = []
        for side in image.shape[2:]:
            size = side * self._scale
            step = torch.ones(2, device=image.device) / size
            sides.append((torch.arange(size, device=image.device).to(image) * 2 * step[0] + step[0] - 1, 2 * step[0]))
        (rows, high), (columns, wide) = sides
        places = torch.stack(torch.meshgrid(rows, columns), -1).reshape(1, -1, 2)
        cells = torch.ones_like(places) * torch.stack([high, wide])
        number = image.shape[0]
        return places.expand(number, -1, -1), cells.expand(number, -1, -1)
