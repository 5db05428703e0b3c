"""Files that run in no time and answer by what is in the picture: models of a few nodes."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mmonnx.runtime import Description

_NORM = {"type": "normalize", "mean": [100.0, 110.0, 120.0], "std": [50.0, 55.0, 60.0], "to_rgb": True}
_HOW = {"interpolation": "bilinear", "backend": "cv2"}
WITHIN = [
    {"type": "resize", "rule": "within", "size": [48, 64], **_HOW},
    _NORM,
    {"type": "pad", "divisor": 16, "value": 0.0},
]
EXACT = [{"type": "resize", "rule": "exact", "size": [16, 16], **_HOW}, _NORM]


def detector(path, batch="batch", sides=("height", "width"), boxes=3, placed=True):
    """Three boxes, labels and scores by the picture's mean colours, and by ``img_shape`` where it is ``placed``."""
    weights = {"box": _drawn(3, boxes * 5), "class": _drawn(3, boxes * 10)}
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "box"], ["flat"]),
        helper.make_node("Reshape", ["flat", "box_shape"], ["rows"]),
        helper.make_node("ReduceSum", ["img_shape"], ["side"], keepdims=1),
        helper.make_node("Mul", ["rows", "side"] if placed else ["rows", "rows"], ["dets"]),
        helper.make_node("MatMul", ["mean", "class"], ["classes"]),
        helper.make_node("Reshape", ["classes", "class_shape"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["labels"], axis=2, keepdims=0),
    ]
    shapes = {"box_shape": np.int64([-1, boxes, 5]), "class_shape": np.int64([-1, boxes, 10])}
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, *sides])]
    if placed:
        weights["img_shape"] = np.float32([2.0**24, 2.0**24])
        inputs.append(helper.make_tensor_value_info("img_shape", TensorProto.FLOAT, [2]))
    else:
        nodes = [node for node in nodes if node.output[0] != "side"]
    outputs = [
        helper.make_tensor_value_info("dets", TensorProto.FLOAT, [batch, boxes, 5]),
        helper.make_tensor_value_info("labels", TensorProto.INT64, [batch, boxes]),
    ]
    about = Description("detection", list("0123456789"), pipeline=WITHIN)
    return _written(path, nodes, inputs, outputs, {**weights, **shapes}, about)


def classifier(path, batch="batch"):
    """Ten scores by the picture's mean colours."""
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "class"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probs"], axis=1),
    ]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, 16, 16])]
    outputs = [helper.make_tensor_value_info("probs", TensorProto.FLOAT, [batch, 10])]
    about = Description("classification", list("0123456789"), pipeline=EXACT)
    return _written(path, nodes, inputs, outputs, {"class": _drawn(3, 10)}, about)


def inpaintor(path):
    """The picture, grey where the mask is."""
    nodes = [helper.make_node("Mul", ["mask", "grey"], ["hole"]), helper.make_node("Add", ["input", "hole"], ["image"])]
    sides = ["batch", 3, "height", "width"]
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.FLOAT, sides),
        helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", 1, *sides[2:]]),
    ]
    outputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, sides)]
    norm = {"type": "normalize", "mean": [0.0] * 3, "std": [255.0] * 3, "to_rgb": True}
    about = Description(
        "inpainting",
        pipeline=[norm],
        companions={"mask": {"of": "mask", "read": "mask", "steps": []}},
        image_values={"low": 0.0, "high": 1.0, "rgb": True},
    )
    return _written(path, nodes, inputs, outputs, {"grey": np.float32(0.5)}, about)


def recognizer(path):
    """Three classes of films: how red, green and blue their frames are."""
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["colors"], axes=[1, 3, 4], keepdims=0),
        helper.make_node("Softmax", ["colors"], ["probs"], axis=1),
    ]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", "clips", 3, "height", "width"])]
    outputs = [helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["batch", 3])]
    frames = {"type": "frames", "how": "even", "clip_len": 1, "interval": 1, "clips": 2, "past_end": "loop"}
    steps = [
        {**frames, "template": "img_{:05}.jpg", "first": 1},
        {"type": "normalize", "mean": [0.0] * 3, "std": [64.0] * 3, "to_rgb": True},
    ]
    return _written(
        path, nodes, inputs, outputs, {}, Description("action recognition", ["r", "g", "b"], pipeline=steps)
    )


def _drawn(*shape):
    return np.random.RandomState(sum(shape)).randn(*shape).astype(np.float32)


def _written(path, nodes, inputs, outputs, weights, about):
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 7
    helper.set_model_props(model, about.to_properties())
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return str(path)
