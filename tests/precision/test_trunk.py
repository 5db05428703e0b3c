"""Which nodes may be reduced: layers and what joins them; no boxes, no choice, no sizes."""

import onnx
from onnx import helper
from reducible import feeds, two_stages

from mmonnx.precision.eight import METHODS, Quantizer
from mmonnx.precision.half import in_half
from mmonnx.precision.kept import KERNELS
from mmonnx.precision.plain import with_plain_constants
from mmonnx.precision.trunk import find_trunk, in_eight_bits
from mmonnx.runtime import Session

KERNEL = KERNELS["onnxruntime"]


def test_layers_predictions_and_regions_are_told_apart():
    trunk = find_trunk(two_stages())
    assert trunk.layers == trunk.reached == ("stem", "body", "score", "places", "classes")
    assert trunk.last == ("score", "places", "classes") and trunk.regional == ("classes",)
    assert trunk.nodes == ("stem", "relu", "body", "sum", "score", "places", "regions", "flatten", "classes")


def test_what_the_image_chooses_carries_no_features():
    """Behind the choice of places there are boxes, though these reach a layer by RoIAlign."""
    inside = set(find_trunk(two_stages()).nodes)
    assert not inside & {"scores", "best", "rows", "chosen", "inside", "scale"}


def test_an_operator_between_layers_goes_with_them_alone():
    model = two_stages()
    trunk = find_trunk(model)
    every = in_eight_bits(model, trunk, KERNEL, set())
    assert every == ["stem", "relu", "body", "sum", "score", "places", "classes"]
    # behind a region there is float32, and an Add of which one side is
    assert in_eight_bits(model, trunk, KERNEL, {"body"}) == ["stem", "relu", "score", "places", "classes"]
    assert in_eight_bits(model, trunk, KERNEL, {"stem"}) == ["body", "score", "places", "classes"]


def test_a_layer_without_constant_weights_is_none():
    model = two_stages()
    next(node for node in model.graph.node if node.name == "classes").input[1] = "given"
    model.graph.input.append(onnx.helper.make_tensor_value_info("given", onnx.TensorProto.FLOAT, [16, 5]))
    assert "classes" not in find_trunk(model).layers


def test_boxes_and_sizes_stay_exact_in_half():
    """Coordinates of a large picture have no room in float16: 4097 is not one of its numbers."""
    model = two_stages()
    half = in_half(model, find_trunk(model), KERNEL)
    onnx.checker.check_model(half, full_check=True)
    assert [value.type.tensor_type.elem_type for value in (*half.graph.input, *half.graph.output)] == [1] * 4
    found = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    assert {found[name] for name in ("w1", "w2", "ws", "wb", "wf")} == {onnx.TensorProto.FLOAT16}
    (one,) = feeds(1)
    one["size"][:] = 4097.0
    expected, actual = Session(model).run(one), Session(half).run(one)
    assert abs(expected["boxes"] - actual["boxes"]).max() < 4097 * 2e-3  # of the sigmoid's input alone
    for sizes in (70000.0, 2.0**24):  # float16 ends at 65504
        one["size"][:] = sizes
        assert abs(Session(half).run(one)["boxes"] / sizes - expected["boxes"] / 4097).max() < 2e-3
    chain = {node.output[0]: node for node in half.graph.node if node.op_type == "Cast"}
    again = [node.name for node in chain.values() if node.input[0] in chain]
    assert not [name for name in again if "size" in name or "boxes" in name]


def test_what_is_not_chosen_is_not_quantized(tmp_path):
    model = two_stages()
    quantizer = Quantizer(model, find_trunk(model), KERNEL, feeds(), str(tmp_path))
    for kept in (set(), {"body"}, {"score", "places"}):
        found = quantizer.quantized(METHODS[0], kept)
        weights = {tensor.name for tensor in found.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
        left = {node.input[1] for node in model.graph.node if node.name in kept}
        assert {name for name in weights if name in ("w1", "w2", "ws", "wb", "wf")} == left
        assert Session(found).run(feeds(1)[0])["classes"].shape == (3, 5)
    kinds = {node.input[0] for node in found.graph.node if node.op_type == "QuantizeLinear"}
    assert not kinds & {"boxes", "t4", "s1", "t3"}


def test_weights_behind_an_identity_or_a_constant_are_weights():
    model = two_stages()
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    alias = helper.make_node("Identity", ["w2"], ["again"], "alias")
    twice = helper.make_node("Identity", ["again"], ["thrice"], "twice")
    written = helper.make_node("Constant", [], ["written"], "written", value=tensors["ws"])
    for place, node in enumerate((alias, twice, written)):
        model.graph.node.insert(place, node)
    changed = {"body": "thrice", "score": "written"}
    for node in model.graph.node:
        if node.name in changed:
            node.input[1] = changed[node.name]
    plain = with_plain_constants(model)
    onnx.checker.check_model(plain, full_check=True)
    assert [node.op_type for node in plain.graph.node] == [node.op_type for node in two_stages().graph.node]
    assert find_trunk(plain).layers == find_trunk(two_stages()).layers
    expected, found = (Session(one).run(feeds(1)[0]) for one in (two_stages(), plain))
    assert all((expected[name] == found[name]).all() for name in expected)
    Session(in_half(plain, find_trunk(plain), KERNELS["onnxruntime"])).run(feeds(1)[0])


def test_what_takes_computed_parameters_stays_in_float32():
    model = two_stages()
    bias = helper.make_node("ReduceMean", ["x"], ["bias"], "bias", axes=[0, 2, 3], keepdims=0)
    four = helper.make_node("Concat", ["bias", "size"], ["four"], "four", axis=0)
    model.graph.node.insert(0, four)
    model.graph.node.insert(0, bias)
    next(node for node in model.graph.node if node.name == "body").input.append("four")
    half = in_half(model, find_trunk(model), KERNELS["onnxruntime"])
    assert Session(half).run(feeds(1)[0])["boxes"].shape == (3, 4)
    stored = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    body = next(node for node in half.graph.node if node.name == "body")
    assert stored[body.input[1]] == onnx.TensorProto.FLOAT
