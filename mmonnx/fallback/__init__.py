"""mmcv's compiled operators on torchvision's kernels and plain torch, for machines without ``mmcv._ext``.

``ensure()`` makes ``mmcv._ext`` importable, and with it ``mmcv.ops``, mmdet and mmcls. A compiled module that loads is
left alone. Importing this package loads nothing: torch, torchvision and mmcv are imported by ``ensure()``.

In: tensors, as mmcv's operators take them. Out: theirs. Touched: ``sys.modules``, by ``ensure`` and ``serve`` alone.
"""

import contextlib
import importlib
import importlib.machinery
import sys
import types
import warnings
from typing import Any, Callable, Optional

from ..support import MissingOperatorError, alone, command_line, lazy

_KERNELS = {
    "border_align_forward": "border_align",
    "carafe_naive_forward": "carafe",
    "correlated": "correlation",
    "deform_roi_pool_forward": "deform_roi_pool",
    "first_numbers": "deform_conv",
    "greedy_rotated": "rotated",
    "ms_deform_attn_forward": "attention",
    "nms_by_index": "nms:nms",
    "nms_rotated_by_index": "rotated:nms_rotated",
    "psamask_forward": "psa_mask",
    "roi_align_rotated_forward": "rotated_align",
    "roi_pool_forward": "roi_pool",
    "rotated_feature_align_forward": "rotated_align",
    "smallest_rectangles": "point_sets",
    "turn_channels": "riroi_align",
}
"""What the rest of mmonnx calls by itself: it needs torch, which importing this package does not load."""

__all__ = ["active", "ensure", "serve", *_KERNELS]

__getattr__ = lazy(__name__, _KERNELS)

_NAME, _ATTENTION = "mmcv._ext", "MultiScaleDeformableAttention"
_FAMILIES = (
    "attention",
    "bbox",
    "bezier_align",
    "border_align",
    "carafe",
    "corner_pool",
    "correlation",
    "deform_conv",
    "deform_roi_pool",
    "focal_loss",
    "info",
    "masked_conv",
    "nms",
    "point_sets",
    "psa_mask",
    "riroi_align",
    "roi_align",
    "roi_pool",
    "rotated",
    "rotated_align",
    "rotated_filter",
    "text_regions",
    "tin_shift",
    "vertices",
)


class _Fallback(types.ModuleType):
    """The module that stands in for ``mmcv._ext``: it answers to any operator's name."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _missing(name)


def _missing(name: str) -> Callable[..., Any]:
    def operator(*args: Any, **kwargs: Any) -> None:
        import mmcv

        commands = (
            command_line("pip", "uninstall", "-y", "mmcv"),
            command_line("pip", "install", "setuptools<81"),
            command_line("pip", "install", "--no-build-isolation", "--no-cache-dir", f"mmcv-full=={mmcv.__version__}"),
        )
        raise MissingOperatorError(
            f"mmcv's operator '{name}' is compiled code that is not installed, and mmonnx has no replacement for it; "
            f"compile mmcv-full, with torch installed first: {' && '.join(commands)} "
            "(torch 2.14 and later: take '-std=c++17' out of its setup.py first)"
        )

    operator.__name__ = name
    return operator


def _reason_not_to_load() -> Optional[str]:
    """Import the compiled module: None when it loads, an empty string when there is none, else why it does not load."""
    import torch  # noqa: F401  (the compiled module needs torch's libraries in the process)

    importlib.import_module("mmcv")
    try:
        importlib.import_module(_NAME)
    except ModuleNotFoundError as error:
        return "" if error.name == _NAME else str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _install() -> None:
    for family in _FAMILIES:
        importlib.import_module(f"{__name__}.{family}")
    from .registry import OPERATORS

    module = _Fallback(_NAME, "mmcv's operators by mmonnx.fallback.")
    # mmcv.utils.check_ops_exist() asks the import system, which refuses a module without a spec.
    loader: Any = importlib.machinery.BuiltinImporter  # the class itself, as Python has it for modules of its own
    module.__spec__ = importlib.machinery.ModuleSpec(_NAME, loader)
    module.__dict__.update(OPERATORS)
    sys.modules[_NAME] = module
    sys.modules["mmcv"]._ext = module  # type: ignore[attr-defined]
    _repeat_attempt()


def _repeat_attempt() -> None:
    """Import what ``mmcv.cnn`` tried to import while there were no operators: mmdet takes it from there.

    Where ``mmcv.ops`` is being imported at this moment, the attempt is not over yet.
    """
    module = sys.modules.get("mmcv.cnn.bricks.transformer")
    if module is None or hasattr(module, _ATTENTION) or "mmcv.ops" in sys.modules:
        return
    with contextlib.suppress(ImportError, AttributeError):  # releases before 1.3.3 know no such operator
        home = importlib.import_module("mmcv.ops.multi_scale_deform_attn")
        setattr(module, _ATTENTION, getattr(home, _ATTENTION))


def active() -> bool:
    """Whether the fallback stands in for ``mmcv._ext`` in this process."""
    return isinstance(sys.modules.get(_NAME), _Fallback)


def ensure() -> str:
    """Make ``mmcv._ext`` importable; call it before anything that imports ``mmcv.ops``. Calling it again is harmless.

    Returns:
        "compiled" when mmcv's own compiled operators load, "fallback" when this package stands in for them.

    Raises:
        ModuleNotFoundError: mmcv, torch or torchvision is not installed.
    """
    if sys.modules.get(_NAME) is None:
        with alone():
            _load_or_install()
    return "fallback" if active() else "compiled"


def serve(plugin: bool) -> None:
    """Stand in for ``mmcv._ext`` whatever there is; the file that ``mmonnx patch`` adds to mmcv calls it.

    Args:
        plugin: leave mmonnx's plugin as it is. Otherwise only this import of mmonnx enabled it, which nobody asked
            for: it is disabled, and a config that names mmonnx will enable it as if it were the first to do so.

    Raises:
        ModuleNotFoundError: torchvision is not installed.
    """
    _install()
    if not plugin:
        importlib.import_module("mmonnx").disable()
        del sys.modules["mmonnx"]


def _load_or_install() -> None:
    if active():  # another thread was first
        return
    reason = _reason_not_to_load()
    if reason is None:
        return
    _install()
    if reason:
        warnings.warn(
            f"mmcv's compiled operators are installed but do not load, mmonnx's own are used instead ({reason}); "
            "compile mmcv-full again for this torch to have them back",
            stacklevel=3,
        )
