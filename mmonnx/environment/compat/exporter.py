"""Torch's tracing exporter: its arguments, its opsets, its symbolic functions and its graphs."""

import importlib
import inspect
import re
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

import torch

from .versions import TORCH


def export_kwargs(large: bool = False) -> Dict[str, Any]:
    """Arguments of ``torch.onnx.export`` that this torch needs beside the ordinary ones.

    Args:
        large: the model is over 2 GiB: its weights are to be beside the file.
    """
    parameters = inspect.signature(torch.onnx.export).parameters
    kwargs: Dict[str, Any] = {}
    if "dynamo" in parameters:  # from 2.9 on the default is the exporter that does not trace
        kwargs["dynamo"] = False
    if "enable_onnx_checker" in parameters and TORCH < (1, 10):  # refuses operators of custom domains
        kwargs["enable_onnx_checker"] = False
    if large and "use_external_data_format" in parameters and TORCH < (1, 11):  # later ones know it by themselves
        kwargs["use_external_data_format"] = True
    return kwargs


def max_opset() -> int:
    """The newest opset that this torch's tracing exporter writes."""
    try:
        from torch.onnx._constants import ONNX_TORCHSCRIPT_EXPORTER_MAX_OPSET as newest  # torch >= 2.7
    except ImportError:
        try:
            from torch.onnx._constants import ONNX_MAX_OPSET as newest  # torch >= 1.13
        except ImportError:
            from torch.onnx import symbolic_helper

            newest = max(symbolic_helper._onnx_stable_opsets + [symbolic_helper._onnx_main_opset])
    return int(newest)


_FIRST_OPSET = re.compile(r"(?:added in|try opset) version (\d+)")


def first_opset(error: BaseException) -> Optional[int]:
    """The first opset at which torch's exporter has the operator that it fails on; None if it does not say."""
    found = _FIRST_OPSET.search(str(error))
    return int(found.group(1)) if found else None


@contextmanager
def no_graph_dump() -> Iterator[None]:
    """Keep the exporter from printing the whole graph when an operator cannot be exported (1.12 and later do).

    Its log is silenced at the one function that writes it: torch 2.x switches it on by itself.
    """
    write = getattr(torch._C, "_jit_onnx_log", None)
    if write is None:
        yield
        return
    torch._C._jit_onnx_log = lambda *args: None
    try:
        yield
    finally:
        torch._C._jit_onnx_log = write


@contextmanager
def no_attention_fast_path() -> Iterator[None]:
    """Keep ``nn.MultiheadAttention`` and ``nn.TransformerEncoderLayer`` from operators that cannot be exported.

    In this thread: another one that uses such a model goes on as before.
    """
    from ..stand_ins import StandIn, standing_in

    switch = getattr(torch.backends, "mha", None)
    if switch is not None:
        with standing_in([StandIn([switch], "get_fastpath_enabled", lambda original: False)]):
            yield
        return
    # Before `torch.backends.mha` these modules ask it of all their tensors at once, and take the ordinary path if the
    # answer is yes. `torch._assert` asks by the same name, of its one condition, and must have the true answer.
    asked = StandIn(
        [torch.overrides],
        "has_torch_function",
        lambda original, arguments: len(tuple(arguments)) > 1 or original(arguments),
    )
    with standing_in([asked]):
        yield


def nodes_behind(graph: Any, last: Any, count: int) -> List[Any]:
    """The nodes of a traced graph, or of a block of one, behind a node, in order.

    Args:
        graph: the graph or block, which grows at its end.
        last: the node; None for all nodes.
        count: how many nodes there are up to it.
    """
    if not hasattr(torch._C.Node, "prev"):  # 1.8
        return list(graph.nodes())[count:]
    end = graph.return_node() if hasattr(graph, "return_node") else graph.returnNode()
    found, node = [], end.prev()
    while node.kind() not in ("prim::Param", "prim::Return") and node != last:
        found.append(node)
        node = node.prev()
    return found[::-1]


@contextmanager
def torch_symbolics() -> Iterator[None]:
    """Set aside what ``mmcv.onnx.register_extra_symbolics`` put in the place of torch's own symbolics.

    From torch 1.13 on torch exports all of these operators itself, and mmcv's functions call helpers that changed.
    """
    aside = []
    for group in _symbolic_registry().values():
        functions = group._functions
        for opset, function in list(functions._overrides.items()):
            if function.__module__.startswith("mmcv.") and any(base <= opset for base in functions._base):
                aside.append((functions, opset, function))
    for functions, opset, _ in aside:
        functions.remove_override(opset)
    try:
        yield
    finally:
        for functions, opset, function in aside:
            functions.override(opset, function)


@contextmanager
def symbolics_around(opset: int, around: Mapping[str, Callable[[Any], Callable[..., Any]]]) -> Iterator[None]:
    """Put functions around torch's own symbolics in the block.

    Args:
        opset: that of the export.
        around: by torch's operator, what makes of its symbolic another one.
    """
    with ExitStack() as stack:
        registry = _symbolic_registry()
        for name, function in around.items():
            if registry:
                group = registry[f"aten::{name}"]
                stack.enter_context(_overridden(group._functions, opset, function(group.get(opset))))
            else:
                stack.enter_context(_replaced(name, opset, function))
        yield


@contextmanager
def _overridden(functions: Any, opset: int, function: Callable[..., Any]) -> Iterator[None]:
    before = functions._overrides.get(opset)
    functions.override(opset, function)
    try:
        yield
    finally:
        functions.remove_override(opset)
        if before is not None:
            functions.override(opset, before)


@contextmanager
def _replaced(name: str, opset: int, function: Callable[[Any], Callable[..., Any]]) -> Iterator[None]:
    """As torch up to 1.12 has them, one table for each opset."""
    from torch.onnx import symbolic_registry

    symbolic_registry.register_version("", opset)
    functions = symbolic_registry._registry[("", opset)]
    before = functions[name]
    functions[name] = function(before)
    try:
        yield
    finally:
        functions[name] = before


def _symbolic_registry() -> Dict[str, Any]:
    """The groups of torch's symbolic functions by operator; empty before torch 1.13, where mmcv's work."""
    for path in ("torch.onnx._internal.torchscript_exporter.registration", "torch.onnx._internal.registration"):
        try:
            return importlib.import_module(path).registry._registry  # the first from torch 2.9 on
        except (ImportError, AttributeError):
            continue
    return {}


def legacy_symbolic_registry(opset: int) -> Optional[Dict[str, Callable[..., Any]]]:
    """The exporter's functions by operator for an opset; None from 1.9 on, which has them all."""
    if TORCH >= (1, 9):
        return None
    from torch.onnx import symbolic_registry

    symbolic_registry.register_version("", opset)
    return symbolic_registry._registry[("", opset)]


def tensor_type(dtype: torch.dtype, rank: Optional[int]) -> Any:
    """The type that a value of a traced graph gets: of a rank, None for an unknown one, and of no known size."""
    unknown = torch._C.TensorType.get()
    if hasattr(unknown, "with_dtype"):  # torch 1.12 and later
        known = unknown.with_dtype(dtype)
        return known if rank is None else known.with_sizes([None] * rank)
    if not rank:
        return unknown
    name = {torch.bool: "Bool", torch.int64: "Long", torch.float32: "Float"}[dtype]
    graph = torch._C.parse_ir(f"graph(%x : {name}({', '.join('*' * rank)})):\n  return (%x)")
    return next(graph.inputs()).type()
