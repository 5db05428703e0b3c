"""What upstream's tools do after the export, mended: simplifying the file, and verifying it without a GPU."""

import os
import sys
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np
import onnx
import torch
from torch.nn import functional

from ..codebases.base import Task
from ..codebases.images import second_shape
from ..graph.simplify import simplify
from ..verify import difference

_TOOL = os.path.join("deployment", "pytorch2onnx.py")
_undo: List[Tuple[Any, str, Any]] = []


def mend(model: onnx.ModelProto, path: str, image: torch.Tensor, task: Optional[Task]) -> None:
    """Mend what follows the export of a file.

    ``onnxsim.simplify`` of that very file gives a model that was run and compared: some versions of onnxsim break it,
    and take other arguments than the tools know. In upstream's tool itself, on a machine without CUDA, the images that
    it puts onto a GPU stay where they are. All of it stays until the plugin is disabled.

    Args:
        model: what is in the file.
        path: of the file.
        image: the network's input that it was exported with, (N, 3, H, W).
        task: what was traced, None if it went upstream's way.
    """
    undo()
    try:
        import onnxsim
    except ImportError:  # then nobody can call it
        pass
    else:
        _set(onnxsim, "simplify", _simplifier(onnxsim.simplify, model, path, image.detach(), task))
    main = str(getattr(sys.modules.get("__main__"), "__file__", ""))
    if main.endswith(_TOOL) and not torch.cuda.is_available():
        _set(torch.Tensor, "cuda", lambda self, *args, **kwargs: self)


def undo() -> None:
    """Take the mends out again."""
    while _undo:
        setattr(*_undo.pop())


def _set(owner: Any, name: str, value: Any) -> None:
    _undo.append((owner, name, getattr(owner, name)))
    setattr(owner, name, value)


def _simplifier(
    original: Callable[..., Any], model: onnx.ModelProto, path: str, image: torch.Tensor, task: Optional[Task]
) -> Callable[..., Any]:
    def simplify_checked(source: Any, *args: Any, **kwargs: Any) -> Tuple[onnx.ModelProto, bool]:
        if not isinstance(source, (str, os.PathLike)) or os.path.abspath(source) != os.path.abspath(path):
            return original(source, *args, **kwargs)
        agree = _close if task is None else partial(difference, task)
        result = simplify(model, _feeds(model, image), agree)
        return result.model, result.tool is not None

    return simplify_checked


def _feeds(model: onnx.ModelProto, image: torch.Tensor) -> List[Dict[str, np.ndarray]]:
    """The input that was exported with, and where the file takes one, another size."""
    (entry,) = model.graph.input
    images = [image]
    if all(dim.dim_param for dim in entry.type.tensor_type.shape.dim[2:]):
        other = second_shape((int(image.shape[2]), int(image.shape[3])))
        images.append(functional.interpolate(image, size=other, mode="bilinear", align_corners=False))
    return [{entry.name: value.cpu().numpy()} for value in images]


def _close(expected: Dict[str, np.ndarray], actual: Dict[str, np.ndarray]) -> Optional[str]:
    """What differs between outputs of which nothing more is known."""
    for name, value in expected.items():
        if value.shape != actual[name].shape or not np.allclose(value, actual[name], rtol=1e-3, atol=1e-3):
            return f"its {name} are others"
    return None
