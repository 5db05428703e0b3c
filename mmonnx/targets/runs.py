"""What became of some models' files in other runtimes: the runs that ``tools/runtimes.py`` keeps in ``runs.json``."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional

RUNS = Path(__file__).resolve().with_name("runs.json")
EQUAL, DIFFERS, FAILS, DIES, REFUSED = VERDICTS = ("equal", "differs", "fails", "dies", "refused")
"""Of a file in a runtime: PyTorch's answers on every picture; others on one at least; an error in the place of an
answer; the end of its process; no file, as the target's check refuses it by name, or one that the runtime does not
load."""


@dataclass(frozen=True)
class Outcome:
    """What became of one file in a runtime.

    Attributes:
        verdict: one of ``VERDICTS``.
        matched, total: answers that are PyTorch's, of how many; 0 where none were given.
        detail: on which picture it was not equal, and how; empty where it was.
    """

    verdict: str
    matched: int = 0
    total: int = 0
    detail: str = ""

    @property
    def told(self) -> str:
        """The verdict with the figures that it is about."""
        return f"{self.verdict}, {self.matched} of {self.total}" if self.verdict == DIFFERS else self.verdict


@dataclass(frozen=True)
class Run:
    """What became of a model in a runtime.

    Attributes:
        version: the runtime's; empty where ``source`` does not tell it.
        date: of the run, as ISO 8601 has it.
        mmonnx: the version that wrote the files.
        default: what became of the file that is for no runtime but ONNX Runtime; None where that was not run.
        target: what became of the file of ``--target``; None where that was not run.
        source: the page that tells of it, where it is not a run of the tool's own.
    """

    version: str
    date: str
    mmonnx: str
    default: Optional[Outcome] = None
    target: Optional[Outcome] = None
    source: str = ""

    def told(self, name: str) -> str:
        """Both in a line; ``name`` is the target's."""
        if self.default == self.target or (self.default and self.target and self.default.told == self.target.told):
            return self.default.told if self.default else "not run"
        parts = ((f"with --target {name}", self.target), ("default file", self.default))
        return "; ".join(f"{what}: {outcome.told}" for what, outcome in parts if outcome)


@dataclass(frozen=True)
class ModelRuns:
    """A model, and what became of it in each runtime.

    Attributes:
        name: what the tool calls it.
        title: how pages call it.
        config: as ``mmonnx export`` takes it.
        weights: ``trained`` or ``random``.
        parts: the types that its config names, by their places, see ``graph.parts_of``.
        runs: by target; those alone that were run.
    """

    name: str
    title: str
    config: str
    weights: str
    parts: Dict[str, str] = field(default_factory=dict)
    runs: Dict[str, Run] = field(default_factory=dict)


def recorded(path: Path = RUNS) -> List[ModelRuns]:
    """The models of a file of runs, in its order."""
    return [_model(entry) for entry in json.loads(path.read_text(encoding="utf-8"))["models"]]


def _model(entry: Dict[str, Any]) -> ModelRuns:
    return ModelRuns(**{**entry, "runs": {name: _run(run) for name, run in entry["runs"].items()}})


def _run(entry: Dict[str, Any]) -> Run:
    files = {name: Outcome(**entry[name]) if entry.get(name) else None for name in ("default", "target")}
    return Run(**{**entry, **files})
