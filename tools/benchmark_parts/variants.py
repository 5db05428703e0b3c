"""The variants of a benchmark: one config and one set of weights, and a file from each exporter."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
import onnx
import torch

from mmonnx.environment import compat
from mmonnx.graph.simplifier import count_nodes
from mmonnx.loading import LoadOptions, Task, load
from mmonnx.loading.config import read_config
from mmonnx.runtime.engines import find_engine
from mmonnx.support.errors import InputError

from .build import BUILDERS, UPSTREAMS
from .peers import peer_of
from .proposals import score_limit

OURS = "mmonnx"
WINOGRAD = "winograd"
"""Ours with ``--winograd``."""
_EVERYWHERE = (OURS, WINOGRAD, "mmdeploy")
_BASES = ("mask", "upstream", "mmdeploy")
"""What the others are compared with, the first one that there is."""
OPENVINO = "openvino"
_TOOLS = Path(__file__).resolve().parent.parent
_TIMEOUT = 3600.0


def names(task: Task) -> Tuple[str, ...]:
    """The variants that there are of a model, for the installed generation of OpenMMLab's.

    Only the detectors of mmdet 2.x have an ONNX form of their own, and those of two stages several.
    """
    if task.codebase != "mmdet" or compat.is_second_generation():
        return _EVERYWHERE
    return (*UPSTREAMS, *_EVERYWHERE) if _has_two_stages(task) else ("upstream", *_EVERYWHERE)


def base(variants: Iterable[str]) -> str:
    """Which of some variants the others are compared with: upstream's own form, or mmdeploy's where there is none."""
    known = set(variants)
    return next((name for name in _BASES if name in known), _BASES[-1])


@dataclass(frozen=True)
class Model:
    """What every variant is made from.

    Attributes:
        task: the model, with PyTorch's own inference.
        config: path of the config, with what the benchmark changes in it.
        weights: path of the checkpoint.
        limit: the score below which the RPN drops proposals, None where the config is unchanged.
    """

    task: Task
    config: str
    weights: str
    limit: Optional[float] = None


@dataclass(frozen=True)
class Variant:
    """One file, or why there is none.

    Attributes:
        name: in the tables.
        path: the file; None if it was not built.
        engine: the runtime that it is run in, empty for ONNX Runtime.
        library: of the operators that it needs beside ONNX's, None for none.
        error: why not, in one line.
        seconds: from the config to the simplified file, and ``memory_mb`` the most MiB held; None for a given file.
        nodes: with those of subgraphs.
        size_mb: of the file, in MiB.
        note: what is to be known about it.
    """

    name: str
    path: Optional[str] = None
    engine: str = ""
    library: Optional[str] = None
    error: str = ""
    seconds: Optional[float] = None
    memory_mb: Optional[float] = None
    nodes: Optional[int] = None
    size_mb: Optional[float] = None
    note: str = ""


def prepare(
    config: str,
    checkpoint: Optional[str],
    pictures: Sequence[np.ndarray],
    shapes: Sequence[Tuple[int, int]],
    proposals: Optional[int],
    folder: Path,
) -> Model:
    """Load the model, and write the config and the weights that all variants are made from into a folder.

    Args:
        config: a config's path, or ``mmdet::...``, ``mmseg::...`` for one inside of a package.
        checkpoint: its weights, None for seeded random ones.
        pictures: BGR uint8 (H, W, 3) of the benchmark.
        shapes: (height, width) of the benchmark; the first one is traced with.
        proposals: how many proposals are to be left in the first picture, about; None for as many as there are.
        folder: where to.

    Raises:
        InputError: something that the user gave is wrong.
        ExportError: the model cannot be built.
    """
    options = LoadOptions(shape=shapes[0], dynamic=True)
    task = load(config, checkpoint, options)
    model: Any = getattr(task.module, "model", None)
    peer_of(task.codebase, task.output_names)  # refuses what nobody can be compared on
    if proposals is not None and not _has_two_stages(task):
        raise InputError(
            f"{task.title} has no RPN and RoI head, and no proposals",
            "a two-stage detector of mmdet for --proposals",
            "leave it out",
        )
    path, weights = str(folder / Path(config.split("::")[-1]).name), str(folder / "weights.pth")
    settings, limit = read_config(config), None
    if proposals is not None:
        limit = score_limit(task, pictures[0], shapes, proposals)
        (settings.model.get("test_cfg") or settings.test_cfg).rpn.nms["score_threshold"] = limit
    settings.dump(path)
    classes = tuple(task.classes or ())
    meta: Dict[str, Any] = {"CLASSES": classes, "dataset_meta": {"classes": classes}} if classes else {}
    if classes and task.palette:
        meta["PALETTE"] = [list(colour) for colour in task.palette]
    torch.save({"state_dict": model.state_dict(), "meta": meta}, weights)
    again = replace(options, trust_checkpoint=True)  # it is our own
    return Model(task if limit is None else load(path, weights, again), path, weights, limit)


def build_variant(name: str, model: Model, folder: Path, python: Optional[str] = None) -> Variant:
    """Export one variant in a process of its own; whatever becomes of it, this returns.

    Args:
        name: one of :func:`names`.
        model: what to export.
        folder: where to.
        python: the interpreter to run it with; this one if None.
    """
    request: Dict[str, Any] = {
        "variant": name,
        "config": model.config,
        "weights": model.weights,
        "codebase": model.task.codebase,
        "shape": list(model.task.shape),
        "outputs": model.task.output_names,
        "model": str(folder / f"{name}.onnx"),
        "answer": str(folder / f"{name}.answer.json"),
    }
    source, log = folder / f"{name}.request.json", folder / f"{name}.log"
    source.write_text(json.dumps(request), encoding="utf-8")
    command = [python or sys.executable, "-W", "ignore", "-m", "benchmark_parts.build", str(source)]
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                command, env=_environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=_TIMEOUT
            )
        except subprocess.TimeoutExpired:
            return Variant(name, error=f"not done after {_TIMEOUT:.0f} s")
        except OSError as error:
            return Variant(name, error=f"{command[0]} cannot be run: {error.strerror or error}")
    if done.returncode:
        return Variant(name, error=_reason(done.returncode, log))
    answer = json.loads(Path(request["answer"]).read_text(encoding="utf-8"))
    return Variant(name, **answer) if "error" in answer else given_file(name, request["model"], **answer)


def given_file(name: str, path: str, **facts: Any) -> Variant:
    """The variant of a file that is there; ``facts`` are further attributes."""
    try:
        nodes = count_nodes(onnx.load(path, load_external_data=False))
    except Exception as error:  # protobuf's own
        return Variant(name, error=f"no ONNX file ({type(error).__name__})")
    return Variant(name, path, nodes=nodes, size_mb=os.path.getsize(path) / 1024.0**2, **facts)


def other_files(paths: Sequence[str]) -> List[Variant]:
    """The files of ``--also``, by their names without the suffix.

    Raises:
        InputError: a file does not exist, or two have one name.
    """
    found: Dict[str, Variant] = {}
    for path in paths:
        name = Path(path).stem
        if not os.path.isfile(path):
            raise InputError(f"--also {path!r} does not exist", "an ONNX file", "check the path")
        if name in found or name in BUILDERS:
            raise InputError(f"--also {path!r}: there is another {name!r}", "a name of its own", "rename the file")
        found[name] = given_file(name, path)
    return list(found.values())


def has_openvino() -> bool:
    """Whether it is installed."""
    try:
        find_engine(OPENVINO).version()
    except InputError:
        return False
    return True


def in_openvino(ours: Variant) -> Variant:
    """Our own file, run in OpenVINO."""
    if not ours.path:
        return Variant(OPENVINO, error=ours.error)
    return replace(ours, name=OPENVINO, engine=OPENVINO, seconds=None, memory_mb=None, note="mmonnx's file")


def _has_two_stages(task: Task) -> bool:
    model: Any = getattr(task.module, "model", None)
    return hasattr(model, "roi_head") and hasattr(model, "rpn_head")


def _environment() -> Dict[str, str]:
    """This process's environment, in which the child finds these tools and this mmonnx."""
    paths = [str(_TOOLS), str(_TOOLS.parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _reason(status: int, log: Path) -> str:
    """Why a child died before it could say so."""
    if status < 0:
        return f"the export died from {signal.Signals(-status).name}"
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else f"exit status {status}"
