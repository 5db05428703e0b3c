"""PyTorch's own inference against the exported file, case by case."""

import contextlib
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Set, Tuple

import cv2
import numpy as np
import torch

from mmonnx.codebases.base import Feeds, Result, Task, to_numpy
from mmonnx.codebases.images import photographs, second_shape
from mmonnx.codebases.roundings import layers_round_otherwise, rounding_noise
from mmonnx.codebases.ties import ties_at_random
from mmonnx.errors import type_and_line
from mmonnx.matching import MAX_LINES, Match, Tolerances, match

_FURTHER = [
    *((size, False) for size in (1, 1, 2, 2, 4, 4, 8, 8)),
    *((size, True) for size in (4, 8, 8, 16, 16, 32, 32, 32)),
]
"""Further runs of PyTorch where it and the file differ: the noise in roundings, and whether it is of each layer and of
ties as well as of the input. On a blank image, ONNX Runtime's norms are off by as much as by 8 in each layer;
the greatest are larger, since which of two boxes stays may hang on an overlap that moves more."""

Run = Callable[[Dict[str, np.ndarray]], Dict[str, np.ndarray]]


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
        """(height, width) of the input; (0, 0) if it is no image."""
        return self.images[0].shape[:2] if len(self.images) else (0, 0)


@dataclass(frozen=True)
class CaseResult:
    """How one case went, summed over the batch's images; see :class:`mmonnx.matching.Match` for the figures.

    Attributes:
        name, shape, batch: of the case; shape is (height, width).
        matched, total, excused, max_box, max_score, max_mask: summed, or the greatest, over the images.
        ok: whether the case held.
        problems: what did not, one line each, the first few.
        seconds: of PyTorch and of the runtime; a single run without warm-up, so an indication only.
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

    @property
    def verdict(self) -> str:
        """In a word: ``ok``, ``ok, empty`` (nothing on either side), ``mismatch``, ``failed`` (not compared)."""
        if self.ok:
            return "ok" if self.total else "ok, empty"
        return "mismatch" if self.total else "failed"


def make_cases(
    task: Task, images: Optional[Sequence[np.ndarray]], shape: Tuple[int, int], batch: int = 1
) -> List[Case]:
    """The inputs to compare on: as exported; in other sizes and batches as far as these are dynamic; blank.

    Args:
        task: the model.
        images: the user's pictures, BGR uint8 (H, W, 3); None for scikit-image's photographs.
        shape: (height, width) of the export, in pixels.
        batch: the batch of the export.
    """
    samples = [Case(name, feeds, ()) for name, feeds in task.samples.items()]
    if task.preprocess is None:
        return samples
    pictures = list(images or photographs())
    needed = max(batch, 2)
    while len(pictures) < needed:
        # Mirrored and brightened copies: rows of a batch must differ, or mixed-up rows would not show.
        source = pictures[len(pictures) // 2]
        pictures.append(cv2.convertScaleAbs(source[:, ::-1], alpha=1.0, beta=20 * len(pictures)))

    def case(kind: str, chosen: Sequence[np.ndarray], size: Tuple[int, int]) -> Case:
        resized = [cv2.resize(picture, size[::-1], interpolation=cv2.INTER_LINEAR) for picture in chosen]
        name = f"{kind} {size[0]}x{size[1]}" + (f" batch {len(chosen)}" if len(chosen) > 1 else "")
        return Case(name, task.preprocess(list(chosen), size), resized)

    other = (task.other_shape or second_shape(shape, task.divisor)) if task.dynamic_size else shape
    cases = [case("photograph", pictures[:batch], shape)]
    if task.dynamic_size:
        cases.append(case("photograph", pictures[: 1 if task.dynamic_batch else batch], other))
    if task.dynamic_batch:
        cases.append(case("photograph", pictures[:2] if batch != 2 else pictures[:1], other))
    if task.dynamic_size and task.larger_shape:
        cases.append(case("photograph", pictures[: 1 if task.dynamic_batch else batch], task.larger_shape))
    blank = np.zeros((shape[0], shape[1], 3), np.uint8)
    cases.append(case("blank", [blank] * batch, shape))
    return cases + samples


def verify(
    task: Task,
    run: Run,
    cases: Sequence[Case],
    progress: Optional[Callable[[Sequence[Case]], Iterable[Case]]] = None,
    show: Optional[Callable[[Case, List[Result], List[Result]], Any]] = None,
    tolerances: Optional[Tolerances] = None,
) -> List[CaseResult]:
    """Compare PyTorch's own inference with a runtime's on every case.

    An error of either is a failed case, with the error's first line, so that the other cases still tell something.

    Args:
        task: the model.
        run: the runtime: inputs by name to outputs by name.
        cases: what to compare on.
        progress: wraps the cases in a progress bar.
        show: called with the case, PyTorch's results and the runtime's, for every case in which both gave some.
        tolerances: what may differ.
    """
    return [_verify(task, run, case, show, tolerances) for case in (progress(cases) if progress else cases)]


def _verify(
    task: Task, run: Run, case: Case, show: Optional[Callable[..., Any]], tolerances: Optional[Tolerances]
) -> CaseResult:
    what, where = (case.name, case.shape, len(case.images)), "PyTorch"
    try:
        started = time.perf_counter()
        with torch.no_grad():
            expected = task.predict(case.feeds)
        between = time.perf_counter()
        where = "the runtime"
        actual = task.read(run(to_numpy(case.feeds)))
        seconds = between - started, time.perf_counter() - between
        if len(expected) != len(actual):
            raise ValueError(f"{len(actual)} results for {len(expected)} images")
        where = "the comparison"
        matches = [compare(task, *pair, tolerances) for pair in zip(expected, actual)]
        unsteady: List[Set[int]] = [set() for _ in expected]
        slack = [0.0] * len(expected)
        for number, further in enumerate(_FURTHER):
            if all(found.ok for found in matches):
                break
            for image, moved in enumerate(_moved(task, case, expected, tolerances, number, *further)):
                unsteady[image].update(moved.missing)
                slack[image] = max(slack[image], moved.max_score or 0.0)
            given = zip(expected, actual, unsteady, slack)
            matches = [compare(task, one, other, tolerances, sorted(rows), more) for one, other, rows, more in given]
    except Exception as error:
        return CaseResult(*what, problems=[f"{where} failed: {type_and_line(error)}"])
    if show:
        show(case, expected, actual)
    problems = [
        f"image {index + 1}: {line}" if len(matches) > 1 else line
        for index, found in enumerate(matches)
        for line in found.unmatched
    ]
    return CaseResult(
        *what,
        matched=sum(found.matched for found in matches),
        total=sum(found.total for found in matches),
        excused=sum(found.excused for found in matches),
        max_box=_greatest(found.max_box for found in matches),
        max_score=_greatest(found.max_score for found in matches),
        max_mask=_greatest(found.max_mask for found in matches),
        ok=bool(matches) and all(found.ok for found in matches),
        problems=problems[:MAX_LINES],
        seconds=seconds,
    )


def _greatest(values: Iterable[Optional[float]]) -> Optional[float]:
    return max((value for value in values if value is not None), default=None)


def compare(
    task: Task,
    expected: Result,
    actual: Result,
    tolerances: Optional[Tolerances] = None,
    unsteady: Sequence[int] = (),
    slack: float = 0.0,
) -> Match:
    """Match the results of one image, with what the task says about its score threshold and its longest list."""
    return match(
        expected,
        actual,
        score_thr=task.score_thr,
        limit=task.max_per_img,
        tolerances=tolerances,
        unsteady=unsteady,
        slack=slack,
    )


def difference(task: Task, expected: Dict[str, np.ndarray], actual: Dict[str, np.ndarray]) -> Optional[str]:
    """In what one file's outputs by name differ from another's, in a line; None if they are the same answers."""
    results = task.read(expected), task.read(actual)
    if len(results[0]) != len(results[1]):
        return f"it gives {len(results[1])} images of {len(results[0])}"
    found = [compare(task, *pair) for pair in zip(*results)]
    return next((match.unmatched[0] for match in found if not match.ok), None)


def _moved(
    task: Task,
    case: Case,
    expected: Sequence[Result],
    tolerances: Optional[Tolerances],
    seed: int,
    roundings: float,
    everywhere: bool,
) -> List[Match]:
    """For each image how PyTorch's answer compares with its answer when it rounds otherwise.

    On a blank image whole planes of scores are equal up to the order of float32 sums, and a network without training
    lets such ties decide what survives: what is there is an accident in PyTorch itself. On a photograph there are none.
    And some networks without training make of a rounding error a thousand times as great a difference in the scores.
    """
    generator = torch.Generator().manual_seed(seed)
    feeds = {
        name: tensor + rounding_noise(tensor, generator) * roundings if tensor.is_floating_point() else tensor
        for name, tensor in case.feeds.items()
    }
    with torch.no_grad(), contextlib.ExitStack() as stack:
        if everywhere:
            stack.enter_context(layers_round_otherwise(task.module, generator, roundings))
            stack.enter_context(ties_at_random(generator, roundings))
        again = task.predict(feeds)
    return [compare(task, one, other, tolerances) for one, other in zip(expected, again)]
