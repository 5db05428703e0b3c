"""A model in a process of its own, which a runtime or an export may take down."""

import json
import os
import sys
from pathlib import Path
from threading import Event
from typing import Any, Dict, Sequence

from zoo_parts.process import Limits, run_limited

from mmonnx.runtime.engines import ENGINES
from mmonnx.support.errors import ExportError
from mmonnx.targets import TARGETS

from .models import Model

_TOOLS = Path(__file__).resolve().parents[1]
_OWN = ("config_text", "now")
"""Keys of a child's answer that are no runtimes."""


def run_apart(model: Model, runtimes: Sequence[str], limits: Limits, folder: Path, stop: Event) -> Dict[str, Any]:
    """What became of a model in runtimes: by runtime, what ``child`` tells; and ``config_text``.

    Args:
        model: the model.
        runtimes: targets, whose runtimes are installed.
        limits: of the child.
        folder: for its files.
        stop: ends it when it is set.

    Raises:
        ExportError: the model came to no runtime.
    """
    request, answer = folder / "request.json", folder / "answer.json"
    content = {"model": model.name, "runtimes": list(runtimes), "answer": str(answer)}
    request.write_text(json.dumps(content), encoding="utf-8")
    command = [sys.executable, "-m", "runtimes_parts.child", str(request)]
    problem = run_limited(command, limits, folder / "log.txt", stop, environment())
    found = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else {}
    at_work = found.get("now", {}).get("runtime")
    if not at_work and problem:
        raise ExportError(f"{model.name} came to no runtime: {problem}", "a default file", "export it by itself")
    text = found["config_text"]["text"]
    runs = {name: run for name, run in found.items() if name not in _OWN}
    for name in [] if not problem else runtimes[runtimes.index(at_work) :]:
        runs[name] = {"problem": problem if name == at_work else f"not run, after {at_work}: {problem}"}
    return {"config_text": text, "runs": runs}


def environment() -> Dict[str, str]:
    """A child's: no runtime is in its own process, where one that dies would take the others with it."""
    path = os.pathsep.join(filter(None, [str(_TOOLS), str(_TOOLS.parent), os.environ.get("PYTHONPATH")]))
    apart = {
        ENGINES[target.engine].variable: sys.executable
        for target in TARGETS.values()
        if target.engine in ENGINES and not ENGINES[target.engine].apart
    }
    return {**apart, **os.environ, "PYTHONPATH": path}
