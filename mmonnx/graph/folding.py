"""Nodes that compute with constants alone, replaced by what they give."""

from typing import List, Set

import onnx

from ..runtime import Session
from .parts import part, pruned

_GROWING = {"ConstantOfShape", "EyeLike", "Expand", "OneHot", "Pad", "Range", "Resize", "Tile", "Upsample"}
"""Operators that may make much out of little."""
_RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}


def folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model without nodes that read constants alone, as ONNX Runtime computes them when it loads a file.

    Simplifiers leave those that read large weights, which they are not given.

    Args:
        model: it is not changed.
    """
    constant = {tensor.name for tensor in model.graph.initializer} - {value.name for value in model.graph.input}
    names = _computed(model, constant)
    if not names:
        return model
    computing = part(model, names)
    del computing.graph.input[:]
    values = Session(computing).run({})
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for node in result.graph.node:
        node.output[:] = [f"{name}_folded" if name in values else name for name in node.output]
    for name, array in values.items():
        result.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return pruned(result)


def _computed(model: onnx.ModelProto, constant: Set[str]) -> List[str]:
    """The tensors that follow from constants, and that something else reads, but for the model's outputs."""
    known = set(constant)
    found: List[str] = []
    for node in model.graph.node:
        inputs = [name for name in node.input if name]
        plain = node.op_type not in _GROWING | _RANDOM and not node.domain
        inner = any(item.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for item in node.attribute)
        if inputs and plain and not inner and known.issuperset(inputs):
            known.update(node.output)
            found.extend(name for name in node.output if name)
    given = {value.name for value in model.graph.output}
    left = [node for node in model.graph.node if not known.issuperset(node.output)]
    read = {name for node in left for name in node.input}
    return [name for name in found if name in read and name not in given]
