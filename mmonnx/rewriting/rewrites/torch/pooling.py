"""Stand-ins for adaptive pooling; ONNX has windows for sizes alone that are known and divided."""

from typing import Any, Callable, Sequence, Tuple

import torch
from torch.nn import functional

from ..batched import divide
from ..context import ExportContext
from ..registry import rewrite
from ..sizes import is_traced


@rewrite("torch.adaptive_avg_pool1d")
@rewrite("torch.nn.functional.adaptive_avg_pool1d")
def adaptive_avg_pool1d(context: ExportContext, original: Any, input: torch.Tensor, output_size: Any) -> torch.Tensor:
    """Pool ([N,] C, L) to (l,), for any L."""
    return _pooled(context, original, input, _whole(output_size, 1), _mean)


@rewrite("torch.nn.functional.adaptive_avg_pool2d")
def adaptive_avg_pool2d(context: ExportContext, original: Any, input: torch.Tensor, output_size: Any) -> torch.Tensor:
    """Pool to the size of another tensor of RoI features, which the tracer takes for an unknown one, or from any size.

    Args:
        input: ([K,] C, H, W).
        output_size: (h, w); taken as constant only where they divide H and W, as the sizes of RoI features do.
    """
    if not is_traced(output_size):
        return _pooled(context, original, input, _whole(output_size, 2), _mean)
    wanted = [int(value) for value in output_size]
    if not _divides(wanted, input):
        return original(input, wanted)
    kernel = [int(have) // want for have, want in zip(input.shape[2:], wanted)]
    return functional.avg_pool2d(input, kernel, kernel)


@rewrite("torch.nn.functional.adaptive_avg_pool3d")
def adaptive_avg_pool3d(context: ExportContext, original: Any, input: torch.Tensor, output_size: Any) -> torch.Tensor:
    """Pool ([N,] C, D, H, W) to (d, h, w), for any D, H and W."""
    return _pooled(context, original, input, _whole(output_size, 3), _mean)


@rewrite("torch.nn.functional.adaptive_max_pool1d")
def adaptive_max_pool1d(
    context: ExportContext, original: Any, input: torch.Tensor, output_size: Any, return_indices: bool = False
) -> Any:
    """Pool ([N,] C, L) to (l,), for any L; places of the maxima as torch's exporter gives them."""
    return _max_pooled(context, original, input, output_size, return_indices, 1)


@rewrite("torch.nn.functional.adaptive_max_pool2d")
def adaptive_max_pool2d(
    context: ExportContext, original: Any, input: torch.Tensor, output_size: Any, return_indices: bool = False
) -> Any:
    """Pool ([N,] C, H, W) to (h, w), for any H and W; places of the maxima as torch's exporter gives them."""
    return _max_pooled(context, original, input, output_size, return_indices, 2)


@rewrite("torch.nn.functional.adaptive_max_pool3d")
def adaptive_max_pool3d(
    context: ExportContext, original: Any, input: torch.Tensor, output_size: Any, return_indices: bool = False
) -> Any:
    """Pool ([N,] C, D, H, W) to (d, h, w), for any D, H and W; places of the maxima as torch's exporter gives them."""
    return _max_pooled(context, original, input, output_size, return_indices, 3)


def _max_pooled(
    context: ExportContext, original: Any, input: torch.Tensor, output_size: Any, return_indices: bool, axes: int
) -> Any:
    """The maxima of the last axes."""
    if return_indices:
        return original(input, output_size, return_indices)
    return _pooled(context, original, input, _whole(output_size, axes), _maximum)


def _whole(size: Any, axes: int) -> Tuple[Any, ...]:
    """A size for each axis; None for one that stays as long as it is."""
    return tuple(size) if isinstance(size, (tuple, list)) else (size,) * axes


def _pooled(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    wanted: Sequence[Any],
    pool: Callable[[torch.Tensor, int, Any], torch.Tensor],
) -> torch.Tensor:
    """Pool the last axes, one after the other where torch's exporter cannot pool them to these sizes at once."""
    known = not is_traced(wanted) and None not in wanted
    if known and (set(wanted) == {1} or not context.dynamic_size and _divides(wanted, input)):
        return original(input, wanted)
    for axis, want in zip(range(input.dim() - len(wanted), input.dim()), wanted):
        if want is not None:
            input = pool(input, axis, want)
    return input


def _divides(wanted: Sequence[Any], input: torch.Tensor) -> bool:
    """Whether a map has a whole number of places for each of the sizes of its last axes."""
    return all(int(have) % int(want) == 0 for have, want in zip(input.shape[-len(wanted) :], wanted))


def _mean(input: torch.Tensor, axis: int, bins: Any) -> torch.Tensor:
    """The means of an axis's bins, by a matrix where there are several."""
    if not is_traced(bins) and bins == 1:
        return input.mean(axis, keepdim=True)
    shares = _shares(input.shape[axis], bins).to(input)
    return torch.matmul(input.transpose(axis, -1), shares.t()).transpose(axis, -1)


def _maximum(input: torch.Tensor, axis: int, bins: Any) -> torch.Tensor:
    """The greatest values of an axis's bins."""
    if not is_traced(bins) and bins == 1:
        return input.max(axis, keepdim=True)[0]
    index = (slice(None),) * axis + (_bins(input.shape[axis], bins),)
    return input[index].max(axis + 1)[0]


def _shares(size: torch.Tensor, bins: int) -> torch.Tensor:
    """(bins, size) float32, what each place of an axis adds to each bin's mean, as torch divides the axis."""
    number, place = torch.arange(bins), torch.arange(size)
    first, end = divide(number * size, bins), divide((number + 1) * size + bins - 1, bins)
    inside = (place >= first[:, None]) & (place < end[:, None])
    return inside.float() / (end - first)[:, None].float()


def _bins(size: torch.Tensor, bins: Any) -> torch.Tensor:
    """The indices in each bin of an axis, as torch divides it: (bins, longest) int64, the last one repeated."""
    number = torch.arange(bins)
    first = divide(number * size, bins)
    last = divide((number + 1) * size - 1, bins)
    index = first[:, None] + torch.arange((last - first).max() + 1)
    return torch.where(index < last[:, None], index, last[:, None])
