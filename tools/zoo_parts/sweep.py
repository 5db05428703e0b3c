"""Sweeping: each config in a process of its own, the results as JSON lines that a stopped sweep goes on from."""

import datetime
import json
import os
import sys
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from .process import Limits, run_limited
from .selection import Entry, shape_of

Record = Dict[str, Any]
"""One result: ``codebase``, ``family``, ``config``, ``reached``, ``ok``, ``cause``, ``seconds``, ``date``,
``versions``; where it came so far also ``matched``, ``total``, ``nodes``, ``dynamic``, ``notes``; ``like``: the config
of the same model that it is the result of."""
_TOOLS = Path(__file__).resolve().parent.parent
_MAX_CAUSE = 300


@dataclass(frozen=True)
class Sweep:
    """How to sweep.

    Attributes:
        limits: of each child.
        jobs: children at a time.
        versions: what the results are true of, for the records.
        target: the runtime that the files are for and are run in; empty for ONNX Runtime, against PyTorch.
    """

    limits: Limits
    jobs: int
    versions: Dict[str, str]
    target: str = ""

    def run(self, entries: Sequence[Entry]) -> Iterator[Record]:
        """Sweep; the results as they come. Closing the iterator, or Ctrl-C, ends the children."""
        stop = Event()
        todo = iter(entries)
        with ThreadPoolExecutor(max_workers=self.jobs) as pool:
            running = {pool.submit(self._one, entry, stop) for _, entry in zip(range(self.jobs), todo)}
            try:
                while running:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        running |= _next(pool, self._one, todo, stop)
                        yield future.result()
            finally:
                stop.set()

    def _one(self, entry: Entry, stop: Event) -> Record:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="mmonnx-") as folder:
            answer, problem = _run_child(entry, Path(folder), self.limits, stop, self.target)
        record: Record = {"codebase": entry.codebase, "family": entry.family, "config": entry.config, **answer}
        if problem:
            record.update(ok=False, cause=problem)
        record["cause"] = record["cause"][:_MAX_CAUSE]
        record["seconds"] = round(time.monotonic() - started, 1)
        record["date"] = datetime.date.today().isoformat()
        record["versions"] = self.versions
        return record


def _next(pool: ThreadPoolExecutor, one: Any, todo: Iterator[Entry], stop: Event) -> "set[Future[Record]]":
    entry = next(todo, None)
    return set() if entry is None else {pool.submit(one, entry, stop)}


def _run_child(entry: Entry, folder: Path, limits: Limits, stop: Event, target: str) -> Tuple[Record, Optional[str]]:
    """What the child left, and why it came to no good end."""
    request, answer = folder / "request.json", folder / "answer.json"
    content = {
        "config": entry.config,
        "shape": shape_of(entry),
        "model": str(folder / "model.onnx"),
        "answer": str(answer),
        "target": target,
    }
    request.write_text(json.dumps(content), encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(_TOOLS), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "zoo_parts.child", str(request)]
    problem = run_limited(command, limits, folder / "log.txt", stop, {**os.environ, "PYTHONPATH": path})
    if answer.exists():
        return json.loads(answer.read_text(encoding="utf-8")), problem
    return {"reached": "nothing", "ok": False, "cause": "no answer"}, problem


def read_records(path: Path) -> List[Record]:
    """The results in a file, the latest of each config; a line that was cut off is as if it were not there."""
    found: Dict[str, Record] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        found[record["config"]] = record
    return list(found.values())


def append(path: Path, record: Record) -> None:
    """Add a result to a file; it is on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cut_off = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * cut_off + json.dumps(record) + "\n")
        file.flush()
        os.fsync(file.fileno())
