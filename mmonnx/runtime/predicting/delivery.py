"""Where results go, one after the other: drawings, lines, the files of answers, the counts."""

import contextlib
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from .answers import JsonFile
from .drawings import movie
from .items import Item
from .lines import Lines
from .progress import Show
from .records import Record, name_of
from .settings import REASONS, Predicted
from .stages import Outcome


class Delivery:
    """Writes what comes out of the stages.

    Args:
        place: see ``support.replacing_many``.
        targets: where the drawing of each source goes.
        lines: the file that grows; drawings are then put in place before the line that tells of them.
        files: those that appear in the end.
        show: see ``progress``.
    """

    def __init__(
        self, place: Any, targets: Dict[str, str], lines: Optional[Lines], files: Sequence[JsonFile], show: Show
    ) -> None:
        self._place, self._targets, self._lines, self._files, self._show = place, targets, lines, files, show
        self._movie = contextlib.ExitStack()
        self._write: Optional[Callable[[np.ndarray], None]] = None
        self._count = self._skipped = 0
        self._reasons: List[Tuple[str, str]] = []

    def __enter__(self) -> "Delivery":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._movie.close()

    @property
    def summary(self) -> Predicted:
        """What came of it."""
        return Predicted(self._count, self._skipped, tuple(self._reasons))

    def replay(self, record: Record, text: str) -> None:
        """Take in what an earlier run wrote."""
        for file in self._files:
            file.add(record, text)
        if "error" in record:
            self._skipped += 1
            self._reasons += [(name_of(record), record["error"])] if self._skipped <= REASONS else []
        else:
            self._count += 1

    def add(self, item: Item, outcome: Outcome) -> None:
        """Write one result; its line is last, as it says that all is there."""
        if item.path in self._targets:
            self._draw(item, outcome.drawing)
        if not item.answered:
            if self._lines is not None:
                self._lines.append(outcome.text)
            self.replay(outcome.record, outcome.text)
        if item.frame is not None:
            self._show(item.path, item.frame + 1, item.frames)
        if item.last:
            self._show(item.path)

    def _draw(self, item: Item, drawing: Union[None, bytes, np.ndarray]) -> None:
        target = self._targets[item.path]
        if isinstance(drawing, bytes):
            self._place(target).write_bytes(drawing)
        elif item.image is not None:
            if self._write is None:
                self._write = self._movie.enter_context(movie(self._place(target), item.rate))
            # a frame that has no answer is shown as it is, so that the others stay at their times
            self._write(item.image if drawing is None else drawing)
            if item.last:
                self._movie.close()
                self._write = None
        else:
            return
        if self._lines is not None and item.last:
            self._place.put(target)
