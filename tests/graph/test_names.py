"""Names by the module path."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from mmonnx.graph.check import module_of
from mmonnx.graph.names import named


def weight(name, *shape):
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def model_of(nodes, weights):
    values = [helper.make_tensor_value_info(name, 1, list("nchw")) for name in ("input", "dets")]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)


def test_nodes_and_tensors_are_called_by_their_module():
    scope = "/model/backbone/layer1/layer1.0/conv1/"
    nodes = [
        helper.make_node("Conv", ["input", "onnx::Conv_12", "onnx::Conv_13"], ["a"], name=scope + "Conv"),
        helper.make_node("Relu", ["a"], ["b"], name="/model/backbone/Relu"),
        helper.make_node("Relu", ["b"], ["c"], name="/model/backbone/Relu"),
        helper.make_node("Relu", ["c"], ["dets"], name="/model/Relu"),
    ]
    model = model_of(nodes, [weight("onnx::Conv_12", 4, 3, 1, 1), weight("onnx::Conv_13", 4)])
    before = model.SerializeToString()
    found = named(model)
    onnx.checker.check_model(found)
    assert model.SerializeToString() == before
    conv = found.graph.node[0]
    inside = "backbone.layer1.0.conv1"
    assert [node.name for node in found.graph.node] == [
        f"{inside}/Conv",
        "backbone/Relu",
        "backbone/Relu_1",
        "Relu",
    ]
    assert list(conv.input) == ["input", f"{inside}.weight", f"{inside}.bias"] and module_of(conv) == inside
    assert list(conv.output) == [f"{inside}/Conv_output_0"] and list(found.graph.node[-1].output) == ["dets"]
    assert [tensor.name for tensor in found.graph.initializer] == list(conv.input)[1:]


def test_of_a_torch_that_says_nothing_of_modules_the_weights_tell():
    nodes = [
        helper.make_node("Conv", ["input", "model.backbone.conv1.weight"], ["11"], name="Conv_0"),
        helper.make_node("Relu", ["11"], ["dets"], name="Relu_1"),
    ]
    found = named(model_of(nodes, [weight("model.backbone.conv1.weight", 4, 3, 1, 1)]))
    assert [node.name for node in found.graph.node] == ["backbone.conv1/Conv", "Relu_1"]
    assert list(found.graph.node[0].input) == ["input", "backbone.conv1.weight"]


def test_calls_and_modules_that_torch_leaves_out_are_those_of_the_module():
    modules = ["model", "model.rpn_head.rpn_conv", "model.head.fc", "model.roi_head.bbox_head.0.fc", "model.one.relu_1"]
    names = {
        "/model/rpn_head/rpn_conv/Conv": "rpn_head.rpn_conv/Conv",
        "/model/rpn_head/rpn_conv_1/Conv": "rpn_head.rpn_conv/Conv_1",
        "/model/one/relu_1/Relu": "one.relu_1/Relu",
        "/bbox_head.0/fc/Gemm": "roi_head.bbox_head.0.fc/Gemm",
        "/fc/Gemm": "fc/Gemm",  # either one
        "/other/fc/Gemm": "other.fc/Gemm",
    }
    nodes = [helper.make_node("Relu", ["input"], [f"o{number}"], name=name) for number, name in enumerate(names)]
    nodes.append(helper.make_node("Relu", ["input"], ["dets"], name="/model/Relu"))
    found = named(model_of(nodes, []), modules)
    assert [node.name for node in found.graph.node] == [*names.values(), "Relu"]
    found = named(model_of(nodes, []), [name for name in modules if "bbox_head" not in name])
    assert [node.name for node in found.graph.node][4] == "head.fc/Gemm"


def test_subgraphs_keep_reading_what_they_read():
    body = helper.make_graph(
        [helper.make_node("Add", ["outer", "one"], ["inner"], name="/model/Add")],
        "then",
        [],
        [helper.make_tensor_value_info("inner", 1, list("nchw"))],
        [weight("one", 1)],
    )
    nodes = [
        helper.make_node("Relu", ["input"], ["outer"], name="/model/Relu"),
        helper.make_node("If", ["yes"], ["dets"], name="/model/If", then_branch=body, else_branch=body),
    ]
    model = model_of(nodes, [numpy_helper.from_array(np.array(True), "yes")])
    found = named(model)
    onnx.checker.check_model(found)
    inside = found.graph.node[1].attribute[0].g
    assert inside.node[0].input[0] == found.graph.node[0].output[0]
    assert inside.node[0].input[1] == inside.initializer[0].name and inside.output[0].name == inside.node[0].output[0]
