"""What happens when somebody calls ``torch.onnx.export`` on a model of OpenMMLab's while the plugin is enabled.

This module imports nothing but the standard library until then.
"""

import functools
import sys
from typing import Any, Callable, Protocol, cast

from . import supported

_MODELS = (
    ("mmdet.models.detectors.base", "BaseDetector"),
    ("mmcls.models.classifiers.base", "BaseClassifier"),
    ("mmpose.models.detectors.base", "BasePose"),
    ("mmseg.models.segmentors.base", "BaseSegmentor"),
    ("mmedit.models.base", "BaseModel"),
    ("mmaction.models.recognizers.base", "BaseRecognizer"),
    ("mmaction.models.localizers.base", "BaseTAPGenerator"),
)


class _Exporter(Protocol):
    """An exporter that goes mmonnx's way while it is enabled."""

    enabled: bool

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


def wrap(original: Callable[..., Any]) -> _Exporter:
    """The exporter that takes the place of ``torch.onnx.export``: for any other model it is the original."""

    @functools.wraps(original)
    def export(*args: Any, **kwargs: Any) -> Any:
        model = args[0] if args else kwargs.get("model")
        if not wrapped.enabled or not _is_upstream(model):
            return original(*args, **kwargs)
        from . import upstream

        return upstream.export(original, *args, **kwargs)

    wrapped = cast(_Exporter, export)
    wrapped.enabled = True
    return wrapped


def undo_fixes() -> None:
    """Take back what an export has changed for the rest of upstream's tool, if there was one."""
    tool = sys.modules.get(f"{__package__}.tool")
    if tool is not None:
        tool.undo()


def _is_upstream(model: Any) -> bool:
    """Whether it is a model of these toolboxes, of a supported release; where none is imported, nothing is."""
    for module, name in _MODELS:
        base = getattr(sys.modules.get(module), name, None)
        if base is not None and isinstance(model, base):
            return supported.problem(module.split(".")[0]) is None
    return False
