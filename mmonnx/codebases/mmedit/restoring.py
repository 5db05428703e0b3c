"""Restorers: one picture in, a larger one out, in RGB of 0 to 1."""

from typing import Any, Dict, Mapping, Tuple

import numpy as np
import torch

from ...support import InputError
from .family import Family, inherits, scored_by


class Restoring(Family):
    """Restorers of one picture."""

    name = "restorer"
    classes = ("restorers.basic_restorer.BasicRestorer",)
    shape = (128, 160)

    def key(self, model: Any) -> str:
        """See ``Family.key``."""
        return "lq"

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
                return model.img_denormalize(gt)  # type: ignore[no-any-return]  # mmedit has no types
        centred = any(inherits(model, path) for path in ("restorers.glean.GLEAN", "restorers.ttsr.TTSR"))
        return (gt + 1) / 2 if centred else gt
