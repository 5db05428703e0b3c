"""What is compared, and what came of it."""

from dataclasses import dataclass, field
from typing import Iterable, List, Optional, Sequence, Tuple

import numpy as np

from ..loading import Feeds
from .matching import MAX_LINES, Match


@dataclass(frozen=True)
class Case:
    """One input to compare on.

    Attributes:
        name: what it is, for the table, for example ``photograph 800x1216``.
        feeds: the network's inputs by name.
        images: the batch's pictures, BGR uint8 of the network's input size, to draw on.
    """

    name: str
    feeds: Feeds
    images: Sequence[np.ndarray]

    @property
    def shape(self) -> Tuple[int, int]:
        """(height, width) of the input; (0, 0) if it is not an image."""
        if not len(self.images):
            return 0, 0
        height, width = self.images[0].shape[:2]
        return height, width


@dataclass(frozen=True)
class CaseResult:
    """How one case went, summed over the batch's images; see :class:`mmonnx.verifying.matching.Match` for the figures.

    Attributes:
        name, shape, batch: of the case; shape is (height, width).
        matched, total, excused, max_box, max_score, max_mask, psnr: summed, or the worst, over the images.
        ok: whether the case held.
        problems: what did not, one line each, the first few.
        seconds: of PyTorch and of the runtime; a single run without warm-up, so an indication only.
        allowed: the greatest gaps of a box and a score that PyTorch's own noise made necessary, see ``Match.allowed``.
        inside: what was compared is inside of the model, and none of its answers.
    """

    name: str
    shape: Tuple[int, int]
    batch: int
    matched: int = 0
    total: int = 0
    excused: int = 0
    max_box: Optional[float] = None
    max_score: Optional[float] = None
    max_mask: Optional[float] = None
    ok: bool = False
    problems: List[str] = field(default_factory=list)
    seconds: Tuple[float, float] = (0.0, 0.0)
    allowed: Tuple[float, float] = (0.0, 0.0)
    psnr: Optional[float] = None
    inside: bool = False

    @property
    def verdict(self) -> str:
        """In a word: ``ok``, ``empty`` (nothing on either side), ``mismatch``, ``failed`` (not compared)."""
        if self.ok:
            return "ok" if self.total else "empty"
        return "mismatch" if self.total else "failed"


def summed(
    name: str, shape: Tuple[int, int], matches: Sequence[Match], seconds: Tuple[float, float] = (0.0, 0.0)
) -> CaseResult:
    """One result of the comparisons of a batch's images."""
    problems = [
        f"image {index + 1}: {line}" if len(matches) > 1 else line
        for index, found in enumerate(matches)
        for line in found.unmatched
    ]
    return CaseResult(
        name,
        shape,
        len(matches),
        matched=sum(found.matched for found in matches),
        total=sum(found.total for found in matches),
        excused=sum(found.excused for found in matches),
        max_box=greatest(found.max_box for found in matches),
        max_score=greatest(found.max_score for found in matches),
        max_mask=greatest(found.max_mask for found in matches),
        psnr=least(found.psnr for found in matches),
        ok=bool(matches) and all(found.ok for found in matches),
        problems=problems[:MAX_LINES],
        seconds=seconds,
        allowed=(
            max((found.allowed[0] for found in matches), default=0.0),
            max((found.allowed[1] for found in matches), default=0.0),
        ),
    )


def joined(name: str, results: Sequence[CaseResult]) -> CaseResult:
    """One result of several runs of one kind."""
    first = results[0]
    return CaseResult(
        name,
        first.shape,
        first.batch,
        matched=sum(result.matched for result in results),
        total=sum(result.total for result in results),
        excused=sum(result.excused for result in results),
        max_box=greatest(result.max_box for result in results),
        max_score=greatest(result.max_score for result in results),
        max_mask=greatest(result.max_mask for result in results),
        psnr=least(result.psnr for result in results),
        ok=all(result.ok for result in results),
        problems=[line for result in results for line in result.problems][:MAX_LINES],
        seconds=(sum(result.seconds[0] for result in results), sum(result.seconds[1] for result in results)),
        allowed=(max(result.allowed[0] for result in results), max(result.allowed[1] for result in results)),
        inside=first.inside,
    )


def least(values: Iterable[Optional[float]]) -> Optional[float]:
    """The least of the values that there are, None without any."""
    return min((value for value in values if value is not None), default=None)


def greatest(values: Iterable[Optional[float]]) -> Optional[float]:
    """The greatest of the values that there are, None without any."""
    return max((value for value in values if value is not None), default=None)
