"""Stand-ins for ``torch``'s own functions."""

from typing import Any, Sequence, Tuple

import torch

from ..batched import clip_k, divide
from ..context import ExportContext
from ..registry import rewrite


@rewrite("torch.onnx.is_in_onnx_export")
def is_in_onnx_export(context: ExportContext, original: Any) -> bool:
    """No: the model's own inference path is traced, not the one that upstream wrote for its exporter.

    But for a classifier yes: older releases give lists of arrays otherwise.
    """
    return context.upstream_path and original()


@rewrite("torch.Tensor.split")
def split(context: ExportContext, original: Any, self: torch.Tensor, split_size: Any, dim: int = 0) -> Tuple[Any, ...]:
    """A split into one part is the tensor itself; upstream splits by image, and the trace has all images in one."""
    if isinstance(split_size, (list, tuple)) and len(split_size) == 1:
        return (self,)
    if isinstance(split_size, (list, tuple)) and any(isinstance(size, torch.Tensor) for size in split_size):
        parts, start = [], 0
        for size in split_size:  # ONNX has a Split of traced sizes from opset 13 on
            parts.append(self.narrow(dim, start, size))
            start = start + size
        return tuple(parts)
    return original(self, split_size, dim)


@rewrite("torch.Tensor.repeat_interleave")
def repeat_interleave(
    context: ExportContext, original: Any, self: torch.Tensor, repeats: Any, dim: Any = None, **kwargs: Any
) -> torch.Tensor:
    """Each row so many times, as an expansion: torch writes a loop, and before opset 13 nothing for traced sizes."""
    if not (isinstance(repeats, int) and torch.jit.is_tracing()):
        return original(self, repeats, dim, **kwargs)
    rows, axis = (self.flatten(), 0) if dim is None else (self, dim % self.dim())
    sizes = [-1] * (axis + 1) + [repeats] + [-1] * (rows.dim() - axis - 1)
    return rows.unsqueeze(axis + 1).expand(sizes).flatten(axis, axis + 1)


@rewrite("torch.repeat_interleave")
def repeat_interleave_function(context: ExportContext, original: Any, input: Any, *args: Any, **kwargs: Any) -> Any:
    """As :func:`repeat_interleave`."""
    if args or "repeats" in kwargs:
        return input.repeat_interleave(*args, **kwargs)
    return original(input, **kwargs)  # of repeats alone


@rewrite("torch.Tensor.masked_fill")
def masked_fill(
    context: ExportContext, original: Any, self: torch.Tensor, mask: torch.Tensor, value: Any
) -> torch.Tensor:
    """Of bool by And and Or: a runtime's Where may take none."""
    if self.dtype != torch.bool or isinstance(value, torch.Tensor) or not torch.jit.is_tracing():
        return original(self, mask, value)
    return self | mask if value else self & ~mask


@rewrite("torch.Tensor.topk")
def tensor_topk(
    context: ExportContext, original: Any, self: torch.Tensor, k: Any, dim: int = -1, *args: Any, **kwargs: Any
) -> Any:
    """All where there are fewer: heads ask that first (``if nms_pre < len(scores)``), which the trace does not keep."""
    if context.alone and isinstance(k, int) and torch.jit.is_tracing():
        k = clip_k(k, self.shape[dim])
    return original(self, k, dim, *args, **kwargs)


@rewrite("torch.topk")
def topk(context: ExportContext, original: Any, input: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    """As :func:`tensor_topk`."""
    return input.topk(*args, **kwargs)


@rewrite("torch.Tensor.numpy")
def numpy(context: ExportContext, original: Any, self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    """The tensor itself while tracing: what upstream does to arrays after its network goes into the file as well.

    Not in code that knows of no rewrites: numpy's functions would not take it.
    """
    followed = torch.jit.is_tracing() and not context.upstream_path
    return self if followed else original(self, *args, **kwargs)


@rewrite("torch.Tensor.unflatten")
def unflatten(context: ExportContext, original: Any, self: torch.Tensor, dim: int, sizes: Any) -> torch.Tensor:
    """A reshape: ONNX has no such operator, and torch's own attention calls it where query and key are one tensor."""
    axis = dim % self.dim()
    return self.reshape([*self.shape[:axis], *sizes, *self.shape[axis + 1 :]])


@rewrite("torch.Tensor.unfold")
def unfold(context: ExportContext, original: Any, self: torch.Tensor, dimension: int, size: int, step: int) -> Any:
    """Windows along an axis (..., L, ...) as (..., windows, ..., size): one Gather, for any length of the axis."""
    if not torch.jit.is_tracing() or self.dim() == 0:
        return original(self, dimension, size, step)
    axis = dimension % self.dim()
    windows = divide(torch.as_tensor(self.shape[axis], device=self.device) - size, step) + 1
    starts = torch.arange(windows, device=self.device) * step
    places = starts[:, None] + torch.arange(size, device=self.device)
    found = self.index_select(axis, places.reshape(-1))
    sizes = [*self.shape[:axis], windows, size, *self.shape[axis + 1 :]]
    return found.reshape(sizes).permute(*(one for one in range(self.dim() + 1) if one != axis + 1), axis + 1)


@rewrite("torch.Tensor.__setitem__")
def setitem(context: ExportContext, original: Any, self: torch.Tensor, index: Any, value: Any) -> None:
    """``x[mask, 0] = y``: a mask is the places where it is set; torch's exporter drops other indices, and further axes.

    A mask alone of all axes is torch's own: it takes each element on its own.
    """
    parts = index if isinstance(index, tuple) else (index,)
    masks = [part for part in parts if isinstance(part, torch.Tensor) and part.dtype == torch.bool]
    if masks and (len(parts) > 1 or masks[0].dim() < self.dim()) and torch.jit.is_tracing():
        index = tuple(place for part in parts for place in (_places(part) if _is_among(part, masks) else (part,)))
    original(self, index, value)


def _is_among(part: Any, masks: Sequence[torch.Tensor]) -> bool:
    return any(part is mask for mask in masks)


def _places(mask: torch.Tensor) -> Tuple[torch.Tensor, ...]:
    """(count,) where a mask is set, of each of its axes."""
    return tuple(mask.nonzero().unbind(1))


@rewrite("torch.tile")
def tile(context: ExportContext, original: Any, input: torch.Tensor, dims: Any) -> torch.Tensor:
    """``repeat``, which older opsets have too; fewer numbers than axes are those of the last ones."""
    dims = tuple(dims)
    return input.repeat((1,) * (input.dim() - len(dims)) + dims)


@rewrite("torch.Tensor.tile")
def tensor_tile(context: ExportContext, original: Any, self: torch.Tensor, *dims: Any) -> torch.Tensor:
    """As :func:`tile`."""
    return tile(context, original, self, dims[0] if isinstance(dims[0], (tuple, list)) else dims)


@rewrite("torch.trunc")
def trunc(context: ExportContext, original: Any, input: torch.Tensor) -> torch.Tensor:
    """The whole part, by the operators that ONNX has."""
    return torch.where(input < 0, input.ceil(), input.floor()) if torch.jit.is_tracing() else original(input)


@rewrite("torch.Tensor.trunc")
def tensor_trunc(context: ExportContext, original: Any, self: torch.Tensor) -> torch.Tensor:
    """As :func:`trunc`."""
    return trunc(context, original, self)


@rewrite("torch.Tensor.view")
def view(context: ExportContext, original: Any, self: torch.Tensor, *shape: Any) -> torch.Tensor:
    """``x.view(x.size(0), -1)`` as ``x.flatten(1)``: where there are no rows, Reshape cannot tell what the -1 is."""
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list, torch.Size)) else shape
    if len(sizes) == 2 and self.dim() > 2 and torch.jit.is_tracing():
        rows, rest = sizes
        if isinstance(rest, int) and rest == -1 and isinstance(rows, torch.Tensor) and _is_first_size(rows, self):
            return self.flatten(1)
    return original(self, *shape)


def _is_first_size(size: torch.Tensor, tensor: torch.Tensor) -> bool:
    """Whether the trace has ``size`` for ``tensor.size(0)``."""
    node = torch._C._get_value_trace(size).node()
    while node.kind() in ("prim::NumToTensor", "aten::Int"):
        node = next(node.inputs()).node()
    if node.kind() != "aten::size":
        return False
    inputs = list(node.inputs())
    traced = torch._C._get_value_trace(tensor)
    return inputs[0].debugName() == traced.debugName() and len(inputs) == 2 and inputs[1].toIValue() == 0
