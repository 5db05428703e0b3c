"""MMPretrain 1.x."""

import importlib
import sys
from typing import Any, Optional

from torch import nn

from ...environment import compat
from ...loading import LoadOptions, Task
from ...support import InputError
from ..mmcls import ClassifierCodebase
from .toolbox import Second

_OF_PICTURES = ("BaseClassifier", "BaseRetriever", "BaseSelfSupervisor")
"""What the models inherit from whose input is pictures alone, in ``mmpretrain.models``."""


class MMPretrain(ClassifierCodebase):
    """MMPretrain 1.x. Its stand-ins are in ``rewriting/rewrites/mmpretrain``, and for what mmcls had, in ``mmcls``."""

    name = package = "mmpretrain"
    makes = "a model of mmpretrain"
    toolbox = Second()

    def owns(self, settings: Any) -> bool:
        """Whether mmpretrain has the config's model, or it inherits from one of its base classes."""
        found = (
            compat.model_type(self.package, "MODELS", settings.model.type) if compat.is_second_generation() else None
        )
        return found is not None and (_is_of_pictures(found) or str(found.__module__).startswith(f"{self.package}."))

    def owns_model(self, model: nn.Module) -> bool:
        """Whether it inherits from one of mmpretrain's base classes."""
        return _is_of_pictures(type(model))

    def build(self, settings: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
        """Build the model of a config and make it a task; see ``Codebase.build``.

        Raises:
            InputError: it takes more than pictures.
        """
        name = settings.model.type
        if not _is_of_pictures(compat.model_type(self.package, "MODELS", name)):
            raise InputError(
                f"{title} is {compat.kind_of(name)!r}, a model of pictures and text: its inference reads or "
                "writes sentences, word after word",
                "a model of pictures alone: a classifier, a retriever or a self-supervised one",
                "export a part of it: give its vision backbone to mmonnx.export",
            )
        return super().build(settings, title, checkpoint, options)

    def evaluator(self) -> Any:
        """Probabilities as mmpretrain's metrics evaluate them."""
        return importlib.import_module(f"{__package__}.evaluation").SampleClassifierEvaluator()


def _is_of_pictures(kind: Any) -> bool:
    """Whether a class inherits from one of mmpretrain's base classes; nobody has one who has not imported it."""
    models = sys.modules.get("mmpretrain.models")
    bases = () if models is None else tuple(getattr(models, name) for name in _OF_PICTURES)
    return isinstance(kind, type) and issubclass(kind, bases)
