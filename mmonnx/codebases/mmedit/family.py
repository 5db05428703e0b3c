"""What a family of mmedit's models is, by the classes that they inherit from.

A family knows what its models take beside the picture, what of a model is traced, and what upstream's own inference is
for the tensors of a batch.
"""

import sys
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Type, Union

import numpy as np
import torch
from torch import nn

from ...loading import Feeds
from ...runtime import EditedImage
from .pipelines import Step, Transforms, steps_of

Shape = Tuple[int, int]


class Family:
    """How the models of some classes are run.

    Attributes:
        name: mmedit's own tool has it as the type of a model.
        classes: dotted paths below ``mmedit.models``; a model is of the first family one of whose it inherits from.
        norm: the ``Normalize`` transform where no pipeline says, for values of 0 to 255.
        outputs: what the traced module gives, in order; the first one is compared.
        low, high: what is black, and what is white.
        rgb: whether red is the first channel of images, as mmedit's ``tensor2img`` takes them; else blue.
        keeps_size: what is made has the picture's size.
        of_films: the picture is a film, (N, T, C, H, W).
    """

    name = ""
    classes: Sequence[str] = ()
    norm: Mapping[str, Any] = {"mean": [0.0] * 3, "std": [255.0] * 3, "to_rgb": True}
    outputs: Sequence[str] = ("image",)
    low, high = 0.0, 1.0
    rgb = True
    keeps_size = True
    of_films = False

    def of(self, transforms: Transforms) -> "Family":
        """The same for the models of a test pipeline that says more."""
        return self

    def key(self, model: Any) -> str:
        """What test pipelines call the picture."""
        return ""

    def shape(self, model: Any) -> Shape:
        """(height, width) of the sample where nobody asks for one."""
        return 256, 256

    def divisor(self, model: Any) -> int:
        """What the sides of the pictures are multiples of."""
        return 1

    def frames(self, model: Any) -> int:
        """How many frames the sample of a film has."""
        return 1

    def makes_films(self, model: Any) -> bool:
        """Whether there is an image for each frame."""
        return False

    def beside(self, model: Any, images: Sequence[np.ndarray], shape: Shape) -> Feeds:
        """Sample inputs beside the picture, by name, for pictures that are brought to a size."""
        return {}

    def steps(self, model: Any, transforms: Transforms) -> Optional[List[Step]]:
        """How the picture is prepared, see ``runtime.pipeline``; None where a test pipeline does not say it."""
        return steps_of(transforms, self.key(model))

    def companions(self, model: Any, transforms: Transforms, steps: Sequence[Step]) -> Dict[str, Dict[str, Any]]:
        """How what is beside the picture is prepared, see ``runtime.companions``.

        Args:
            model: the model.
            transforms: a test pipeline's.
            steps: the picture's.
        """
        return {}

    def shown(self, image: torch.Tensor, beside: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """What of normalised pictures the network is to see."""
        return image

    def run(self, model: Any, image: torch.Tensor, **beside: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        """What is traced: the outputs, in order."""
        return (self.predict(model, image, **beside),)

    def predict(self, model: Any, image: torch.Tensor, **beside: torch.Tensor) -> torch.Tensor:
        """Upstream's own inference: (N, C, H, W) of what is compared."""
        raise NotImplementedError

    def fed(self, data: Mapping[str, Any]) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
        """The picture, and what is beside it, of a batch that upstream's loader gave."""
        raise NotImplementedError

    def score(self, model: Any, outputs: Mapping[str, np.ndarray], data: Mapping[str, Any]) -> Dict[str, Any]:
        """Upstream's own scores of one picture.

        Args:
            model: which has the metrics, see ``scored_by``.
            outputs: the file's, without the batch's axis.
            data: what upstream's loader gave.
        """
        raise NotImplementedError

    def edited(self, values: np.ndarray) -> EditedImage:
        """One image of a batch."""
        return EditedImage(values, self.low, self.high, self.rgb)


@contextmanager
def scored_by(model: Any, metrics: Optional[Sequence[str]]) -> Iterator[None]:
    """Let a model's tests give scores by some metrics inside the block, or images, where there are none of these."""
    names = [name for name in ("test_cfg", "eval_with_metrics") if hasattr(model, name)]
    before = {name: getattr(model, name) for name in names}
    settings = model.test_cfg
    wanted = list(metrics) if metrics else None
    model.test_cfg = None if settings is None else type(settings)({**settings, "metrics": wanted})
    if "eval_with_metrics" in before:
        model.eval_with_metrics = bool(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(model, name, value)


def stacked(rows: List[np.ndarray]) -> torch.Tensor:
    """(N, 1, H, W) float32 of maps (H, W)."""
    return torch.from_numpy(np.stack(rows)[:, None].astype(np.float32))


def inherits(model: Union[nn.Module, Type[Any]], path: str) -> bool:
    """Whether a model, or a class of them, is of a class by its path below ``mmedit.models``; nothing is imported."""
    module, _, name = path.rpartition(".")
    kind = getattr(sys.modules.get(f"mmedit.models.{module}"), name, None)
    return kind is not None and issubclass(model if isinstance(model, type) else type(model), kind)
