"""Where the tests get the operators from: the fallback's table, without installing it, and the compiled module."""

import importlib
import types
from typing import Any, List

import pytest
import torch

import mmonnx.fallback as fallback


def ours() -> types.SimpleNamespace:
    """The fallback's operators, whatever serves as ``mmcv._ext``."""
    for family in fallback._FAMILIES:
        importlib.import_module(f"mmonnx.fallback.{family}")
    from mmonnx.fallback.registry import OPERATORS

    return types.SimpleNamespace(**OPERATORS)


def compiled() -> Any:
    """mmcv's compiled module, or None where it is not installed or does not load."""
    if fallback.active():
        return None
    try:
        importlib.import_module("mmcv")
        return importlib.import_module("mmcv._ext")
    except (ImportError, OSError):
        return None


def both() -> List[Any]:
    """Parameters for a test that runs with the fallback and, where it is there, with the compiled module."""
    reason = "mmcv's compiled operators are not installed (make test-compiled)"
    skip = pytest.mark.skipif(compiled() is None, reason=reason)
    return [pytest.param(ours(), id="fallback"), pytest.param(compiled(), id="compiled", marks=skip)]


needs_compiled = pytest.mark.skipif(
    compiled() is None, reason="mmcv's compiled operators are not installed (make test-compiled)"
)


def boxes(count: int, seed: int, extent: float = 40.0, least: float = 1.0) -> torch.Tensor:
    """(count, 4) upright boxes of many sizes that overlap a lot."""
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand((count, 2), generator=generator) * extent
    return torch.cat((low, low + least + torch.rand((count, 2), generator=generator) * extent / 2), 1)


def rois(count: int, batch: int, seed: int, extent: float = 40.0, least: float = 1.0) -> torch.Tensor:
    """(count, 5) RoIs over the images of a batch."""
    images = torch.arange(count).remainder(batch).float()[:, None]
    return torch.cat((images, boxes(count, seed, extent, least)), 1)


def randn(*shape: int, seed: int) -> torch.Tensor:
    """Normally distributed values of their own seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
