"""Stand-ins for ``torch.nn.functional``."""

from typing import Any, Optional, Tuple

import torch
from torch.nn import functional

from ...symbolics import grid_sampler
from ..batched import divide
from ..context import ExportContext
from ..registry import rewrite
from ..resizing import KINDS, resize_by


def _pair(size: Any) -> Tuple[Any, Any]:
    return tuple(size) if isinstance(size, (tuple, list)) else (size, size)


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


@rewrite("torch.nn.functional.interpolate")
def interpolate(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: Optional[bool] = None,
    recompute_scale_factor: Optional[bool] = None,
    **kwargs: Any,
) -> torch.Tensor:
    """Resize (N, C, ...) maps by factors that are traced as well.

    ``nearest-exact``, which torch's exporter has not, goes by the index of each place.
    """
    factors = scale_factor if isinstance(scale_factor, (tuple, list)) else [scale_factor] * (input.dim() - 2)
    traced = any(isinstance(factor, torch.Tensor) for factor in factors) and torch.jit.is_tracing()
    if traced and mode in KINDS and not recompute_scale_factor:
        return resize_by(input, factors, mode, align_corners)
    if mode != "nearest-exact" or not torch.jit.is_tracing():
        return original(input, size, scale_factor, mode, align_corners, recompute_scale_factor, **kwargs)
    axes = range(2, input.dim())
    given = scale_factor if size is None else size
    for axis, value in zip(axes, given if isinstance(given, (tuple, list)) else [given] * len(axes)):
        have = torch.as_tensor(input.shape[axis], device=input.device)
        want = value if size is not None else (have * value).long()
        exact = have.float() / want if size is not None or recompute_scale_factor else 1.0 / value
        place = ((torch.arange(want, device=input.device) + 0.5) * exact).long()
        input = input.index_select(axis, torch.where(place < have, place, have - 1))
    return input


@rewrite("torch.nn.functional.layer_norm")
def layer_norm(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    normalized_shape: Any,
    weight: Optional[torch.Tensor] = None,
    bias: Optional[torch.Tensor] = None,
    eps: float = 1e-5,
) -> torch.Tensor:
    """Norm the last axes, of traced sizes as well, of which the exporter takes numbers alone.

    It makes a weight of these numbers from opset 17 on, where none is given: then the sums are written out.
    """
    if not any(isinstance(size, torch.Tensor) for size in normalized_shape):
        return original(input, normalized_shape, weight, bias, eps)
    if weight is not None:
        return original(input, [int(size) for size in weight.shape], weight, bias, eps)
    axes = tuple(range(-len(normalized_shape), 0))
    centred = input - input.mean(axes, keepdim=True)
    normed = centred / (centred.pow(2).mean(axes, keepdim=True) + eps).sqrt()
    return normed if bias is None else normed + bias


@rewrite("torch.nn.functional.instance_norm")
def instance_norm(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    running_mean: Optional[torch.Tensor] = None,
    running_var: Optional[torch.Tensor] = None,
    weight: Optional[torch.Tensor] = None,
    bias: Optional[torch.Tensor] = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> torch.Tensor:
    """Norm each image of (N, C, ...); by a training's statistics as a batch norm: the exporter takes no such one."""
    if use_input_stats or running_mean is None:
        return original(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)
    return functional.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)


@rewrite("torch.nn.functional.affine_grid")
def affine_grid(
    context: ExportContext, original: Any, theta: torch.Tensor, size: Any, align_corners: Optional[bool] = None
) -> torch.Tensor:
    """The places (N, H, W, 2) that ``theta`` (N, 2, 3) moves those of a map to; ONNX has no such operator before 20."""
    if len(size) != 4:
        return original(theta, size, align_corners)
    x, y = (_across(length, bool(align_corners), theta) for length in (size[3], size[2]))
    x, y = x[None].expand(size[2], size[3]), y[:, None].expand(size[2], size[3])
    places = torch.stack([x, y, torch.ones_like(x)], -1).reshape(1, -1, 3)
    return torch.matmul(places, theta.transpose(1, 2)).reshape(-1, size[2], size[3], 2)


def _across(length: Any, align_corners: bool, like: torch.Tensor) -> torch.Tensor:
    """(length,) the places of an axis: -1 to 1 from middle to middle of the outermost cells, or from edge to edge."""
    length = torch.as_tensor(length, device=like.device)
    middle = torch.arange(length, device=like.device) * 2 - (length - 1)
    return middle.to(like) / ((length - 1).clamp(min=1) if align_corners else length).to(like)


@rewrite("torch.nn.functional.fold")
def fold(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> torch.Tensor:
    """Sum windows (N, C * h * w, L) into maps (N, C, H, W) by a convolution; ONNX has Col2Im from opset 18 on."""
    size, kernel, dilation, padding, stride = map(_pair, (output_size, kernel_size, dilation, padding, stride))
    if input.dim() != 3:
        return original(input, size, kernel, dilation, padding, stride)
    reach = [step * (side - 1) + 1 for step, side in zip(dilation, kernel)]
    free = [side + 2 * edge - one for side, edge, one in zip(size, padding, reach)]
    windows = [divide(torch.as_tensor(all_), step) + 1 for all_, step in zip(free, stride)]
    count = kernel[0] * kernel[1]
    each = input.reshape(-1, count, *windows)
    place = torch.eye(count, device=input.device).to(input).reshape(count, 1, *kernel)
    maps = functional.conv_transpose2d(each, place, stride=stride, dilation=dilation)
    # what the last windows do not reach
    rest = [side + 2 * edge - have for side, edge, have in zip(size, padding, maps.shape[2:])]
    maps = functional.pad(maps, (0, rest[1], 0, rest[0]))
    for axis, (side, edge) in enumerate(zip(size, padding), 2):
        maps = maps.narrow(axis, edge, side)
    return maps.reshape(input.shape[0], -1, *size)


@rewrite("torch.nn.functional.max_unpool2d")
def max_unpool2d(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    indices: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> torch.Tensor:
    """Put maxima (N, C, h, w) back where ``indices`` say that they were in (N, C, H, W); torch's exporter cannot."""
    if not torch.jit.is_tracing():
        return original(input, indices, kernel_size, stride, padding, output_size)
    size = output_size
    if size is None:
        sides = zip(input.shape[-2:], _pair(kernel_size), _pair(stride or kernel_size), _pair(padding))
        size = [(side - 1) * step - 2 * edge + kernel for side, kernel, step, edge in sides]
    height, width = size[-2:]
    planes = input.new_zeros([*input.shape[:-2], height * width])
    return planes.scatter(-1, indices.flatten(-2), input.flatten(-2)).reshape([*input.shape[:-2], height, width])
