"""Many inputs, in processes that may die: each is forked from this one, which has everything imported already."""

import contextlib
import gc
import json
import os
import random
import resource
import select
import shutil
import signal
import time
import traceback
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional

from fuzz_parts import judge
from fuzz_parts.corpus import Corpus
from fuzz_parts.entries import ENTRIES, INTACT, entry_of

_RECYCLE = 250
"""Inputs after which a process is replaced, so that what leaks does not add up."""


class Limits(NamedTuple):
    """What one input may use: seconds, and GiB of memory beyond what is there before."""

    seconds: float = 60.0
    gigabytes: float = 2.0


class Finding(NamedTuple):
    """An input, by which it can be made again, and how it ended."""

    index: int
    entry: str
    argv: List[str]
    status: int
    problem: Optional[str]
    line: str
    seconds: float


def fuzz(
    corpus: Corpus,
    work: Path,
    seed: int,
    indices: List[int],
    entry: Optional[str] = None,
    limits: Optional[Limits] = None,
) -> Iterator[Finding]:
    """Run inputs one after the other.

    Args:
        corpus: the sound files.
        work: a folder for the inputs; each one's is removed when it is over.
        seed: with an index, it decides all of an input.
        indices: the inputs.
        entry: run this entry point alone.
        limits: of one input; a minute and 2 GiB if None.

    Yields:
        How each one ended; ``problem`` is None where it ended as it should.
    """
    left, limits = list(indices), limits or Limits()
    while left:
        batch = left[:_RECYCLE]
        done = 0
        for finding in _process(corpus, work, seed, batch, entry, limits):
            done += 1
            yield finding
        left = left[done:]


def one(corpus: Corpus, work: Path, seed: int, index: int, entry: Optional[str] = None) -> Finding:
    """Make and run one input in this process."""
    rng = random.Random(f"{seed} {index} {entry}")
    name = entry or entry_of(rng)
    place = work / str(index)
    folder = place / "in"
    folder.mkdir(parents=True)
    started = time.monotonic()
    try:
        argv = ENTRIES[name].make(rng, corpus, folder)
        found = judge.run(argv, folder, corpus.expected if INTACT in argv else None)
    finally:
        shutil.rmtree(str(place), ignore_errors=True)
    return Finding(index, name, argv, *found, time.monotonic() - started)


def _process(
    corpus: Corpus, work: Path, seed: int, indices: List[int], entry: Optional[str], limits: Limits
) -> Iterator[Finding]:
    """Run inputs in a forked process until one kills it or takes too long, which is a finding as well."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _serve(lambda index: one(corpus, work, seed, index, entry), indices, writer, limits)
    os.close(writer)
    try:
        for index in indices:
            line = _line(reader, limits.seconds)
            if line is None:
                rng = random.Random(f"{seed} {index} {entry}")
                problem, child = _end(child), 0
                shutil.rmtree(str(work / str(index)), ignore_errors=True)
                yield Finding(index, entry or entry_of(rng), [], -1, problem, "", limits.seconds)
                return
            yield Finding(**json.loads(line))
    finally:
        os.close(reader)
        if child:
            _end(child)


def _serve(run: Callable[[int], Finding], indices: List[int], writer: int, limits: Limits) -> None:
    """The forked process: a line of JSON for each input."""
    # Garbage of the process before must not be ended here: a session of ONNX Runtime waits forever for threads that a
    # fork does not have.
    gc.freeze()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with limited(limits.gigabytes):
            for index in indices:
                line = json.dumps(run(index)._asdict()) + "\n"
                os.write(writer, line.encode())
    except BaseException:  # of the fuzzer's own
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


@contextlib.contextmanager
def limited(gigabytes: float) -> Iterator[None]:
    """Let this process have no more than this much memory beyond what it has."""
    former = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_size() + int(gigabytes * 2**30), former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, former)


def _size() -> int:
    """Bytes of the address space of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _line(reader: int, seconds: float) -> Optional[str]:
    """A line from a pipe; None if the writer is gone, or silent for too long."""
    data = b""
    deadline = time.monotonic() + seconds
    while not data.endswith(b"\n"):
        ready = select.select([reader], [], [], max(deadline - time.monotonic(), 0))[0]
        piece = os.read(reader, 1) if ready else b""
        if not piece:
            return None
        data += piece
    return data.decode()


def _end(child: int) -> str:
    """End a process; what it died of."""
    ended, status = os.waitpid(child, os.WNOHANG)
    for _ in range(20):
        if ended:
            break
        time.sleep(0.05)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "it did not end in time"
    if os.WIFSIGNALED(status):
        return f"it died from {signal.Signals(os.WTERMSIG(status)).name}"
    return f"it left with status {os.WEXITSTATUS(status)}"


def totals(findings: List[Finding]) -> Dict[str, Dict[str, int]]:
    """How many inputs of each entry point ended with which status, and how many were wrong."""
    found: Dict[str, Dict[str, int]] = {}
    for finding in findings:
        row = found.setdefault(finding.entry, {"inputs": 0, "0": 0, "1": 0, "2": 0, "wrong": 0})
        row["inputs"] += 1
        row["wrong"] += finding.problem is not None
        if finding.problem is None:
            row[str(finding.status)] += 1
    return found
