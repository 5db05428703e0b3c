"""One model, exported and run in runtimes, in a process of its own: ``python -m runtimes_parts.child REQUEST.json``.

What it finds is in the file ``answer`` as JSON, anew after every runtime, so that it is known how far a child came
that was killed.
"""

import io
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Sequence, Tuple

import onnx

from mmonnx import loading, pipeline
from mmonnx.exporting.settings import Exported, ExportSettings
from mmonnx.loading.task import Task
from mmonnx.support.errors import ExportError, first_line
from mmonnx.targets import TARGETS
from mmonnx.targets.runs import REFUSED, Outcome
from mmonnx.terminal.report import Report
from mmonnx.verifying.cases import make_cases

from .judging import as_data, judged, shortened
from .models import MODELS, Model

DEFAULT = "onnxruntime"

Tell = Callable[[str, Dict[str, Any]], None]
"""Is called with a key and what is known of it: ``config_text``, ``now`` (the runtime that is at work), or a runtime,
with ``default`` and ``target`` or, where nothing can be said of it, ``problem``."""


@dataclass
class _Files:
    """The files of one model, by target."""

    model: Model
    task: Task
    folder: Path

    def export(self, target: str) -> Exported:
        """Simplified, and not verified: that is what comes of it in the runtime."""
        settings = ExportSettings(
            self.model.config,
            self.model.checkpoint,
            str(self.folder / f"{target}.onnx"),
            self.model.options(),
            target=target,
            simplify=True,
        )
        return pipeline.export_task(self.task, settings, Report(io.StringIO()))


def run_model(model: Model, runtimes: Sequence[str], tell: Tell) -> None:
    """Export a model and run it in runtimes, which are installed.

    Args:
        model: the model.
        runtimes: names of targets that have an engine.
        tell: gets what is found, as it is found.
    """
    task = loading.load(model.config, model.checkpoint, model.options())
    tell("config_text", {"text": task.config_text})
    with tempfile.TemporaryDirectory(prefix="mmonnx-") as folder:
        files = _Files(model, task, Path(folder))
        default = files.export(DEFAULT)
        for name in runtimes:
            tell("now", {"runtime": name})
            try:
                first, second = _in_runtime(files, default, name)
            except Exception as error:  # the other runtimes still tell something
                tell(name, {"problem": shortened(f"{type(error).__name__}: {first_line(error)}")})
                continue
            tell(name, {"default": as_data(first), "target": as_data(second)})
        tell("now", {})


def _in_runtime(files: _Files, default: Exported, name: str) -> Tuple[Outcome, Outcome]:
    """What becomes of the default file and of the target's in a runtime."""
    engine = TARGETS[name].engine
    of_default = _judged(files.model, default, engine)
    try:
        exported = files.export(name)
    except ExportError as error:
        return of_default, Outcome(REFUSED, detail=shortened(first_line(error)))
    if _is_same(default.model, exported.model):
        return of_default, of_default
    return of_default, _judged(files.model, exported, engine)


def _judged(model: Model, exported: Exported, engine: str) -> Outcome:
    task, pictures = exported.task, [model.picture()] if model.picture else None
    return judged(task, make_cases(task, pictures, task.shape), exported.model, engine)


def _is_same(one: onnx.ModelProto, other: onnx.ModelProto) -> bool:
    """Whether two files are the same but for what they tell of themselves."""
    return one.graph == other.graph and list(one.opset_import) == list(other.opset_import)


def main(path: str) -> None:
    """Do what a request asks: ``model``, ``runtimes``, and ``answer``, the file to write."""
    request = json.loads(Path(path).read_text(encoding="utf-8"))
    answer: Dict[str, Any] = {}
    file = Path(request["answer"])

    def tell(key: str, found: Dict[str, Any]) -> None:
        answer[key] = found
        temporary = file.with_suffix(".part")
        temporary.write_text(json.dumps(answer), encoding="utf-8")
        os.replace(str(temporary), str(file))

    run_model(MODELS[request["model"]], request["runtimes"], tell)


if __name__ == "__main__":
    main(sys.argv[1])
