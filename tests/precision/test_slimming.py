"""What is taken out of a quantized file: nothing that counts."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from reducible import feeds, two_stages

from mmonnx.precision import eight
from mmonnx.precision.eight import METHODS, Quantizer
from mmonnx.precision.kept import KERNELS
from mmonnx.precision.slimming import slim
from mmonnx.precision.trunk import find_trunk
from mmonnx.runtime import Session


@pytest.fixture
def quantized(tmp_path, monkeypatch):
    """A model, and what ONNX Runtime's tool makes of it."""
    model = two_stages()
    for tensor in model.graph.initializer:  # a bias, whose scale and zero point are as long as itself
        if tensor.name == "wb":
            model.graph.initializer.append(numpy_helper.from_array(np.ones(4, np.float32), "bias"))
    next(node for node in model.graph.node if node.name == "places").input.append("bias")
    monkeypatch.setattr(eight, "slim", lambda made, source: made)
    quantizer = Quantizer(model, find_trunk(model), KERNELS["onnxruntime"], feeds(), str(tmp_path))
    return model, quantizer.quantized(METHODS[0], set())


def test_it_is_smaller_and_gives_the_same_numbers(quantized):
    model, made = quantized
    expected, before = Session(made).run(feeds()[0]), made.ByteSize()
    small = slim(made, model)
    onnx.checker.check_model(small, full_check=True)
    found = Session(small).run(feeds()[0])
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert small.ByteSize() < 0.6 * before


def test_the_names_of_the_model_stay_and_those_that_are_new_are_short(quantized):
    model, made = quantized
    small = slim(made, model)
    names = {node.name for node in small.graph.node}
    assert {node.name for node in model.graph.node} - names <= {"relu"}  # which the range of what follows replaces
    new = {name for node in small.graph.node for name in (*node.input, *node.output)}
    new -= {name for node in model.graph.node for name in (*node.input, *node.output)}
    assert new and all(len(name) <= 4 for name in new)
    stored = {tensor.name: tensor for tensor in small.graph.initializer}
    assert stored["w2"].data_type == onnx.TensorProto.INT8  # what is quantized has the name of what it was
    every = [node.name for node in small.graph.node]
    assert len(every) == len(set(every)) == len(names)


def test_no_zero_is_written_for_each_channel_of_a_convolution(quantized):
    model, made = quantized
    small = slim(made, model)
    reads = {node.input[0]: node for node in small.graph.node if node.op_type == "DequantizeLinear"}
    (bias,) = [one.name for one in small.graph.initializer if one.data_type == onnx.TensorProto.INT32 and one.dims]
    assert all(len(reads[name].input) == 2 for name in ("w1", "w2", "ws", "wb", bias))
    # of matrix products ONNX Runtime wants them, and of an activation they say the type
    assert all(len(node.input) == 3 for name, node in reads.items() if name == "wf" or name.startswith("q"))


def test_zero_points_that_are_not_all_0_stay(quantized):
    model, made = quantized
    for tensor in made.graph.initializer:
        if tensor.name == "w2_zero_point":
            tensor.CopyFrom(numpy_helper.from_array(np.asarray([0, 0, 0, 3], np.int8), tensor.name))
    small = slim(made, model)
    reads = {node.input[0]: node for node in small.graph.node if node.op_type == "DequantizeLinear"}
    assert len(reads["w2"].input) == 3 and len(reads["w1"].input) == 2
