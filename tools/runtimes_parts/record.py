"""The file of runs: what a run found goes in, what it did not look at stays."""

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from mmonnx.graph.kinds import parts_of
from mmonnx.support.atomic import replacing

from .models import Model

Entry = Dict[str, Any]
"""A model of the file, see ``mmonnx.targets.ModelRuns``."""


def read(path: Path) -> Dict[str, Entry]:
    """The models of a file by their names; none where there is no file."""
    found = json.loads(path.read_text(encoding="utf-8"))["models"] if path.exists() else []
    return {entry["name"]: entry for entry in found}


def merged(known: Entry, model: Model, config_text: str, runs: Mapping[str, Any]) -> Entry:
    """A model's entry with new runs in the place of those in the same runtimes.

    Args:
        known: the entry as it was; empty for none. What is known of another config tells nothing of this one.
        model: the model.
        config_text: its config, as an export writes it into the file; empty to keep the parts that are known.
        runs: by target, see ``mmonnx.targets.Run``.
    """
    known = known if known.get("config") == model.config else {}
    return {
        "name": model.name,
        "title": model.title,
        "config": model.config,
        "weights": model.weights,
        "parts": parts_of(config_text) if config_text else known.get("parts", {}),
        "runs": {**known.get("runs", {}), **runs},
    }


def write(path: Path, entries: Mapping[str, Entry], order: Sequence[str], targets: Sequence[str]) -> None:
    """Put the file in place, its models and their runtimes in these orders."""
    models: List[Entry] = []
    for name in order:
        if name in entries:
            runs = entries[name]["runs"]
            models.append({**entries[name], "runs": {key: runs[key] for key in targets if key in runs}})
    about = "Made by tools/runtimes.py, which says how; do not edit."
    with replacing(path) as temporary:
        text = json.dumps({"about": about, "models": models}, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
