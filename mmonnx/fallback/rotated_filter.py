"""Filters of S2A-Net's oriented convolutions, turned by every angle."""

import torch

from .registry import operator


def _places(indices: torch.Tensor) -> torch.Tensor:
    """(orientations, kh, kw, rotations), counted from 1 -> (rotations, entries) int64: where each entry goes."""
    return indices.reshape(-1, indices.shape[-1]).t().long() - 1


@operator
def active_rotated_filter_forward(input: torch.Tensor, indices: torch.Tensor, output: torch.Tensor) -> None:
    """Turn filters by every angle.

    Args:
        input: (out, in, orientations, kh, kw).
        indices: (orientations, kh, kw, rotations), which entry each becomes, counted from 1.
        output: (out * rotations, in * orientations, kh, kw), filled.
    """
    rows = input.flatten(2)
    turned = [rows[:, :, places.argsort()] for places in _places(indices)]
    output.copy_(torch.stack(turned, 1).view_as(output))


@operator
def active_rotated_filter_backward(grad_out: torch.Tensor, indices: torch.Tensor, grad_in: torch.Tensor) -> None:
    """Gradient of :func:`active_rotated_filter_forward` by its input, set in ``grad_in``."""
    places = _places(indices)
    turned = grad_out.reshape(grad_in.shape[0], len(places), grad_in.shape[1], -1)
    parts = [turned[:, number][:, :, place] for number, place in enumerate(places)]
    grad_in.copy_(torch.stack(parts).sum(0).view_as(grad_in))
