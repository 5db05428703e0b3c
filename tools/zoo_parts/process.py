"""A process that may hang, crash or eat all memory, without harm to the one that started it."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Dict, List, Optional, Sequence

_POLL = 0.5
_PROC = Path("/proc")


@dataclass(frozen=True)
class Limits:
    """What one process may use, those that it starts included.

    Attributes:
        seconds: of wall time.
        gigabytes: GiB of resident memory; counted on Linux alone.
    """

    seconds: float
    gigabytes: float


def run_limited(
    command: Sequence[str], limits: Limits, log: Path, stop: Event, env: Optional[Dict[str, str]] = None
) -> Optional[str]:
    """Run a command to its end, or to that of its limits; nothing that it started is left.

    Args:
        command: the command line.
        limits: when it is ended.
        log: the file that its outputs go to.
        stop: ends it when it is set.
        env: its environment, None for this one's.

    Returns:
        Why it came to no good end, in one line; None if it ended with status 0.
    """
    deadline = time.monotonic() + limits.seconds
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, env=env
        )
        try:
            while process.poll() is None:
                if stop.is_set():
                    return "stopped"
                if time.monotonic() > deadline:
                    return f"no result after {limits.seconds:g} s"
                if sum(map(_resident, tree(process.pid))) > limits.gigabytes * 2**30:
                    return f"more than {limits.gigabytes:g} GiB of memory"
                _wait(process)
        finally:
            _end(process)
    if process.returncode < 0:
        return f"died from {signal.Signals(-process.returncode).name}"
    return f"exit status {process.returncode}: {_last_line(log)}" if process.returncode else None


def tree(pid: int) -> List[int]:
    """A process and all that descend from it; those alone that can be told (on Linux, all)."""
    children: Dict[int, List[int]] = {}
    for entry in _PROC.glob("[0-9]*") if _PROC.is_dir() else ():
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):  # it has ended meanwhile
            continue
        children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found.extend(children.get(one, ()))
    return found


def _wait(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(_POLL)
    except subprocess.TimeoutExpired:
        return


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds, 0 where that cannot be told."""
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its descendants, if it still runs; those with a session of their own, too."""
    if process.poll() is not None:
        return
    os.kill(process.pid, signal.SIGSTOP)  # so that it starts no more
    for pid in tree(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "nothing was printed"
