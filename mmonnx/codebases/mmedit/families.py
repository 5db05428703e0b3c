"""The families of mmedit's models that are known."""

from typing import Any, Optional, Sequence, Type, Union

from torch import nn

from .family import Family, inherits
from .filming import Filming
from .inpainting import Inpainting
from .interpolating import Interpolating
from .matting import Matting
from .referring import Referring
from .restoring import Continuous, Restoring
from .translating import Translating

FAMILIES: Sequence[Family] = (
    Inpainting(),
    Matting(),
    Translating(),
    Referring(),
    Continuous(),
    Interpolating(),
    Filming(),
    Restoring(),
)
"""In the order in which they are asked."""


def family_of(model: Union[nn.Module, Type[Any]]) -> Optional[Family]:
    """The family of a model, or of a class of them; None of one that is of none."""
    return next((one for one in FAMILIES if any(inherits(model, path) for path in one.classes)), None)
