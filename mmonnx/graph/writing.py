"""Nodes one after the other, with the constants that they read."""

from typing import Any, Dict, List, Tuple

import numpy as np
import onnx
from onnx import helper, numpy_helper


class Writer:
    """Writes nodes, each with one output, and the constants that they read.

    Args:
        prefix: what the names of both begin with.
        opset: of the model that they are for.
    """

    def __init__(self, prefix: str, opset: int) -> None:
        self._prefix, self._opset = prefix, opset
        self.nodes: List[onnx.NodeProto] = []
        self.constants: List[onnx.TensorProto] = []

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Write a node of a type, with inputs and attributes; the name of its output."""
        name = f"{self._prefix}{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def axes(self, axis: int) -> Tuple[List[str], Dict[str, Any]]:
        """How Squeeze and Unsqueeze are told an axis: inputs and attributes."""
        if self._opset < 13:
            return [], {"axes": [axis]}
        return [self.constant([axis], np.int64)], {}

    def constant(self, value: Any, dtype: Any) -> str:
        """Keep an array or a number; its name."""
        name = f"{self._prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name
