"""Large models: their size, counted without serializing them, and their weights, set aside or written beside them."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mmonnx.graph.simplifier import simplify
from mmonnx.runtime import large
from mmonnx.runtime.session import Session


def model_of(count, shape, raw):
    """A model with so many weights, and a node for each."""
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    weights = [numpy_helper.from_array(values, f"weight_{number}") for number in range(count)]
    if not raw:
        weights = [helper.make_tensor(one.name, TensorProto.FLOAT, shape, values.ravel()) for one in weights]
    nodes = [helper.make_node("Identity", [one.name], [f"y_{one.name}"], doc_string="what it is") for one in weights]
    outputs = [helper.make_tensor_value_info(f"y_{one.name}", TensorProto.FLOAT, shape) for one in weights[:1]]
    return helper.make_model(helper.make_graph(nodes, "graph", [], outputs, weights))


@pytest.mark.parametrize(("count", "shape"), [(1, (300, 400)), (50, (64, 3, 3, 3)), (300, (1,)), (1, (0, 4))])
@pytest.mark.parametrize("raw", [True, False])
def test_it_is_protobufs_or_a_little_more(monkeypatch, count, shape, raw):
    model = model_of(count, shape, raw)
    model.metadata_props.append(onnx.StringStringEntryProto(key="config", value="x = 1" * 1000))
    exact = model.ByteSize()
    assert large.byte_size(model) == exact
    monkeypatch.setattr(large, "_QUICK", 0)
    found = large.byte_size(model)
    assert exact - 300 <= found <= exact + 150 * count + 1000


@pytest.fixture
def layers():
    """A chain of layers of 64 KiB each with constants to fold between them."""
    rng = np.random.default_rng(0)
    weights = [numpy_helper.from_array(rng.normal(size=(128, 128)).astype(np.float32) / 11, f"w{n}") for n in range(4)]
    constants = [numpy_helper.from_array(np.float32(value), name) for name, value in (("two", 2), ("three", 3))]
    indices = numpy_helper.from_array(rng.integers(0, 128, size=20_000), "indices")
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["a"]),
        helper.make_node("Mul", ["two", "three"], ["six"]),
        helper.make_node("MatMul", ["a", "w1"], ["b"]),
        helper.make_node("Mul", ["b", "six"], ["c"]),
        helper.make_node("Transpose", ["w2"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["c", "turned"], ["d"]),
        helper.make_node("Gather", ["d", "indices"], ["y"], axis=1),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 128])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 20_000])]
    # the last weight is read by nothing
    graph = helper.make_graph(nodes, "graph", inputs, outputs, [*weights, *constants, indices])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7, producer_name="tests")


def test_what_simplifies_a_large_model_does_not_see_its_weights(layers, monkeypatch):
    monkeypatch.setattr(large, "LIMIT", 200_000)
    monkeypatch.setattr(large, "_WEIGHT", 2**16)
    before = layers.SerializeToString()
    light, weights = large.weights_as_inputs(layers)
    assert sorted(weights) == ["w0", "w1", "w2", "w3"] and light.ByteSize() < 170_000 and large.is_large(layers)
    assert [tensor.name for tensor in light.graph.initializer] == ["two", "three", "indices"]
    assert light.producer_name == "tests" and light.ir_version == 7

    feed = {"x": np.random.default_rng(1).normal(size=(3, 128)).astype(np.float32)}
    found = simplify(layers, [feed], lambda one, other: None if np.allclose(one["y"], other["y"]) else "other numbers")
    assert found.tool == "onnxsim" and not found.rejected
    assert layers.SerializeToString() == before
    assert [value.name for value in found.model.graph.input] == ["x"]
    kept = {tensor.name: tensor.raw_data for tensor in found.model.graph.initializer}
    assert kept["w0"] == layers.graph.initializer[0].raw_data and "two" not in kept
    np.testing.assert_allclose(Session(found.model).run(feed)["y"], Session(layers).run(feed)["y"], rtol=1e-5)


def test_a_model_is_written_with_its_weights_beside_it(layers, tmp_path):
    path = str(tmp_path / "model.onnx")
    before = layers.SerializeToString()
    large.save_with_data(layers, path, "weights.data")
    assert (tmp_path / "model.onnx").stat().st_size < 2000 < 4 * 2**16 < (tmp_path / "weights.data").stat().st_size
    assert layers.SerializeToString() == before
    places = onnx.load(path, load_external_data=False).graph.initializer[1].external_data
    assert int({entry.key: entry.value for entry in places}["offset"]) % 4096 == 0
    loaded = onnx.load(path)
    for tensor in loaded.graph.initializer:
        tensor.ClearField("data_location")
        del tensor.external_data[:]
    assert loaded == layers
    onnx.checker.check_model(path)
    feed = {"x": np.ones((2, 128), np.float32)}
    np.testing.assert_array_equal(Session(path).run(feed)["y"], Session(layers).run(feed)["y"])
