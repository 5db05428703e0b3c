"""JSON Lines that grow as pictures are done, so that a run that is killed loses nothing and another goes on."""

import contextlib
import json
import os
from typing import IO, Any, Iterator, Tuple

from ...support import InputError, lock
from .records import Record, key_of

_BLOCK = 1 << 16


class Lines:
    """A file with a line a picture.

    Args:
        path: the file; its folder is made.
        resume: go on behind the lines that it has; the last one is taken back where it is not whole.

    Raises:
        InputError: it has lines and is not to be resumed, another process writes it, or it is not such a file.
    """

    def __init__(self, path: str, resume: bool) -> None:
        self._path, self._resume = path, resume

    def __enter__(self) -> "Lines":
        os.makedirs(os.path.dirname(os.path.abspath(self._path)), exist_ok=True)
        with contextlib.ExitStack() as stack:
            self._file: IO[bytes] = stack.enter_context(open(self._path, "a+b"))
            self._lock()
            if os.fstat(self._file.fileno()).st_size and not self._resume:
                raise InputError(
                    f"'{self._path}' has answers already", "a new file", "give --resume to go on, or another path"
                )
            self._file.truncate(_end_of_lines(self._file))
            self._close = stack.pop_all()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._close.close()

    def read(self) -> Iterator[Tuple[Record, str]]:
        """The records of an earlier run, each with its text.

        Raises:
            InputError: a line is none that this wrote.
        """
        with open(self._path, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    record = json.loads(line)
                    key_of(record)
                except (ValueError, TypeError, KeyError) as error:
                    raise InputError(
                        f"line {number} of '{self._path}' is no answer of mmonnx predict",
                        "what --jsonl wrote",
                        "remove it, or give another path",
                    ) from error
                yield record, line.decode("utf-8").rstrip("\n")

    def append(self, text: str) -> None:
        """Write a line, and have the system hold it: it is there even if this process is killed now."""
        self._file.write(f"{text}\n".encode())
        self._file.flush()

    def _lock(self) -> None:
        try:
            lock(self._file.fileno())
        except BlockingIOError as error:
            raise InputError(
                f"'{self._path}' is being written by another process", "a file of its own for each", "wait for it"
            ) from error


def _end_of_lines(file: IO[bytes]) -> int:
    """Where the last whole line of a file ends: a process that was killed may have written a part of one more."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(end - _BLOCK, 0)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
