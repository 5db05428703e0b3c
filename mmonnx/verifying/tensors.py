"""The comparison of what is inside a file with what is inside PyTorch's model, tensor by tensor."""

from typing import Dict, List, Tuple

import numpy as np

from .matching import CHANCE, MAX_LINES, Tolerances, compare_raw
from .outcome import Case, CaseResult

Arrays = Dict[str, np.ndarray]

EXACT = Tolerances(score=1e-5)
"""For tensors: a share of their range, which two float32 implementations of the same layers keep."""
_ERRORS = 4.0
"""How many times as far as PyTorch from what it gives without roundings a file may be from it.

The two are off by about as much: in the 26 ends of four models a file was at most 0.9 to 2 times as far from PyTorch.
"""


class TensorsMatch:
    """The comparison of some tensors of a file with PyTorch's."""

    def __init__(self, expected: Arrays, found: Arrays) -> None:
        self._expected, self._found = expected, found
        self._by_name: Dict[str, str] = {}
        self._differences: Dict[str, float] = {}
        self._unsteady: List[str] = []
        self._allowed = 0.0
        for name in expected:
            self._compare(name, 0.0)

    def _compare(self, name: str, slack: float) -> None:
        difference, problem = compare_raw(name, self._expected[name], self._found[name], EXACT, slack)
        self._differences[name] = (difference or 0.0) / max(_range(self._expected[name]), 1e-12)
        self._by_name.pop(name, None)
        if problem:
            self._by_name[name] = problem

    @property
    def problems(self) -> List[str]:
        """What does not match, a line each."""
        return list(self._by_name.values())

    def by_chance(self, share: float) -> List[str]:
        """The tensors of another shape, or that differ by more than a share of their range."""
        other = [name for name in self._expected if self._expected[name].shape != self._found[name].shape]
        return other + [name for name, difference in self._differences.items() if difference > share]

    def allow(self, again: Arrays, errors: float = _ERRORS) -> None:
        """Allow what PyTorch's own roundings make of the tensors; leave out what depends on them altogether.

        Args:
            again: what it gives without them, or with others.
            errors: how many times as far the file may be off.
        """
        own = TensorsMatch({name: self._expected[name] for name in again}, again)
        by_chance = own.by_chance(CHANCE)
        for name in list(self._by_name):
            if name in by_chance:
                self._unsteady.append(name)
                self._by_name.pop(name)
                continue
            slack = errors * own._differences.get(name, 0.0) * _range(self._expected[name])
            self._compare(name, slack)
            self._allowed = max(self._allowed, slack)

    def result(self, name: str, case: Case, seconds: Tuple[float, float]) -> CaseResult:
        """What came of a case, as a row of the table; ``seconds`` are PyTorch's and the runtime's."""
        total = len(self._expected) - len(self._unsteady)
        steady = [value for key, value in self._differences.items() if key not in self._unsteady]
        return CaseResult(
            name,
            case.shape,
            len(case.images),
            matched=total - len(self._by_name),
            total=total,
            excused=len(self._unsteady),
            max_score=max(steady, default=None),
            ok=not self._by_name,
            problems=self.problems[:MAX_LINES],
            seconds=seconds,
            allowed=(0.0, self._allowed),
            inside=True,
        )


def _range(array: np.ndarray) -> float:
    """The range of an array's finite values, or their magnitude where they are all alike."""
    finite = array[np.isfinite(array)]
    return max(float(np.ptp(finite)), float(np.abs(finite).max())) if finite.size else 0.0
