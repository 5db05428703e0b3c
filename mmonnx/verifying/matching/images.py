"""Comparing images that models make."""

from typing import Optional

import numpy as np

from ...runtime import EditedImage
from .arrays import compare_raw
from .noise import ArrayNoise, greatest_of, runs_of
from .types import NOISE_MARGIN, Match, Tolerances


def match_images(
    expected: EditedImage, actual: EditedImage, tolerances: Tolerances, noise: Optional[ArrayNoise] = None
) -> Match:
    """Compare all values of two images, as raw outputs are: by their greatest difference, and its share of the range.

    Where PyTorch's own further runs move a value by more, it may be as far off as these; where they choose another
    value, another part of a reference say, it may be that one.
    """
    slack, runs = NOISE_MARGIN * greatest_of(noise, "image"), runs_of(noise, "image")
    difference, problem = compare_raw("image", expected.values, actual.values, tolerances)
    excused = False
    if problem and (slack or runs):
        difference, problem = compare_raw("image", expected.values, actual.values, tolerances, slack, runs)
        excused = problem is None
    return Match(
        int(problem is None),
        1,
        max_score=difference,
        psnr=psnr(expected, actual),
        excused=int(excused),
        unmatched=[problem] if problem else [],
        ok=problem is None,
        allowed=(0.0, slack if excused else 0.0),
    )


def psnr(expected: EditedImage, actual: EditedImage) -> Optional[float]:
    """The peak signal-to-noise ratio of two images in dB, white being the peak; None where they are equal or unlike."""
    if expected.values.shape != actual.values.shape or not expected.values.size:
        return None
    gaps = expected.values.astype(np.float64) - actual.values
    error = float(np.square(gaps).mean())
    if not 0 < error < float("inf"):
        return None
    return float(20 * np.log10(expected.high - expected.low) - 10 * np.log10(error))
