"""Of what kind a file's model is, by the config that is in it, and what became of such a model in other runtimes."""

import ast
import io
import re
import tokenize
from dataclasses import asdict
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ..runtime import DEFAULT_RUNTIME, ENGINES, PREFIX
from ..targets import TARGETS, Run, recorded

_TRAINING = ("train_cfg", "init_cfg", "pretrained", "loss")
"""How the names begin of what a model has for its training alone."""
_DEPTH = "depth"
_LONGEST = 200_000
"""Characters of a config; real ones have a tenth of that."""
_TASKS = ("detection", "segmentation", "classification")
"""What the files that were run do; others of the same config give the network's raw outputs."""
_VALUES = (tokenize.STRING, tokenize.NUMBER, tokenize.NAME)


def parts_of(config_text: str) -> Dict[str, str]:
    """The types that a config's model is made of, and the depths of its networks, by their places.

    The text is taken apart and not executed: ``{"type": "FasterRCNN", "backbone.type": "ResNet", "backbone.depth":
    "50", ...}``. Empty where there is no such model in it.
    """
    found = re.search(r"^model *= *(?=dict *\(|\{)", config_text, re.M)
    if not found or len(config_text) > _LONGEST:
        return {}
    try:
        return dict(_settings(config_text[found.end() :]))
    except (tokenize.TokenError, SyntaxError, ValueError, IndexError):
        return {}


def _settings(text: str) -> Iterator[Tuple[str, str]]:
    """The types and depths in ``dict(...)`` or ``{...}``, by the names that lead to them."""
    path: List[str] = []
    key = last = ""
    for kind, word, *_ in tokenize.generate_tokens(io.StringIO(text).readline):
        if kind == tokenize.ERRORTOKEN:
            raise ValueError(word)
        if word in ("(", "[", "{"):
            path.append(key)
            # items of a list or tuple have numbers; a name before a bracket is a call's
            key = "0" if word == "[" or (word == "(" and not last) else ""
        elif word in (")", "]", "}"):
            key = path.pop()
            if not path:
                return
        elif word == ",":
            key = str(int(key) + 1) if key.isdigit() else ""
        elif word in ("=", ":"):
            key = last
        elif kind in _VALUES and key in ("type", _DEPTH) and not _is_training(path):
            value = _plain(kind, word)
            # a type without its scope, or the module of a class that a lazy config has imported
            yield ".".join([*path[1:], key]), value.rpartition(".")[2] if key == "type" else value
        last = _plain(kind, word) if kind in _VALUES else ""


def _plain(kind: int, word: str) -> str:
    return str(ast.literal_eval(word)) if kind == tokenize.STRING else word


def _is_training(path: List[str]) -> bool:
    return any(name.startswith(_TRAINING) for name in path)


def runs_of(metadata: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """What became of a model of the same kind in other runtimes, as JSON holds it; None where none was run.

    Of the same kind is a model all of whose parts have the same types, whatever its depth, its classes and its weights.
    Of several, that with the file's own config goes first, then that of the same depth.

    Args:
        metadata: the file's own.

    Returns:
        ``title``, ``config`` and ``weights`` of that model, and ``runtimes``, by target: ``told`` is the run in a line,
        with the reason where a file such as this one was not equal; the others are those of ``targets.Run``.
    """
    parts = parts_of(str(metadata.get(PREFIX + "config_text", "")))
    alike = [row for row in recorded() if parts and _types(row.parts) == _types(parts)]
    if not alike or metadata.get(PREFIX + "task") not in _TASKS:
        return None
    config, own = metadata.get(PREFIX + "config"), str(metadata.get(PREFIX + "target"))
    row = max(alike, key=lambda one: (one.config == config, len(one.parts.items() & parts.items())))
    runs = {name: {"told": _told(name, run, own), **asdict(run)} for name, run in row.runs.items()}
    return {"title": row.title, "config": row.config, "weights": row.weights, "runtimes": runs}


def _types(parts: Mapping[str, str]) -> Dict[str, str]:
    return {name: value for name, value in parts.items() if not name.endswith(_DEPTH)}


def _told(name: str, run: Run, own: str) -> str:
    """A run in a line; why it was not equal, if the file is the one of the two that was not: ``own`` is its target."""
    by = run.source or f"{ENGINES[TARGETS[name].engine].title} {run.version}"
    outcome = {name: run.target, DEFAULT_RUNTIME: run.default}.get(own)
    why = f": {outcome.detail}" if outcome and outcome.detail else ""
    return f"{run.told(name)} ({by}, {run.date}){why}"
