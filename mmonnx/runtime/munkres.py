"""The assignment that mmpose groups key points by: Munkres' method, in the order of its steps.

Of several assignments that are equal (that to nobody costs 1e10, beside which little counts), mmpose takes the one
that the package ``munkres`` comes to first.
"""

from typing import List, Tuple

import numpy as np


def assigned(cost: np.ndarray) -> List[int]:
    """The column of each row, a different one each, of the least cost in all.

    Args:
        cost: (n, m), n <= m.
    """
    rows, columns = cost.shape
    work = _Work(np.concatenate([cost, np.zeros((columns - rows, columns))]))
    while True:
        work.uncover()
        work.column_covered[:] = work.starred.any(0)
        if work.column_covered.all():
            return [int(one) for one in work.starred[:rows].argmax(1)]
        work.augment(work.prime())


class _Work:
    """The matrix of costs on its way, and what is marked in it.

    Args:
        costs: (n, n).

    Attributes:
        starred, primed: (n, n) bool.
        row_covered, column_covered: (n,) bool.
    """

    def __init__(self, costs: np.ndarray) -> None:
        self._costs = costs - costs.min(1, keepdims=True)
        self.starred, self.primed = np.zeros(costs.shape, bool), np.zeros(costs.shape, bool)
        self.row_covered, self.column_covered = np.zeros(len(costs), bool), np.zeros(len(costs), bool)
        for row, zeros in enumerate(self._costs == 0):
            free = np.flatnonzero(zeros & ~self.starred.any(0))
            self.starred[row, free[:1]] = True

    def uncover(self) -> None:
        """Begin again with lines and primes."""
        self.row_covered[:] = self.column_covered[:] = self.primed[:] = False

    def prime(self) -> Tuple[int, int]:
        """Prime zeros, and make new ones, until one is in a row without a star; which one."""
        row = column = 0
        while True:
            open_zeros = (self._costs == 0) & ~self.row_covered[:, None] & ~self.column_covered
            if not open_zeros.any():
                self._make_zeros()
                row = column = 0
                continue
            row = (row + int(np.roll(open_zeros.any(1), -row).argmax())) % len(open_zeros)
            # the last one of its row, from where the search began
            ahead = np.flatnonzero(np.roll(open_zeros[row], -column))
            column = (column + int(ahead[-1])) % len(open_zeros)
            self.primed[row, column] = True
            if not self.starred[row].any():
                return row, column
            self.row_covered[row] = True
            column = int(self.starred[row].argmax())
            self.column_covered[column] = False

    def augment(self, place: Tuple[int, int]) -> None:
        """Exchange stars and primes along the path that begins at a prime."""
        path = [place]
        while self.starred[:, path[-1][1]].any():
            row = int(self.starred[:, path[-1][1]].argmax())
            path += [(row, path[-1][1]), (row, int(self.primed[row].argmax()))]
        for number, one in enumerate(path):
            self.starred[one] = number % 2 == 0

    def _make_zeros(self) -> None:
        """Move the least of the costs that no line covers."""
        least = self._costs[~self.row_covered][:, ~self.column_covered].min()
        # one after the other, as each rounds
        self._costs = self._costs + np.where(self.row_covered[:, None], least, 0.0)
        self._costs = self._costs - np.where(self.column_covered[None], 0.0, least)
