"""Plain PyTorch. Nothing of OpenMMLab is needed."""

from typing import Optional

from ...loading import Blame, Codebase, LoadOptions, Task
from . import images
from .callables import is_callable_name


class PlainTorch(Codebase):
    """Models that a callable makes: ``package.module:callable``."""

    name = "torch"
    makes = "a model that a callable makes"
    default_shape = images.DEFAULT_SHAPE

    def takes(self, name: str) -> bool:
        """Whether it is of the form ``package.module:callable``."""
        return is_callable_name(name)

    def build(self, settings: str, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
        """Call what a name means and make the model a task; see ``Codebase.build``."""
        return images.build_task(self, settings, checkpoint, options)

    def text(self, settings: str) -> str:
        """There is not a config."""
        return ""

    def blame(self, name: str, settings: str, options: LoadOptions) -> Blame:
        """What to say where the model's own code fails."""
        return Blame(f"model {name!r}", "a model of images", "fix it, or --model-kwargs")
