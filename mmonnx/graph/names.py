"""Names that read like the model: nodes and tensors are called by the path of the module that they came from."""

import re
from typing import Dict, Iterable, Iterator, List, Set

import onnx

from .functions import walk_nodes

_WRAPPER = "model"
"""Where the task's module holds the model."""
_ROLES = {"Conv": ("", "weight", "bias"), "ConvTranspose": ("", "weight", "bias"), "Gemm": ("", "weight", "bias")}


def named(model: onnx.ModelProto, modules: Iterable[str] = (), keep: Iterable[str] = ()) -> onnx.ModelProto:
    """A model with names such as ``backbone.layer1.0.conv1/Conv``; inputs, outputs and functions keep theirs.

    Torch before 1.13 says nothing of modules: there a node is called by the weight that it reads, if it has one.

    Args:
        model: the model; it is not changed.
        modules: the paths of the modules of what was traced, by which torch's own names of them are put right.
        keep: tensors that keep their names as well.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graphs = list(_graphs(result.graph))
    fixed = {value.name for value in (*result.graph.input, *result.graph.output)} | {"", *keep}
    new = _node_names(result, _Paths(modules))
    values = _value_names(graphs, new, fixed)
    for graph in graphs:
        for tensor in graph.initializer:
            tensor.name = values.get(tensor.name, tensor.name)
        for sparse in graph.sparse_initializer:
            sparse.values.name = values.get(sparse.values.name, sparse.values.name)
        for value in (*graph.value_info, *graph.input, *graph.output):
            value.name = values.get(value.name, value.name)
        for node in graph.node:
            node.input[:] = [values.get(name, name) for name in node.input]
            node.output[:] = [values.get(name, name) for name in node.output]
    return result


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.output:
                    yield from _graphs(inner)


class _Paths:
    """The paths of modules, found by what torch makes of them.

    It numbers the calls of a module that is called again, ``rpn_head.rpn_conv_1``, and leaves out the modules whose
    ``forward`` was not called, ``fc`` for ``head.fc``.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {_inside(name): _inside(name).split(".") for name in names}
        self._known = {name: name for name in self._names}

    def true(self, path: str) -> str:
        """The one module that a path can mean; where there is none, or there are several, the path as it is."""
        if path not in self._known:
            parts = path.split(".")
            found = [name for name, own in self._names.items() if _is_called(own, parts)]
            same = [name for name in found if len(self._names[name]) == len(parts)]
            self._known[path] = (same or found)[0] if len(same or found) == 1 else path
        return self._known[path]


def _is_called(own: List[str], parts: List[str]) -> bool:
    """Whether a module's path can be called by these parts, in order and with its own last one."""
    left = list(own)
    for part in reversed(parts):
        names = (part, re.sub(r"_\d+$", "", part))
        while left and left[-1] not in names:
            if len(left) == len(own):
                return False
            left.pop()
        if not left:
            return False
        left.pop()
    return True


def _node_names(model: onnx.ModelProto, paths: _Paths) -> List[onnx.NodeProto]:
    """Name every node; all of them, in order."""
    taken: Set[str] = set()
    weights = {tensor.name for tensor in model.graph.initializer}
    nodes = list(walk_nodes(model.graph))
    for node in nodes:
        module, name = module_path(node.name), node.name.rsplit("/", 1)[-1]
        if not node.name.startswith("/"):
            read = next((one for one in node.input if one in weights and one.endswith((".weight", ".bias"))), None)
            module, name = (_inside(read.rsplit(".", 1)[0]), node.op_type) if read else ("", node.name or node.op_type)
        node.name = _free(f"{paths.true(module)}/{name}" if module else name, taken)
    return nodes


def module_path(name: str) -> str:
    """The module in a node's name as torch makes it, ``/model/backbone/layer1/layer1.0/conv1/Conv``; else empty."""
    *scopes, _ = name.strip("/").split("/")
    if not name.startswith("/"):
        return ""
    path: List[str] = []
    for scope in scopes:
        # a Sequential's or ModuleList's child has its parent's name in front: layer1, layer1.0
        if path and scope.startswith(path[-1] + "."):
            path.pop()
        path.append(scope)
    return _inside(".".join(path))


def _inside(path: str) -> str:
    """A module's path without the wrapper that was traced."""
    return path[len(_WRAPPER) + 1 :] if path.startswith(_WRAPPER + ".") else "" if path == _WRAPPER else path


def _value_names(graphs: List[onnx.GraphProto], nodes: List[onnx.NodeProto], fixed: Set[str]) -> Dict[str, str]:
    """New names of tensors by their old ones."""
    taken, found = set(fixed), {}
    for graph in graphs:
        taken.update(value.name for value in graph.input)
        fixed.update(value.name for value in graph.input)
    for tensor in graphs[0].initializer:
        if tensor.name not in fixed and "." in tensor.name and "::" not in tensor.name:
            found[tensor.name] = _free(_inside(tensor.name), taken)
    known = {tensor.name for graph in graphs for tensor in graph.initializer}
    for node in nodes:
        module = node.name.rsplit("/", 1)[0] if "/" in node.name else ""
        for index, name in enumerate(node.input):
            if name in known and name not in found and name not in fixed:
                role = _ROLES.get(node.op_type, ())[index : index + 1]
                inside = f"{module}.{role[0]}" if module and role and role[0] else f"{node.name}_constant"
                found[name] = _free(inside, taken)
        for index, name in enumerate(node.output):
            if name not in fixed and name not in found:
                found[name] = _free(f"{node.name}_output_{index}", taken)
    return found


def _free(name: str, taken: Set[str]) -> str:
    """The name, with a number behind it if it is taken; it is taken then."""
    result, number = name, 1
    while result in taken:
        result, number = f"{name}_{number}", number + 1
    taken.add(result)
    return result
