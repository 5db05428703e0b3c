"""Steps: a line each on the terminal, the commands' output in a log, the way out when one fails."""

import re
import subprocess
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, List, Union

from bootstrap_parts.stacks import Failure

Action = Union[List[Any], Callable[[], None]]
LOG_LINES = 15
WAYS_OUT = (
    (r"No space left on device", "free some disk space"),
    (r"Python\.h: No such file", "install Python's headers (Debian: python3-dev)"),
    (r"undefined symbol", "delete the wheel in the cache folder (~/.cache/mmonnx/wheels)"),
    (r"Killed signal|out of memory|Cannot allocate memory", "give it more memory, or set MAX_JOBS=1"),
    (
        r"No matching distribution|Could not find a version|NewConnectionError|Connection refused|timed out|ProxyError"
        r"|SSLError|name resolution|unreachable",
        "see that pip reaches its package index (`pip config list`, network, proxy)",
    ),
)


class Steps:
    """Runs the steps of a build.

    Args:
        total: how many there will be.
        log: the file for the output; what an earlier build left there goes.
        environment: the environment variables of the commands.
    """

    def __init__(self, total: int, log: Path, environment: Dict[str, str]) -> None:
        self.total, self.log, self.environment, self.count = total, log, environment, 0
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")

    def __call__(self, title: str, *actions: Action) -> None:
        """Run one step's actions: commands, or functions without arguments.

        Raises:
            Failure: one of them failed; the log's last lines are on the terminal by then.
        """
        self.count += 1
        print(f"[{self.count}/{self.total}] {title} ... ", end="", flush=True)
        start = time.monotonic()
        for action in actions:
            position = self.log.stat().st_size
            problem = self._run(action)
            if problem:
                print(f"failed after {time.monotonic() - start:.0f} s", flush=True)
                text = self.log.read_bytes()[position:].decode(errors="replace")
                print("\n".join("    " + line for line in text.splitlines()[-LOG_LINES:]), flush=True)
                fix = next((fix for sign, fix in WAYS_OUT if re.search(sign, text)), "fix what the log says")
                raise Failure(f"{problem}; all of the output: {self.log}", f"{fix}, then run this again")
        print(f"{time.monotonic() - start:.0f} s", flush=True)

    def _run(self, action: Action) -> str:
        """Run one action; returns what went wrong, or an empty string."""
        with self.log.open("a", encoding="utf-8") as log:
            try:
                if callable(action):
                    action()
                    return ""
                command = [str(word) for word in action]
                log.write("$ " + " ".join(command) + "\n")
                log.flush()
                status = subprocess.call(command, stdout=log, stderr=log, env=self.environment)
                return f"a command ended with status {status}" if status else ""
            except Exception as error:  # whatever it is, it belongs in the log, and its line on the terminal
                traceback.print_exc(file=log)
                return f"{type(error).__name__}: {error}"
