"""What upstream's tools do after the export, fixed: simplifying the file, and verifying it without a GPU."""

import os
import sys
from functools import partial
from types import ModuleType
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
import onnx
import torch
from torch.nn import functional

from ...graph import simplify, with_defaults
from ...loading import Task, second_shape
from ...runtime import Detections, Scores, placing
from ...verifying import Tolerances, difference, match

_TOOL = os.path.join("deployment", "pytorch2onnx.py")
_TOOLS = Tolerances(box=0.1, score=1e-3)
"""About what mmdet's tool allows itself, 1e-3 of each value: it does not ask how far PyTorch is from itself."""
_undo: List[Tuple[Any, str, Any]] = []


def fix(model: onnx.ModelProto, path: str, image: torch.Tensor, task: Optional[Task]) -> None:
    """Fix what follows the export of a file.

    ``onnxsim.simplify`` of that very file gives a model that was run and compared: some versions of onnxsim break it,
    and take other arguments than the tools know. In upstream's tool itself, what it verifies with is compared as mmonnx
    compares, and on a machine without CUDA the images that it puts onto a GPU stay where they are. All of it stays
    until the plugin is disabled.

    Args:
        model: what is in the file, but for defaults of inputs: simplifiers would take them for constants.
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
    main = sys.modules["__main__"]
    if not str(getattr(main, "__file__", "")).endswith(_TOOL):
        return
    if getattr(main, "np", None) is np:
        _set(main, "np", _Comparing("numpy"))
    if not torch.cuda.is_available():
        _set(torch.Tensor, "cuda", lambda self, *args, **kwargs: self)


class _Comparing(ModuleType):
    """NumPy for upstream's tools, which compare to the last roundings, and detections in the order of their scores."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @property
    def testing(self) -> Any:
        """Where mmdet's tool finds what it compares with."""
        return self

    @staticmethod
    def allclose(expected: Any, actual: Any) -> bool:
        """Whether (num_classes,) probabilities are the same as (1, num_classes) ones."""
        expected = np.asarray(expected)
        return match(Scores(expected), Scores(np.reshape(actual, expected.shape))).ok

    @staticmethod
    def assert_allclose(actual: Any, expected: Any, err_msg: str = "", **tolerances: float) -> None:
        """Refuse one class's detections (n, 5) that differ in whatever order, or its masks n x (H, W) in this order.

        Raises:
            AssertionError: they do.
        """
        if isinstance(expected, np.ndarray):
            results = (Detections(rows, np.zeros(len(rows), np.int64)) for rows in (expected, actual))
            found = match(*results, tolerances=_TOOLS)
            assert found.ok, f"{err_msg} {found.unmatched[0]}"
            return
        assert len(actual) == len(expected), f"{err_msg} {len(actual)} masks of {len(expected)}"
        for left, right in zip(np.asarray(actual, bool), np.asarray(expected, bool)):
            allowed = max(_TOOLS.mask_pixels, _TOOLS.mask_share * np.count_nonzero(left | right))
            assert np.count_nonzero(left != right) <= allowed, err_msg


def undo() -> None:
    """Take the fixes out again."""
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
        result = simplify(model, _feeds(model, image, task), agree)
        return with_defaults(result.model, task.optional if task else {}), result.tool is not None

    return simplify_checked


def _feeds(model: onnx.ModelProto, image: torch.Tensor, task: Optional[Task]) -> List[Dict[str, np.ndarray]]:
    """The input that was exported with, and where the file takes one, another size; padded if it takes that."""
    entry, images = model.graph.input[0], [image]
    if all(dim.dim_param for dim in entry.type.tensor_type.shape.dim[2:]):
        other = second_shape((int(image.shape[2]), int(image.shape[3])))
        images.append(functional.interpolate(image, size=other, mode="bilinear", align_corners=False))
    return [
        {entry.name: value.cpu().numpy(), **placing(list(task.optional) if task else (), _half(value.shape[2:]))}
        for value in images
    ]


def _half(size: Sequence[int]) -> Tuple[int, int]:
    """(height, width) of a part of an image that does not end where a cell of the pyramid does."""
    return size[0] // 2 + 1, size[1] // 2 + 1


def _close(expected: Dict[str, np.ndarray], actual: Dict[str, np.ndarray]) -> Optional[str]:
    """What differs between outputs of which nothing more is known."""
    for name, value in expected.items():
        if value.shape != actual[name].shape or not np.allclose(value, actual[name], rtol=1e-3, atol=1e-3):
            return f"its {name} are others"
    return None
