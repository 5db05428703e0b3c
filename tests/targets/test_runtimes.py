"""Each form that one of the runtimes refuses or gets wrong is found, and the form beside it is not."""

from typing import NamedTuple

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mmonnx.graph.check import check_target
from mmonnx.targets import find_target

# tables, and what onnx says of shapes
pytestmark = pytest.mark.once

PICTURE = "float[1,3,8,8] x"
FILLED = "float[a,b,c,d] y"


class Fault(NamedTuple):
    """A form that a target does not take: what is said of it, the model with it and with its neighbour.

    Both bodies have ``{}`` in the place of what differs.
    """

    target: str
    operator: str
    rule: str
    body: str
    wrong: str
    right: str
    inputs: str = PICTURE
    outputs: str = FILLED
    opset: int = 11


def resize(target, rule, wrong, right, opset=13, scaled=False):
    sizes = "x, none, scales" if scaled else "x, none, none, sizes"
    return Fault(target, "Resize", rule, f"y = Resize <{{}}> ({sizes})", wrong, right, opset=opset)


MODE = "coordinate_transformation_mode"
SYMMETRIC, HALF, CORNERS = (f'{MODE}="{name}"' for name in ("half_pixel_symmetric", "half_pixel", "align_corners"))
LINEAR, CUBIC, NEAREST = (f'mode="{name}"' for name in ("linear", "cubic", "nearest"))
POOL = "y = MaxPool <kernel_shape=[2,2], {}> (x)"
NMS = "y = NonMaxSuppression (x, s, limit, iou, {})"
NMS_INPUTS, NMS_OUTPUTS = "float[1,k,4] x, float[1,c,k] s, float[1] computed", "int64[n,q] y"
VECTOR, RESULT = "float[2,3,4] x", "float[a,b,c] y"
ROI = "y = RoiAlign <output_height=2, output_width=2{}> (x, r, i)"
ROI_INPUTS = "float[1,3,8,8] x, float[n,4] r, int64[n] i"
SCATTER = "y = ScatterND <{}> (x, i, u)"
SCATTER_INPUTS = "float[2,3,4] x, int64[5,1] i, float[5,3,4] u"
TRIPLE = "bool[n,3,4] x, float[n,3,4] p, float[4] q, float[1] one"

FAULTS = (
    resize("openvino", "half_pixel_symmetric", f"{LINEAR}, {SYMMETRIC}", f"{LINEAR}, {HALF}", 19),
    resize("openvino", "exclude_outside", f"{CUBIC}, exclude_outside=1", CUBIC),
    resize("openvino", "corners of the rounded size", f"{LINEAR}, {CORNERS}", f"{LINEAR}, {HALF}", scaled=True),
    Fault("openvino", "RoiAlign", "mode max", ROI, ', mode="max"', ', mode="avg"', ROI_INPUTS),
    Fault(
        "openvino",
        "GridSample",
        "pictures only",
        "y = GridSample ({})",
        "x, g",
        "p, h",
        "float[1,3,4,4,4] x, float[1,2,2,2,3] g, float[1,3,4,4] p, float[1,2,2,2] h",
        "float y",
        20,
    ),
    Fault("opencv", "NonMaxSuppression", "below 0", NMS, "below", "zero", NMS_INPUTS, NMS_OUTPUTS),
    Fault("opencv", "NonMaxSuppression", "needs to know", NMS, "computed", "zero", NMS_INPUTS, NMS_OUTPUTS),
    Fault("opencv", "MaxPool", "SAME_LOWER", POOL, 'auto_pad="SAME_LOWER"', 'auto_pad="SAME_UPPER"'),
    resize("opencv", "half_pixel_symmetric", f"{LINEAR}, {SYMMETRIC}", f"{LINEAR}, {HALF}", 19),
    resize("opencv", "rounded size", LINEAR, NEAREST, scaled=True),
    resize("opencv", "crop", f'{LINEAR}, {MODE}="tf_crop_and_resize"', LINEAR),
    resize("opencv", "antialias", f"{LINEAR}, antialias=1", f"{LINEAR}, antialias=0", 18),
    resize("opencv", "has no axes", f"{LINEAR}, axes=[0,1,2,3]", LINEAR, 18),
    Fault("opencv", "Reshape", "allowzero", "y = Reshape <{}> (x, sizes)", "allowzero=1", "allowzero=0", opset=14),
    Fault(
        "opencv",
        "GridSample",
        "cubic",
        "y = GridSample <{}> (x, g)",
        'mode="bicubic"',
        'mode="bilinear"',
        "float[1,3,8,8] x, float[1,2,2,2] g",
        opset=16,
    ),
    Fault("mnn", "MaxPool", "without strides", POOL, "pads=[0,0,0,0]", "strides=[1,1]"),
    Fault("mnn", "MaxPool", "dilations", POOL, "strides=[1,1], dilations=[2,2]", "strides=[1,1]"),
    Fault("mnn", "RoiAlign", "mode max", ROI, ', mode="max"', ', mode="avg"', ROI_INPUTS, opset=16),
    Fault("mnn", "Less", "negative numbers", "y = {} (x, x)", "Less", "LessOrEqual", VECTOR, "bool[a,b,c] y", 16),
    Fault("mnn", "Softmax", "without axis", "y = Softmax {} (x)", "", "<axis=1>", VECTOR, RESULT),
    Fault("mnn", "LogSoftmax", "without axis", "y = LogSoftmax {} (x)", "", "<axis=-1>", VECTOR, RESULT, 13),
    Fault(
        "mnn", "ReduceL2", "attribute is not set", "y = ReduceL2 <{}> (x)", "axes=[2]", "axes=[2], keepdims=1", VECTOR
    ),
    Fault(
        "mnn", "ReduceSum", "axes is not given", "y = ReduceSum <{}> (x)", "keepdims=1", "keepdims=0", VECTOR, "float y"
    ),
    Fault("mnn", "Max", "single input", "y = Max ({})", "x", "x, x", VECTOR, RESULT),
    Fault("mnn", "Mod", "another sign", "y = Mod <{}> (x, x)", "fmod=1", "fmod=0", "int64[4] x", "int64[4] y"),
    Fault("mnn", "ScatterND", "reduction", SCATTER, 'reduction="add"', 'reduction="none"', SCATTER_INPUTS, RESULT, 16),
    Fault(
        "mnn",
        "ScatterND",
        "several numbers",
        "y = ScatterND (x, {})",
        "p, u",
        "q, v",
        "float[2,3,4] x, int64[5,2] p, float[5,4] u, int64[5,3] q, float[5] v",
        RESULT,
    ),
    Fault("mnn", "Where", "third input", "y = Where (x, {})", "p, q", "q, p", TRIPLE, RESULT),
    Fault("mnn", "Where", "third input", "y = Where (x, p, {})", "q", "one", TRIPLE, RESULT),
    resize("mnn", "nearest_mode", f'{NEAREST}, nearest_mode="ceil"', f'{NEAREST}, nearest_mode="floor"'),
    resize("mnn", "cubic", CUBIC, LINEAR),
    resize("mnn", "rounded size", f"{LINEAR}, {CORNERS}", LINEAR, scaled=True),
    Fault("tensorrt", "MaxPool", "dilated", POOL, "dilations=[2,2]", "dilations=[1,1]"),
    Fault("tensorrt", "NonZero", "bool", "y = NonZero ({})", "c", "x", "bool[4] c, float[4] x", "int64[1,n] y"),
    Fault("tensorrt", "CumSum", "int64", "y = CumSum ({}, axis)", "i", "x", "float[4] x, int64[4] i", "float y", 14),
    Fault(
        "tensorrt",
        "CumSum",
        "know the axis",
        "y = CumSum (x, {})",
        "a",
        "axis",
        "float[4] x, int64 a",
        "float[4] y",
        14,
    ),
    Fault(
        "tensorrt", "TopK", "3840", "y, i = TopK ({})", "x, many", "x, limit", "float[9000] x", "float[n] y, int64[n] i"
    ),
    Fault(
        "tensorrt",
        "TopK",
        "sorts",
        "y, i = TopK <{}> (x, limit)",
        "sorted=0",
        "sorted=1",
        "float[90] x",
        "float[n] y, int64[n] i",
    ),
    Fault(
        "tensorrt",
        "Squeeze",
        "the axes",
        "y = Squeeze (x, {})",
        "a",
        "limit",
        "float[1,4] x, int64[1] a",
        "float[4] y",
        13,
    ),
    resize("tensorrt", "nearest and linear", CUBIC, LINEAR),
    Fault("ncnn", "Concat", "batch", "y = Concat <{}> (x, x)", "axis=0", "axis=1"),
    Fault("ncnn", "Reshape", "shape", "y = Reshape (x, {})", "s", "sizes", "float[1,3,8,8] x, int64[4] s"),
)

CONSTANTS = {
    "none": np.zeros(0, np.float32),
    "scales": np.array([1, 1, 1.3, 1.3], np.float32),
    "sizes": np.array([1, 3, 8, 8], np.int64),
    "limit": np.array([5], np.int64),
    "many": np.array([4000], np.int64),
    "iou": np.array([0.5], np.float32),
    "below": np.array([-0.5], np.float32),
    "zero": np.array([0.0], np.float32),
    "axis": np.array(0, np.int64),
}


def rules(fault, form):
    """What the target says of the operator of a fault, in one of its two forms."""
    head = f'<ir_version: 8, opset_import: ["": {fault.opset}]>'
    body = fault.body.format(form)
    model = onnx.parser.parse_model(f"{head} g ({fault.inputs}) => ({fault.outputs}) {{{body}}}")
    used = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(numpy_helper.from_array(CONSTANTS[name], name) for name in CONSTANTS if name in used)
    findings = check_target(model, find_target(fault.target))
    return [finding.rule for finding in findings if finding.operator == fault.operator]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.target} {fault.operator} {fault.rule}")
def test_a_form_and_its_neighbour(fault):
    assert any(fault.rule in rule for rule in rules(fault, fault.wrong))
    assert not any(fault.rule in rule for rule in rules(fault, fault.right))


@pytest.mark.parametrize("opset, found", [(11, True), (16, False)])
def test_where_mnn_moves_boxes(opset, found):
    fault = Fault("mnn", "RoiAlign", "half a pixel", ROI, "", "", ROI_INPUTS, opset=opset)
    assert bool(rules(fault, "")) == found


BODY = "k (int64 i, bool c) => (bool d, float[4] s) {d = Identity (c) s = Relu (z)}"


@pytest.mark.parametrize("target, found", [("opencv", True), ("tensorrt", True), ("mnn", False)])
def test_loops(target, found):
    fault = Fault(
        target, "Loop", "", f"y = Loop (t, o) <body = {BODY}>", "", "", "float[4] z, int64 t, bool o", "float[a,b] y"
    )
    assert bool(rules(fault._replace(body=fault.body.replace("{", "{{").replace("}", "}}")), "")) == found


@pytest.mark.parametrize(
    "target, operators", [("mnn", "OneHot LSTM"), ("opencv", "DeformConv Scan"), ("openvino", "Det")]
)
def test_operators_that_are_not_there(target, operators):
    assert not set(operators.split()) & set(find_target(target).operators)


@pytest.mark.parametrize("dim, found", [("n", True), ("1", False)])
def test_ncnn_needs_to_know_the_size(dim, found):
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["": 11]> g (float[{dim},3] x) => (float[a,3] y) {{y = Relu (x)}}'
    )
    assert [finding.rule for finding in check_target(model, find_target("ncnn"))] == (
        ["it needs to know the size of every axis of x"] if found else []
    )
