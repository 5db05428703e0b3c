"""Operators that ONNX does not have, replaced by their bodies."""

from typing import AbstractSet, Dict, Iterator, List

import onnx
import onnx.inliner

from ...graph import opset_of, walk_nodes
from ...runtime import without_weights
from ..symbolics import DOMAIN, MMCV, Function, attributes_of, find_function


def inline_functions(model: onnx.ModelProto, kept: AbstractSet[str] = frozenset()) -> onnx.ModelProto:
    """Replace every node that has a body by standard operators; the model that is given is not changed.

    Args:
        model: the model, without functions of its own.
        kept: the types of the domain ``mmcv`` that are left as they are.
    """
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    bodies = Bodies(opset_of(model))
    for node in walk_nodes(whole.graph):
        function = find_function(node)
        if function is not None and not (function.domain == MMCV and function.name in kept):
            node.domain, node.op_type = DOMAIN, bodies.name(function, node)
    if not bodies.any:
        return model
    whole.functions.extend(bodies.protos())
    if not any(entry.domain == DOMAIN for entry in whole.opset_import):
        whole.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    whole.ir_version = max(whole.ir_version, 8)  # functions need it; what is left has none
    result = without_weights(onnx.inliner.inline_local_functions, whole)
    result.ir_version = model.ir_version
    _name_nodes(result)
    used = {node.domain for node in walk_nodes(result.graph)}
    for number, entry in reversed(list(enumerate(result.opset_import))):
        if entry.domain and entry.domain not in used:
            del result.opset_import[number]
    return result


def _name_nodes(model: onnx.ModelProto) -> None:
    # A body's nodes have no names. ONNX Runtime 1.19 names what it fuses after them, and then finds two of a name.
    for number, node in enumerate(walk_nodes(model.graph)):
        if not node.name:
            node.name = f"body_{number}"


class Bodies:
    """The bodies that a file needs: one for every operator and every way in which its attributes make it.

    Args:
        opset: of the file's default domain.
    """

    def __init__(self, opset: int) -> None:
        self._opset = opset
        self._texts: Dict[str, List[str]] = {}

    def name(self, function: Function, node: onnx.NodeProto) -> str:
        """The type that has the body of a node."""
        text = function.source(self._opset, attributes_of(node))
        known = self._texts.setdefault(function.name, [])
        if text not in known:
            known.append(text)
        return f"{function.name}_{known.index(text) + 1}"

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return bool(self._texts)

    def protos(self, domain: str = DOMAIN) -> Iterator[onnx.FunctionProto]:
        """All of them, as types of a domain."""
        for name, texts in self._texts.items():
            for number, text in enumerate(texts):
                proto = onnx.parser.parse_function(text)
                proto.domain, proto.name = domain, f"{name}_{number + 1}"
                yield proto
