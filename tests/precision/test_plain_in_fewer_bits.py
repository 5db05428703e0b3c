"""Hard sigmoids and the like in operators that have an int8 form: the same numbers, and nothing float32 between."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mmonnx.precision.eight import METHODS, Quantizer
from mmonnx.precision.kept import KERNELS
from mmonnx.precision.plain import in_plain_operators
from mmonnx.precision.trunk import find_trunk, in_eight_bits
from mmonnx.runtime import Session


def between(kind, **attributes):
    """Two convolutions with an activation between them, and one behind."""
    rng = np.random.RandomState(0)
    weights = [numpy_helper.from_array(rng.randn(4, many, 1, 1).astype(np.float32), f"w{many}") for many in (3, 4)]
    weights.append(numpy_helper.from_array(np.asarray([6.0], np.float32), "six"))
    node = helper.make_node
    more = ["six"] if kind == "Div" else []
    nodes = [
        node("Conv", ["x", "w3"], ["a"], "first"),
        node(kind, ["a", *more], ["b"], "act", **attributes),
        node("Conv", ["b", "w4"], ["c"], "second"),
        node(kind, ["c", *more], ["y"], "behind", **attributes),
    ]
    value = helper.make_tensor_value_info
    ends = [value("x", TensorProto.FLOAT, [1, 3, 8, 8])], [value("y", TensorProto.FLOAT, [1, 4, 8, 8])]
    graph = helper.make_graph(nodes, "between", *ends, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


@pytest.mark.parametrize(
    "kind, attributes",
    [("HardSigmoid", {}), ("HardSigmoid", dict(alpha=1 / 6, beta=0.4)), ("HardSwish", {}), ("Div", {})],
)
def test_it_is_the_same_and_all_of_it_is_int8(kind, attributes, tmp_path):
    model = between(kind, **attributes)
    plain = in_plain_operators(model, set(find_trunk(model).nodes))
    onnx.checker.check_model(plain, full_check=True)
    images = [{"x": 3 * np.random.RandomState(seed).randn(1, 3, 8, 8).astype(np.float32)} for seed in range(4)]
    expected = Session(model).run(images[0])["y"]
    np.testing.assert_allclose(Session(plain).run(images[0])["y"], expected, atol=1e-5)
    kinds = [node.op_type for node in plain.graph.node]
    assert kinds.count(kind) == 1, "what lies behind the last layer stays"
    trunk = find_trunk(plain)
    assert set(in_eight_bits(plain, trunk, KERNELS["onnxruntime"], set())) == set(trunk.nodes)
    found = Quantizer(plain, trunk, KERNELS["onnxruntime"], images, str(tmp_path)).quantized(METHODS[0], set())
    gap = np.abs(Session(found).run(images[0])["y"] - expected).max()
    assert gap < 0.08 * np.abs(expected).max()
    # a product by one number is a matter of scale
    products = [node for node in found.graph.node if node.op_type == "Mul"]
    assert len(products) == (1 if kind == "HardSwish" else 0)


def test_products_by_one_number_after_each_other_are_scales_alone(tmp_path):
    model = between("Div")
    (act,) = [node for node in model.graph.node if node.name == "act"]
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(0.3, np.float32), "share"))
    second = helper.make_node("Mul", ["share", "b"], ["b2"], "again")
    model.graph.node.insert(list(model.graph.node).index(act) + 1, second)
    next(node for node in model.graph.node if node.name == "second").input[0] = "b2"
    plain = in_plain_operators(model, set(find_trunk(model).nodes))
    images = [{"x": np.random.RandomState(seed).randn(1, 3, 8, 8).astype(np.float32)} for seed in range(4)]
    quantizer = Quantizer(plain, find_trunk(plain), KERNELS["onnxruntime"], images, str(tmp_path))
    found = quantizer.quantized(METHODS[0], set())
    assert "Mul" not in [node.op_type for node in found.graph.node]
    expected = Session(model).run(images[0])["y"]
    assert np.abs(Session(found).run(images[0])["y"] - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("value", [-0.5, [[[[0.5]], [[2.0]], [[0.1]], [[1.0]]]]])
def test_a_negative_number_and_one_for_each_channel_stay_products(value, tmp_path):
    model = between("Div")
    (act,) = [node for node in model.graph.node if node.name == "act"]
    act.op_type = "Mul"
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), "share"))
    act.input[1] = "share"
    images = [{"x": np.random.RandomState(seed).randn(1, 3, 8, 8).astype(np.float32)} for seed in range(4)]
    quantizer = Quantizer(model, find_trunk(model), KERNELS["onnxruntime"], images, str(tmp_path))
    found = quantizer.quantized(METHODS[0], set())
    assert [node.op_type for node in found.graph.node].count("Mul") == 1
    expected = Session(model).run(images[0])["y"]
    assert np.abs(Session(found).run(images[0])["y"] - expected).max() < 0.05 * np.abs(expected).max()
