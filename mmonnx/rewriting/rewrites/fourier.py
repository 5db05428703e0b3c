"""Filters of maps in the frequency domain, by matrices of sines and cosines: ONNX has no transform of unknown sizes."""

import math
from typing import Any, Tuple

import torch

from .batched import divide
from .sizes import floor_divide

Complex = Tuple[torch.Tensor, torch.Tensor]
"""Real and imaginary part."""


def filtered(maps: torch.Tensor, weight: Complex) -> torch.Tensor:
    """``irfft2(rfft2(maps) * weight)``, the transforms orthonormal.

    Args:
        maps: (N, C, H, W) float.
        weight: (C, H, W // 2 + 1) each.
    """
    height, width = maps.shape[2], maps.shape[3]
    number = torch.arange(floor_divide(width, 2) + 1, device=maps.device)
    rows, columns = _waves(torch.arange(height, device=maps.device), height), _waves(number, width)
    spectrum = _rows(rows, (torch.matmul(maps, columns[0].t()), -torch.matmul(maps, columns[1].t())), -1.0)
    real = spectrum[0] * weight[0] - spectrum[1] * weight[1]
    imaginary = spectrum[0] * weight[1] + spectrum[1] * weight[0]
    real, imaginary = _rows(rows, (real, imaginary), 1.0)
    # the other half of the columns are the conjugates of these, but for the first and, of an even number, the last
    twice = 2.0 - ((number == 0) | (number * 2 == width)).to(maps)
    found = torch.matmul(real * twice, columns[0]) - torch.matmul(imaginary * twice, columns[1])
    return found / (rows[0].shape[0] * columns[0].shape[1])


def _waves(number: torch.Tensor, length: Any) -> Complex:
    """(n, length) float32, cosines and sines of a whole number of turns over an axis."""
    step = number[:, None] * torch.arange(length, device=number.device)
    # whole turns are taken away while the numbers are exact
    angle = (step - divide(step, length) * length).float() * (2 * math.pi) / length
    return angle.cos(), angle.sin()


def _rows(waves: Complex, maps: Complex, sign: float) -> Complex:
    """The transform (sign -1) of each column, or its inverse (1), without a factor."""
    cosine, sine = waves
    real, imaginary = maps
    return (
        torch.matmul(cosine, real) - torch.matmul(sine, imaginary) * sign,
        torch.matmul(cosine, imaginary) + torch.matmul(sine, real) * sign,
    )
