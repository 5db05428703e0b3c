"""Simplifying a graph, and believing the result only after it was run."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple, Union

import numpy as np
import onnx

from ..runtime import Session, large
from ..support import first_line
from .check import does_not_run
from .functions import opset_of, walk_nodes, with_functions, without_functions

Arrays = Dict[str, np.ndarray]
Agree = Callable[[Arrays, Arrays], Optional[str]]

_WORKER = str(Path(__file__).with_name("simplifier_worker.py"))

_START_SECONDS = 60.0
_NODE_SECONDS = 0.08

# In the order in which they are tried: name, and the command line to which the two files' paths are appended.
TOOLS: List[Tuple[str, Sequence[str]]] = [
    (name, (sys.executable, _WORKER, name)) for name in ("onnxsim", "onnxslim", "onnxruntime")
]


@dataclass(frozen=True)
class Simplified:
    """What came out.

    Attributes:
        model: the simplified model, or the one that went in.
        tool: the simplifier whose result this is; None if every one broke the model.
        rejected: the simplifiers whose result was refused, and why, in one line.
    """

    model: onnx.ModelProto
    tool: Optional[str]
    rejected: List[Tuple[str, str]] = field(default_factory=list)


class _Rejected(Exception):
    """A simplifier's result cannot be used; the message says why."""


class _Process:
    """A simplifier in a process of its own, which imports what it needs and waits for its file to be there."""

    def __init__(self, command: Sequence[str], source: str, target: str) -> None:
        self._target, self._log = target, Path(f"{target}.log")
        with self._log.open("wb") as log:
            # A session of its own: its children go with it when it is given up.
            self._process = subprocess.Popen(
                [*command, source, target], stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )

    def begin(self) -> None:
        """Let it read its file."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def result(self, timeout: float) -> onnx.ModelProto:
        """What it makes of the file; whatever becomes of it, it is gone afterwards.

        Raises:
            _Rejected: it failed, died, took too long or wrote nothing that can be read.
        """
        self.begin()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise _Rejected(f"no result after {timeout:.0f} s") from None
        finally:
            lines = self.end()
        status = self._process.returncode
        if status < 0:
            raise _Rejected(f"it died from {signal.Signals(-status).name}")
        if status:
            raise _Rejected(lines[-1][:200] if lines else f"exit status {status}")
        try:
            return onnx.load(self._target)
        except Exception as error:
            raise _Rejected(f"no readable result ({first_line(error)[:300]})") from error

    def end(self) -> List[str]:
        """End it and its children, if they still run; the lines that it has printed."""
        if self._process.poll() is None:
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
            self._process.wait()
        self.begin()
        lines = self._log.read_text(errors="replace").splitlines()
        return [line.strip() for line in lines if line.strip()]


class Workshop:
    """A folder to simplify in, and the first tool at hand in it: it imports while a model is still being traced."""

    def __init__(self) -> None:
        self._early: Dict[str, _Process] = {}

    def __enter__(self) -> "Workshop":
        self._folder = tempfile.TemporaryDirectory(prefix="mmonnx-")
        self._source = os.path.join(self._folder.name, "traced.onnx")
        tool, command = TOOLS[0]
        self._early[tool] = self._process(tool, command)
        return self

    def __exit__(self, *error: object) -> None:
        with self._folder:
            for process in self._early.values():
                process.end()

    def put(self, model: onnx.ModelProto) -> None:
        """Lay a model down for the tools; the first one begins."""
        large.save(model, self._source)
        for process in self._early.values():
            process.begin()

    def run(self, tool: str, command: Sequence[str], timeout: float) -> onnx.ModelProto:
        """What a tool makes of the model that was put there.

        Raises:
            _Rejected: it gives no result.
        """
        return (self._early.pop(tool, None) or self._process(tool, command)).result(timeout)

    def _process(self, tool: str, command: Sequence[str]) -> _Process:
        return _Process(command, self._source, os.path.join(self._folder.name, f"{tool}.onnx"))


def simplify(
    model: onnx.ModelProto,
    feeds: Sequence[Arrays],
    agree: Agree,
    notify: Optional[Callable[[str], None]] = None,
    timeout: Optional[float] = None,
    started: Optional[Callable[[str], None]] = None,
    workshop: Optional[Workshop] = None,
) -> Simplified:
    """Simplify a model with the first tool whose result still is the same model.

    A result is taken only if it passes the checker, has the inputs and outputs of the original with their symbolic
    axes, uses no operator domain that the original does not, runs in ONNX Runtime on every one of the feeds, and gives
    outputs that agree with the original's.

    Args:
        model: the model; it is not changed.
        feeds: the inputs to run both on, by name: every shape and batch that the file should stand.
        agree: the original's outputs and the simplified model's; says in what they differ, None if in nothing.
        notify: called with one line for every tool that is refused, and for keeping the original.
        timeout: seconds after which a tool is given up; None for what is ample for the model's size.
        started: called with the name of each tool before it works.
        workshop: where to do it, entered already; None for one of its own.

    Raises:
        ExportError: the original itself does not run in ONNX Runtime on one of the feeds.
    """
    notify, started = notify or (lambda line: None), started or (lambda tool: None)
    timeout = _ample(model) if timeout is None else timeout
    rejected: List[Tuple[str, str]] = []
    with ExitStack() as stack:
        workshop = workshop or stack.enter_context(Workshop())
        # Simplifiers drop functions, put them into the graph, or die; the nodes that call them they leave alone.
        light, weights = large.weights_as_inputs(model)
        workshop.put(without_functions(light))
        expected = _reference(model, feeds)
        for tool, command in TOOLS:
            started(tool)
            try:
                candidate = workshop.run(tool, command, timeout)
                large.inputs_as_weights(candidate, weights)
                candidate = with_functions(_restore_interface(candidate, model), model)
                _check(candidate, model, feeds, expected, agree)
            except _Rejected as reason:
                rejected.append((tool, str(reason)))
                notify(f"{tool} is not used: {reason}")
            else:
                return Simplified(candidate, tool, rejected)
    notify("no simplifier kept the model intact: the file is not simplified")
    return Simplified(model, None, rejected)


def _ample(model: onnx.ModelProto) -> float:
    """Seconds: several times what the slowest tool needs on a slow machine; its time goes with the number of nodes."""
    return _START_SECONDS + _NODE_SECONDS * count_nodes(model)


def _reference(model: onnx.ModelProto, feeds: Sequence[Arrays]) -> List[Arrays]:
    try:
        session = Session(model, arena=False)
        return [session.run(feed) for feed in feeds]
    except Exception as error:
        raise does_not_run(error) from error


def _restore_interface(candidate: onnx.ModelProto, model: onnx.ModelProto) -> onnx.ModelProto:
    """Give the candidate the original's declared inputs and outputs, where it only renamed or dropped axis names.

    Raises:
        _Rejected: it changed more: names, types, the rank, or made a symbolic axis a number.
    """
    named = {dim.dim_param for value in model.graph.input for dim in value.type.tensor_type.shape.dim}
    for kind in ("input", "output"):
        ours, theirs = getattr(model.graph, kind), getattr(candidate.graph, kind)
        if [value.name for value in ours] != [value.name for value in theirs]:
            raise _Rejected(f"its {kind}s are {[value.name for value in theirs]}, not {[value.name for value in ours]}")
        for original, value in zip(ours, theirs):
            problem = _changed(original.type.tensor_type, value.type.tensor_type, named)
            if problem:
                raise _Rejected(f"{kind} '{value.name}': {problem}")
            found = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            value.CopyFrom(original)
            for dim, size in zip(value.type.tensor_type.shape.dim, found):
                if size and not dim.WhichOneof("value"):  # the original said nothing of it
                    dim.dim_value = size
    weights = {tensor.name for tensor in candidate.graph.initializer}
    if weights & {value.name for value in candidate.graph.input}:
        raise _Rejected("it made weights inputs of the graph")
    return candidate


def _changed(original: onnx.TypeProto.Tensor, value: onnx.TypeProto.Tensor, named: Set[str]) -> Optional[str]:
    """Say in what a value's type no longer is the original's.

    Args:
        named: the names of the inputs' axes. Another axis may turn out to have one size alone, such as the number of
            detections of a model that always gives as many. It keeps its name; whether it is so shows when it runs.
    """
    if original.elem_type != value.elem_type:
        return "its type is another"
    if not original.HasField("shape") or not value.HasField("shape"):
        return None
    if len(original.shape.dim) != len(value.shape.dim):
        return f"its rank is {len(value.shape.dim)}, not {len(original.shape.dim)}"
    for axis, (ours, theirs) in enumerate(zip(original.shape.dim, value.shape.dim)):
        if ours.dim_param in named and ours.dim_param and theirs.HasField("dim_value"):
            return f"axis {axis} ({ours.dim_param}) became {theirs.dim_value}"
        if ours.HasField("dim_value") and theirs.HasField("dim_value") and ours.dim_value != theirs.dim_value:
            return f"axis {axis} became {theirs.dim_value}, not {ours.dim_value}"
    return None


def _check(
    candidate: onnx.ModelProto,
    model: onnx.ModelProto,
    feeds: Sequence[Arrays],
    expected: Sequence[Arrays],
    agree: Agree,
) -> None:
    """Run the candidate. Raises _Rejected unless it is as good as the original."""
    foreign = _domains(candidate) - _domains(model)
    if foreign:
        raise _Rejected(f"it uses operators of {', '.join(sorted(foreign))}")
    used = _domains(candidate)
    for opset in [opset for opset in candidate.opset_import if opset.domain not in used | {""}]:
        candidate.opset_import.remove(opset)
    if opset_of(candidate) != opset_of(model):
        raise _Rejected(f"it changed the opset from {opset_of(model)} to {opset_of(candidate)}")
    try:
        large.check_valid(candidate)
        session = Session(candidate, arena=False)
    except Exception as error:
        raise _Rejected(f"its result does not load: {first_line(error)[:300]}") from error
    for feed, outputs in zip(feeds, expected):
        where = " and ".join(f"{name} {'x'.join(map(str, array.shape))}" for name, array in feed.items())
        try:
            found = session.run(feed)
        except Exception as error:
            raise _Rejected(f"its result does not run with {where}: {first_line(error)[:300]}") from error
        problem = agree(outputs, found)
        if problem:
            raise _Rejected(f"its result is wrong with {where}: {problem}")


def _domains(model: onnx.ModelProto) -> Set[str]:
    """The operator domains that a model's nodes use, the standard one left out."""
    nodes = list(walk_nodes(model.graph))
    for function in model.functions:
        nodes.extend(function.node)
    return {node.domain for node in nodes} - {"", "ai.onnx"}


def count_nodes(model: onnx.ModelProto) -> int:
    """How many nodes a model has, those of subgraphs included."""
    return sum(1 for _ in walk_nodes(model.graph))


def file_size(model: Union[onnx.ModelProto, str, "os.PathLike[str]"]) -> str:
    """The size of a model or a file, for people: ``167.1 MiB``."""
    size = float(large.byte_size(model) if isinstance(model, onnx.ModelProto) else os.path.getsize(model))
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
