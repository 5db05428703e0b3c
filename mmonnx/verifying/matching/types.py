"""What may differ between two results, and the outcome of a comparison."""

from dataclasses import dataclass, field
from typing import List, Optional, Tuple

# Lines of detail that a Match carries: enough to see what is wrong, not a listing of every detection.
MAX_LINES = 5
NOISE_MARGIN = 2.0
"""How many times as far as PyTorch from itself a runtime may be from it: few runs do not show the greatest noise."""

CHANCE = 1e-2
"""Where PyTorch's own roundings move a value by more than this share of its array's range, a choice depends on them."""


@dataclass(frozen=True)
class Tolerances:
    """What two results may differ by.

    Attributes:
        box: greatest difference of a coordinate of two matched boxes, in pixels.
        score: greatest difference of two matched scores. For class probabilities and raw outputs it is relative (to
            the largest probability, to the range of the output): untrained models have a thousand probabilities near
            0.001, and an absolute 1e-3 would accept anything.
        threshold: a detection whose score is this close to the model's score threshold may be there or not, and a
            pixel whose probability is this close to 0.5 may be of a mask or not: some roundings of a score.
        tie: scores this close count as exactly equal (what float32 arithmetic in another order leaves of equality).
        mask_pixels, mask_share: two matched masks may differ in this many pixels or in this share of their union,
            whichever is more.
    """

    box: float = 0.01
    score: float = 1e-4
    threshold: float = 5e-6
    tie: float = 1e-5
    mask_pixels: int = 2
    mask_share: float = 0.01


@dataclass(frozen=True)
class Match:
    """The outcome of one comparison.

    Attributes:
        matched: how many of ``total`` have a counterpart within the tolerances.
        total: detections of PyTorch, and those that only the runtime has and that nothing excuses; 1 for class
            probabilities; the number of outputs for raw outputs. 0 where there was nothing to compare.
        max_box: greatest difference of a box coordinate, in pixels, over matched and nearly matched pairs; None if
            there was no pair, or no box.
        max_score: greatest difference of a score, a probability, or a raw output; None if none could be compared.
        max_mask: 1 - (the lowest IoU of two matched masks); None without masks.
        excused: detections of either side without a counterpart for a reason that is no error: at the score
            threshold, or PyTorch itself gives them or not when it rounds otherwise; what differs by more than the
            tolerances, and by no more than PyTorch's own does then.
        unmatched: what does not match, one line each, the first few.
        ok: whether the two results are the same answer.
        missing: indices of PyTorch's detections without a counterpart, or with another mask, the excused ones too.
        allowed: what was allowed where the tolerances did not serve, by the noise of PyTorch itself: the greatest gap
            of a box in pixels, and of a score; 0.0 for none.
        psnr: peak signal-to-noise ratio of two images, in dB; None without images, or where they are equal.
    """

    matched: int
    total: int
    max_box: Optional[float] = None
    max_score: Optional[float] = None
    max_mask: Optional[float] = None
    excused: int = 0
    unmatched: List[str] = field(default_factory=list)
    ok: bool = True
    missing: List[int] = field(default_factory=list)
    allowed: Tuple[float, float] = (0.0, 0.0)
    psnr: Optional[float] = None
