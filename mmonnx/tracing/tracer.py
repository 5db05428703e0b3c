"""From a task to an ONNX model, by tracing inside ``rewriting``."""

import contextlib
import io
import logging
import os
import tempfile
import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Sequence

import torch

from ..environment import compat, ordinary
from ..loading import Feeds, Task
from ..rewriting import (
    ExportContext,
    Taken,
    faults,
    innermost_user_place,
    legacy_symbolics,
    place_in_graph,
    rewriting,
    tables_kept,
    watching,
)
from ..runtime import large as limits
from ..support import ExportError, NewerOpsetError, alone, first_line, type_and_line
from .probes import Probe, Recorder, find_ends
from .regions import pooling_calls

if TYPE_CHECKING:
    import onnx


def find_probes(task: Task, opset: int, context: ExportContext) -> List[Probe]:
    """The ends of the task's model as it is traced, and its poolings of regions.

    None of a model whose stand-ins record no gradients.

    Arguments are those of ``trace``.
    """
    with _tracing(task, opset, context):
        try:
            with pooling_calls(task.module) as calls:
                ends = find_ends(task.module, lambda: task.module(*task.inputs.values()))
            return ends + [probe for call in calls for probe in call.probes]
        except Exception:  # the tracer comes next, and says more of it
            return []


def trace(task: Task, opset: int, context: ExportContext, probes: Sequence[Probe] = ()) -> "onnx.ModelProto":
    """Trace the task's module into an ONNX model.

    The model's mode, parameters and random state are as before when this returns or raises.

    Args:
        task: what to trace.
        opset: opset of the default domain.
        context: what the rewrites share; its opset, what is dynamic, and what Python takes out of the trace are set
            here.
        probes: these tensors are outputs as well, behind the task's own.

    Raises:
        NewerOpsetError: the model has an operator that the opset lacks, and a later one has.
        ExportError: the tracer or a rewrite cannot do it.
    """
    import onnx

    with contextlib.ExitStack() as stack:
        context.taken = stack.enter_context(_tracing(task, opset, context))
        names = stack.enter_context(_also_giving(task.module, probes))
        large = _weights(task.module) > limits.LIMIT
        # torch puts the weights of a large model beside a file
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mmonnx-")) if large else ""
        path, buffer = os.path.join(folder, "traced.onnx"), io.BytesIO()
        try:
            torch.onnx.export(
                task.module,
                tuple(task.inputs.values()),
                path if large else buffer,
                input_names=list(task.inputs),
                output_names=[*task.output_names, *names],
                dynamic_axes={**task.dynamic_axes, **names} or None,
                opset_version=opset,
                keep_initializers_as_inputs=False,
                do_constant_folding=True,
                **compat.export_kwargs(large),
            )
        except ExportError:
            raise
        except Exception as error:  # the tracer raises whatever the model's own code raises
            first = compat.first_opset(error)
            if first is not None and first > opset:
                raise NewerOpsetError(f"torch writes no opset {opset} of it ({first_line(error)})", first) from error
            place = innermost_user_place(error) or place_in_graph(error)
            where = [f", at {place}"] if place else [f"; {one.place} {one.how}" for one in context.taken][:1]
            raise ExportError(
                f"{task.title} cannot be traced: {type_and_line(error)}" + "".join(where),
                "a model that torch.onnx.export can trace",
                "see docs/extending.md, or try another --shape or --opset-version",
            ) from error
        model = onnx.load(path) if large else onnx.load_model_from_string(buffer.getvalue())
    model = _outputs_as_named(model, [*task.output_names, *names])
    return _all_inputs(_only_our_axes(model, task), task)


def faults_of(task: Task, context: ExportContext, others: Sequence[Feeds]) -> List[str]:
    """What to tell of the values that Python took out of a trace, a line each, see :func:`leaks.faults`.

    Args:
        task: the model.
        context: the trace's.
        others: further inputs, of other sizes where these are dynamic.
    """

    def again(feeds: Feeds) -> Sequence[Taken]:
        other = ExportContext(context.capabilities, context.custom_ops)
        with _tracing(task, context.opset, other) as taken, contextlib.suppress(Exception):  # it may be refused
            torch.jit._get_trace_graph(task.module, tuple(feeds.values()), strict=False)
        return taken

    # of each size one
    sizes = {tuple(tuple(value.shape) for value in feeds.values()): feeds for feeds in others}
    return faults(context.taken, [partial(again, feeds) for feeds in sizes.values()])


@contextlib.contextmanager
def _tracing(task: Task, opset: int, context: ExportContext) -> Iterator[Sequence[Taken]]:
    """All that a trace needs; gives what Python takes out of it, which fills while it goes on."""
    context.opset = opset
    context.dynamic_size = any(axis for name in task.inputs for axis in task.dynamic_axes.get(name, {}))
    with contextlib.ExitStack() as stack:
        for scope in (
            alone(),
            ordinary(task.module),
            rewriting(context, module=task.module),
            in_export_here_alone(),
            _symbolics(opset),
            torch.no_grad(),
            torch.random.fork_rng(devices=[]),
            quiet(),
        ):
            stack.enter_context(scope)
        yield stack.enter_context(watching(len(task.inputs))).taken


@contextlib.contextmanager
def _also_giving(module: torch.nn.Module, probes: Sequence[Probe]) -> Iterator[Dict[str, Dict[int, str]]]:
    """Let a module give what some of its layers give behind its own outputs; their names, with axes of any size.

    The names are there from the start, so that the tracer can be told them; a call that does not come is an error of
    the tracer's, which counts outputs.
    """
    recorder = Recorder(module, probes)
    axes = {probe.name: {axis: f"{probe.name}_{axis}" for axis in range(probe.rank)} for probe in probes}

    def append(module: torch.nn.Module, inputs: Any, outputs: Any) -> Any:
        own = outputs if isinstance(outputs, tuple) else (outputs,)
        return (*own, *(recorder.outputs[name] for name in axes))

    handle = module.register_forward_hook(append)
    try:
        # what the tracer is to know has to be the very tensor
        with recorder.recording(copy=False):
            yield axes
    finally:
        handle.remove()


def _weights(module: torch.nn.Module) -> int:
    """The bytes of a module's parameters and buffers."""
    return sum(tensor.numel() * tensor.element_size() for tensor in [*module.parameters(), *module.buffers()])


@contextlib.contextmanager
def _symbolics(opset: int) -> Iterator[None]:
    """Torch's symbolic functions as an export needs them: with what an old torch lacks, without mmcv's own.

    And what reads a table at many places leaves it a table.
    """
    with contextlib.ExitStack() as stack:
        for change in (legacy_symbolics(opset), compat.torch_symbolics(), tables_kept(opset)):
            stack.enter_context(change)
        stack.enter_context(compat.no_attention_fast_path())
        yield


@contextlib.contextmanager
def in_export_here_alone() -> Iterator[None]:
    """Have ``torch.onnx.is_in_onnx_export`` answer for this thread: upstream's inference asks it in all of them."""
    asked, exporting = torch.onnx.is_in_onnx_export, threading.get_ident()
    torch.onnx.is_in_onnx_export = lambda: threading.get_ident() == exporting and asked()
    try:
        yield
    finally:
        torch.onnx.is_in_onnx_export = asked


def _only_our_axes(model: "onnx.ModelProto", task: Task) -> "onnx.ModelProto":
    """Take away the names that the tracer invents for axes whose size it does not know; nobody asked for these axes."""
    for value in [*model.graph.input, *model.graph.output]:
        asked = task.dynamic_axes.get(value.name, {})
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if axis not in asked and dim.dim_param:
                dim.ClearField("dim_param")
    return model


def _outputs_as_named(model: "onnx.ModelProto", names: Sequence[str]) -> "onnx.ModelProto":
    """Give outputs their names back, which the tracer loses where it folds one to a constant that others read too."""
    import onnx

    for value, name in zip(model.graph.output, names):
        if value.name != name:
            model.graph.node.append(onnx.helper.make_node("Identity", [value.name], [name]))
            value.name = name
    return model


def _all_inputs(model: "onnx.ModelProto", task: Task) -> "onnx.ModelProto":
    """Give back the inputs that the tracer leaves out, as nothing depends on them: whoever feeds them may go on so."""
    import onnx

    left = {value.name: value for value in model.graph.input}
    if len(left) == len(task.inputs):
        return model
    del model.graph.input[:]
    for name, tensor in task.inputs.items():
        axes = task.dynamic_axes.get(name, {})
        shape = [axes.get(axis, size) for axis, size in enumerate(tensor.shape)]
        kind = onnx.helper.np_dtype_to_tensor_dtype(tensor.detach().cpu().numpy().dtype)
        model.graph.input.append(left.get(name) or onnx.helper.make_tensor_value_info(name, kind, shape))
    return model


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide the tracer's dump of a graph and its warnings, of which most are about what is taken on purpose."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), compat.no_graph_dump():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
