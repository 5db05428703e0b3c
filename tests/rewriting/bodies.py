"""How the tests run the bodies of mmcv's operators in ONNX Runtime."""

import io
from typing import Any, List, Optional, Sequence

import numpy as np
import onnx
import onnx.inliner
import onnxruntime
import pytest
import torch
from onnx import helper

from mmonnx.environment import compat
from mmonnx.graph.functions import walk_nodes
from mmonnx.rewriting.lowering.inline import inline_functions
from mmonnx.rewriting.rewrites import ExportContext, rewriting
from mmonnx.rewriting.symbolics.functions import find_function
from mmonnx.targets import Capabilities

OPSETS = sorted({11, compat.max_opset()})
every_opset = pytest.mark.parametrize("opset", OPSETS)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def run(model: onnx.ModelProto, inputs: Sequence[torch.Tensor]) -> List[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return session.run(None, {name: np.ascontiguousarray(value.numpy()) for name, value in zip(names, inputs)})


def source(name: str, opset: int, domain: str = "mmcv", **attributes: Any) -> str:
    """The text of one operator's body."""
    function = find_function(helper.make_node(name, [], [], domain=domain))
    assert function is not None
    return function.source(opset, attributes)


def run_body(
    name: str, opset: int, inputs: Sequence[torch.Tensor], domain: str = "mmcv", **attributes: Any
) -> List[np.ndarray]:
    """The outputs of one operator's body, in a model that does not know the size of any axis."""
    function = onnx.parser.parse_function(source(name, opset, domain, **attributes))
    given, made = list(function.input), list(function.output)
    types = [helper.np_dtype_to_tensor_dtype(value.numpy().dtype) for value in inputs]
    graph = helper.make_graph(
        [helper.make_node(name, given, made, domain=domain)],
        "graph",
        [
            helper.make_tensor_value_info(one, kind, [f"{one}_{axis}" for axis in range(value.dim())])
            for one, kind, value in zip(given, types, inputs)
        ],
        [helper.make_empty_tensor_value_info(one) for one in made],
    )
    domains = [helper.make_opsetid("", opset), helper.make_opsetid(domain, 1)]
    model = helper.make_model(graph, opset_imports=domains, functions=[function])
    model.ir_version = 8
    model = onnx.inliner.inline_local_functions(model)
    for number, node in enumerate(walk_nodes(model.graph)):
        node.name = f"{node.op_type}_{number}"  # as in a file: ONNX Runtime 1.19 gives those of no name one name
    return run(_typed(model), inputs)


def _typed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Outputs need a type, which the body alone knows."""
    inferred = onnx.shape_inference.infer_shapes(model)
    assert all(value.type.tensor_type.elem_type for value in inferred.graph.output)
    for value in inferred.graph.output:
        value.type.tensor_type.ClearField("shape")
    return inferred


def export(
    module: torch.nn.Module, inputs: Sequence[torch.Tensor], opset: int, capabilities: Optional[Capabilities] = None
) -> onnx.ModelProto:
    """A module traced with its rewrites, every axis of every input and output dynamic, and bodies inlined."""
    buffer, names = io.BytesIO(), [f"input_{number}" for number in range(len(inputs))]
    axes = {name: {axis: f"{name}_{axis}" for axis in range(value.dim())} for name, value in zip(names, inputs)}
    with rewriting(ExportContext(capabilities or Capabilities(), opset=opset)), torch.no_grad(), compat.no_graph_dump():
        torch.onnx.export(
            module.eval(),
            tuple(inputs),
            buffer,
            input_names=names,
            dynamic_axes=axes,
            opset_version=opset,
            **compat.export_kwargs(),
        )
    return inline_functions(onnx.load_model_from_string(buffer.getvalue()))


def close(found: np.ndarray, expected: torch.Tensor, tolerance: float = 1e-4) -> None:
    """Same shape and type, nothing but numbers, and within the tolerance."""
    assert found.shape == tuple(expected.shape)
    assert found.dtype == expected.numpy().dtype
    assert np.isfinite(found).all()
    assert found.size == 0 or np.abs(found - expected.numpy()).max() <= tolerance
