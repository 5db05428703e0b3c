"""A runtime in a child process: where it dies, mmonnx does not, and the next run starts it again."""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import weakref
from typing import IO, Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from .worker import receive, send

Arrays = Dict[str, np.ndarray]

_NOISE = re.compile(r"\x1b\[[0-9;]*m|\[\d{4}-\d\d-\d\d [0-9:.]+\]")
"""Colours, and times, which would make two errors of one kind differ."""


PATIENCE = 1800.0
"""Seconds after which a runtime that gives no answer is killed. The slowest one seen, of a large model that OpenVINO
compiles, took one."""


class EngineError(RuntimeError):
    """A runtime does not load or run a file, or died from it: one line."""


class EngineDeathError(EngineError):
    """A runtime's process ended in the place of an answer, of itself or because it gave none."""


class MissingEngineError(Exception):
    """The runtime is not installed: what its import said."""


class Child:
    """A runtime with a file in a process of its own, which ends with this object.

    Args:
        command: what starts it, see ``worker``.
        path: the file; empty to ask for the version alone.
        inputs, outputs: the names of the file's.

    Attributes:
        version: the runtime's.

    Raises:
        MissingEngineError: the runtime is not there.
        EngineError: it does not load the file, dies from it, or gives no answer, for which it is killed.
    """

    def __init__(
        self, command: Sequence[str], path: str = "", inputs: Sequence[str] = (), outputs: Sequence[str] = ()
    ) -> None:
        options = json.dumps({"inputs": list(inputs), "outputs": list(outputs)})
        self._command = [*command, *([path, options] if path else [])]
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._printed: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # for as long as the process
        self.version = self._start()
        if path:
            self._answer()

    def run(self, feeds: Arrays) -> Arrays:
        """The outputs by name; EngineError where the runtime refuses or dies."""
        if self._process is None:
            self._start()
            self._answer()
        assert self._process is not None and self._process.stdin is not None
        try:
            with self._patiently():
                send(self._process.stdin, {}, feeds)
        except OSError:  # it died before
            raise self._died() from None
        return self._answer()[1]

    def _start(self) -> str:
        """Start it; the version."""
        try:
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._printed
            )
        except OSError as error:
            raise MissingEngineError(f"{self._command[0]}: {error.strerror}") from error
        self._process, self._end, self._was_late = process, weakref.finalize(self, _end, process), False
        header, _ = self._answer()
        if "missing" in header:
            raise MissingEngineError(header["missing"])
        return str(header["version"])

    def _answer(self) -> Tuple[Dict[str, Any], Arrays]:
        """Its next message."""
        assert self._process is not None and self._process.stdout is not None
        try:
            with self._patiently():
                header, arrays = receive(self._process.stdout)
        except EOFError:
            raise self._died() from None
        if "error" in header:
            raise EngineError(header["error"] + self._last_words())
        return header, arrays

    @contextlib.contextmanager
    def _patiently(self) -> Iterator[None]:
        """Kill it where what is done meanwhile takes too long; who waits then sees that it has ended."""
        assert self._process is not None
        timer = threading.Timer(PATIENCE, self._give_up, [self._process])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _give_up(self, process: "subprocess.Popen[bytes]") -> None:
        self._was_late = True
        process.kill()

    def _died(self) -> EngineDeathError:
        """What it died from; it is gone then."""
        assert self._process is not None
        status = self._process.wait()
        self._process = None
        self._end()
        if self._was_late:
            return EngineDeathError(f"gave no answer within {PATIENCE:g} s, and was killed")
        return EngineDeathError(f"died from {_signal(-status)}" if status < 0 else f"ended with status {status}")

    def _last_words(self) -> str:
        """The last line that it printed, in brackets, empty if it printed nothing."""
        self._printed.seek(0)
        text = _NOISE.sub("", self._printed.read().decode(errors="replace"))
        lines: List[str] = [line.strip() for line in text.splitlines()]
        last = next((line for line in reversed(lines) if line), "")
        return f" (it printed: {last[:200]})" if last else ""


def _signal(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # something was still to be written
            if stream is not None:
                stream.close()
    process.wait()


HERE = os.path.dirname(os.path.abspath(__file__))
