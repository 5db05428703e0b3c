"""Resizing by factors that the trace computes, as of a grid of positions: torch's exporter takes numbers alone.

Each axis is a sum of shifted copies, by the index and the weight of each place, as in torch's own kernels. No
Resize of ONNX Runtime's is that: where a length stays, or doubles, torch and it have rules of their own.
"""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import torch

Taps = List[Tuple[torch.Tensor, Optional[torch.Tensor]]]

_CUBIC = -0.75
"""torch's coefficient of cubic interpolation."""


def resize_by(input: torch.Tensor, factors: Sequence[Any], mode: str, align_corners: Optional[bool]) -> torch.Tensor:
    """``interpolate(input, scale_factor=factors, ...)``.

    Args:
        input: (N, C, ...) float.
        factors: a number or () tensor of each axis behind the channels.
        mode: one of ``KINDS``.
        align_corners: as torch's.
    """
    for axis, factor in enumerate(factors, 2):
        have = torch.as_tensor(input.shape[axis], device=input.device)
        want = (have * factor).long()
        place = torch.arange(want, device=input.device)
        step = (have - 1) / (want - 1).float().clamp(min=1) if align_corners else 1.0 / factor
        parts = [
            _weighted(input.index_select(axis, _inside(index, have)), weight, axis)
            for index, weight in KINDS[mode](place, step, have, want, bool(align_corners))
        ]
        input = sum(parts[1:], parts[0])
    return input


def _inside(index: torch.Tensor, have: torch.Tensor) -> torch.Tensor:
    """The nearest index that there is; old opsets clip no integers."""
    index = torch.where(index < have, index, have - 1)
    return torch.where(index < 0, torch.zeros_like(have), index)


def _weighted(part: torch.Tensor, weight: Optional[torch.Tensor], axis: int) -> torch.Tensor:
    if weight is None:
        return part
    return part * weight.to(part).reshape([-1] + [1] * (part.dim() - axis - 1))


def _nearest(place: torch.Tensor, step: Any, have: torch.Tensor, want: torch.Tensor, corners: bool) -> Taps:
    # torch goes by the lengths, not by the factor, where they are the same or twice that
    index = torch.where(want == have * 2, place // 2, (place * step).long())
    return [(torch.where(want == have, place, index), None)]


def _linear(place: torch.Tensor, step: Any, have: torch.Tensor, want: torch.Tensor, corners: bool) -> Taps:
    exact = place * step if corners else ((place + 0.5) * step - 0.5).clamp(min=0)
    exact = torch.where(want == have, place.to(exact), exact)  # torch copies an axis whose length stays
    low = exact.floor()
    return [(low.long(), 1 - (exact - low)), (low.long() + 1, exact - low)]


def _cubic(place: torch.Tensor, step: Any, have: torch.Tensor, want: torch.Tensor, corners: bool) -> Taps:
    exact = place * step if corners else (place + 0.5) * step - 0.5
    low = exact.floor()
    rest = exact - low
    weights = (_far(rest + 1), _near(rest), _near(1 - rest), _far(2 - rest))
    return [(low.long() + shift, weight) for shift, weight in zip((-1, 0, 1, 2), weights)]


def _near(x: torch.Tensor) -> torch.Tensor:
    return ((_CUBIC + 2) * x - (_CUBIC + 3)) * x * x + 1


def _far(x: torch.Tensor) -> torch.Tensor:
    return ((_CUBIC * x - 5 * _CUBIC) * x + 8 * _CUBIC) * x - 4 * _CUBIC


KINDS: Dict[str, Callable[..., Taps]] = {
    "nearest": _nearest,
    "linear": _linear,
    "bilinear": _linear,
    "trilinear": _linear,
    "bicubic": _cubic,
}
"""The indices and weights of each mode, of the places of an axis, the step from one to the next, and both lengths."""
