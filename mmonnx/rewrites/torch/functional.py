"""Stand-ins for ``torch.nn.functional``."""

from typing import Any, Optional

import torch
from torch.nn import functional

from ...symbolics.grid_sampler import grid_sampler
from ..batched import divide
from ..context import ExportContext
from ..registry import rewrite


@rewrite("torch.nn.functional.adaptive_avg_pool2d")
def adaptive_avg_pool2d(context: ExportContext, original: Any, input: torch.Tensor, output_size: Any) -> torch.Tensor:
    """Pool to the size of another tensor of RoI features, which the tracer takes for an unknown one, or from any size.

    Args:
        input: (K, C, H, W).
        output_size: (h, w); taken as constant only where they divide H and W, as the sizes of RoI features do.
    """
    if not _is_traced(output_size):
        wanted = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
        if context.dynamic_size and any(value not in (None, 1) for value in wanted):
            return _pooled_from_any_size(input, *wanted)
        return original(input, output_size)
    size, wanted = [int(value) for value in input.shape[2:]], [int(value) for value in output_size]
    if any(have % want for have, want in zip(size, wanted)):
        return original(input, wanted)
    kernel = [have // want for have, want in zip(size, wanted)]
    return functional.avg_pool2d(input, kernel, kernel)


@rewrite("torch.nn.functional.adaptive_max_pool2d")
def adaptive_max_pool2d(
    context: ExportContext, original: Any, input: torch.Tensor, output_size: Any, return_indices: bool = False
) -> Any:
    """Pool (N, C, H, W) to the size (h, w) of another feature map, for any H and W: ONNX has it for no traced size."""
    if return_indices or not _is_traced(output_size):
        return original(input, output_size, return_indices)
    rows = input[:, :, _bins(input.shape[2], output_size[0])].max(3)[0]
    return rows[:, :, :, _bins(input.shape[3], output_size[1])].max(4)[0]


def _pooled_from_any_size(input: torch.Tensor, height: Optional[int], width: Optional[int]) -> torch.Tensor:
    """The means of the bins of each axis, by matrices; ONNX has windows for known sizes alone."""
    if height is not None:
        input = torch.matmul(_shares(input.shape[2], height).to(input), input)
    if width is not None:
        input = torch.matmul(input, _shares(input.shape[3], width).to(input).t())
    return input


def _shares(size: torch.Tensor, bins: int) -> torch.Tensor:
    """(bins, size) float32, what each place of an axis adds to each bin's mean, as torch divides the axis."""
    number, place = torch.arange(bins), torch.arange(size)
    first, end = divide(number * size, bins), divide((number + 1) * size + bins - 1, bins)
    inside = (place >= first[:, None]) & (place < end[:, None])
    return inside.float() / (end - first)[:, None].float()


def _is_traced(size: Any) -> bool:
    return isinstance(size, (tuple, list)) and any(isinstance(value, torch.Tensor) for value in size)


def _bins(size: torch.Tensor, bins: torch.Tensor) -> torch.Tensor:
    """The indices in each bin of an axis, as torch divides it: (bins, longest) int64, the last one repeated."""
    number = torch.arange(bins)
    first = divide(number * size, bins)
    last = divide((number + 1) * size - 1, bins)
    index = first[:, None] + torch.arange((last - first).max() + 1)
    return torch.where(index < last[:, None], index, last[:, None])


@rewrite("torch.nn.functional.grid_sample")
def grid_sample(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    grid: torch.Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: Optional[bool] = None,
) -> torch.Tensor:
    """Sample (N, C, H, W) maps at (N, h, w, 2) places, at opsets that have no such operator too."""
    return grid_sampler(input, grid, mode, padding_mode, align_corners)
