"""Inputs that may be left out: they have an initializer of their name, which is their default."""

from typing import Collection, List, Mapping, Sequence

import numpy as np
import onnx

from .functions import walk_nodes


def with_defaults(model: onnx.ModelProto, defaults: Mapping[str, Sequence[float]]) -> onnx.ModelProto:
    """Let inputs be left out: they have these float32 values then. The model that is given is not changed."""
    if not defaults:
        return model
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for name, value in defaults.items():
        result.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, np.float32), name))
    return result


def unused(model: onnx.ModelProto, names: Collection[str]) -> List[str]:
    """Those of these inputs that no node takes, and that are no outputs."""
    taken = {name for node in walk_nodes(model.graph) for name in node.input}
    taken.update(value.name for value in model.graph.output)
    return [name for name in names if name not in taken]


def without_inputs(model: onnx.ModelProto, names: Collection[str]) -> onnx.ModelProto:
    """The model without inputs that no node takes; the model that is given is not changed."""
    if not names:
        return model
    result = onnx.ModelProto()
    result.CopyFrom(model)
    kept = [one for one in model.graph.input if one.name not in names]
    del result.graph.input[:]
    result.graph.input.extend(kept)
    return result
