"""Groups of a clip's channels, moved along its time, in plain torch."""

from typing import Tuple

import torch

from .registry import operator


@operator
def tin_shift_forward(input: torch.Tensor, shift: torch.Tensor, output: torch.Tensor) -> None:
    """Move each group of channels by as many frames as it says.

    Args:
        input: (N, T, C, H * W).
        shift: (N, groups) int, towards the end where positive; C is a multiple of the groups.
        output: (N, T, C, H * W), filled; 0 where nothing has been moved to.
    """
    place, inside = _moved(input, shift)
    output.copy_(input.gather(1, place[..., None].expand_as(input)) * inside[..., None])


@operator
def tin_shift_backward(grad_output: torch.Tensor, shift: torch.Tensor, grad_input: torch.Tensor) -> None:
    """Gradient of :func:`tin_shift_forward` by its input, which is what it moves back."""
    place, inside = _moved(grad_output, -shift)
    grad_input.copy_(grad_output.gather(1, place[..., None].expand_as(grad_output)) * inside[..., None])


def _moved(input: torch.Tensor, shift: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """(N, T, C): from which frame each channel comes, and whether there is one."""
    frames, channels = input.shape[1:3]
    by_channel = shift.long().repeat_interleave(channels // shift.shape[1], 1)[:, None]
    place = torch.arange(frames, device=input.device)[None, :, None] - by_channel
    inside = (place >= 0) & (place < frames)
    return place.clamp(0, frames - 1), inside
