"""What a target lacks is written in what it has, with the same answers, at other sizes and with ties and infinities."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from mmonnx.graph.check import check_target
from mmonnx.graph.lowering import lower
from mmonnx.runtime import Session
from mmonnx.targets import RULES, Operator, find_target

# what older releases of ONNX Runtime get wrong themselves is no measure
pytestmark = pytest.mark.once

PPLNN = find_target("pplnn")
LATE = replace(PPLNN, max_opset=None, operators={name: replace(op, last=None) for name, op in PPLNN.operators.items()})
"""The same operators at every opset."""
RNG = np.random.RandomState(0)
FLOATS = np.array(
    [-np.inf, -3.5, -2.5, -1.5, -0.5, -0.0, 0.0, 0.5, 1.5, 2.5, 7.25, 0.49999997, 1.4999999, np.inf], "f4"
)
WHOLE = np.array([-7, -4, -1, 0, 1, 3, 2**40, 2**53 + 1])


def parse(body, inputs, outputs="y", opset=11):
    head = f'<ir_version: 8, opset_import: ["": {opset}]>'
    model = onnx.parser.parse_model(f"{head} g ({inputs}) => ({outputs}) {{{body}}}")
    for value in model.graph.output:
        if not value.type.tensor_type.shape.dim:
            value.type.tensor_type.ClearField("shape")  # any rank
    return model


def image(*shape):
    return RNG.randn(*shape).astype("f4")


def check(model, feeds, exact, target=PPLNN):
    """The target refuses the model as it is, takes what comes out, and that gives the same for each of the feeds."""
    assert check_target(model, target)
    found = lower(model, target)
    assert [str(finding) for finding in check_target(found.model, target)] == []
    if all(value.type.tensor_type.HasField("shape") for value in model.graph.output):
        onnx.checker.check_model(found.model)
    before, after = Session(model), Session(found.model)
    for feed in feeds:
        for name, expected in before.run(feed).items():
            actual = after.run(feed)[name]
            assert actual.dtype == expected.dtype and actual.shape == expected.shape
            if exact:
                np.testing.assert_array_equal(actual, expected)
            else:
                np.testing.assert_allclose(actual, expected, rtol=3e-6, atol=3e-6)
    return found


UNARY = [
    ("Abs", "", 11, True),
    ("Neg", "", 11, True),
    ("Sign", "", 11, True),
    ("Round", "", 11, True),
    ("Reciprocal", "", 11, True),
    ("Elu", "alpha = 0.7", 11, False),
    ("Selu", "", 11, False),
    ("Celu", "alpha = 1.3", 12, False),
    ("Softplus", "", 11, False),
    ("HardSigmoid", "alpha = 0.3, beta = 0.4", 11, False),
    ("HardSwish", "", 14, False),
    ("ThresholdedRelu", "alpha = 0.5", 11, True),
    ("Shrink", "lambd = 0.5, bias = 0.25", 11, True),
]


@pytest.mark.parametrize("operator, attributes, opset, exact", UNARY, ids=[row[0] for row in UNARY])
def test_unary(operator, attributes, opset, exact):
    model = parse(f"y = {operator} {f'<{attributes}>' if attributes else ''} (x)", "float[n] x", "float[n] y", opset)
    check(model, [{"x": FLOATS}, {"x": np.linspace(-90, 90, 1001, dtype="f4")}], exact)


@pytest.mark.parametrize("operator", ["Softsign", "Tan", "Sinh", "Cosh"])
def test_unary_of_finite_numbers(operator):
    model = parse(f"y = {operator} (x)", "float[n] x", "float[n] y")
    check(model, [{"x": FLOATS[1:-1]}, {"x": image(50)}], exact=False)


@pytest.mark.parametrize("operator, opset", [("IsNaN", 11), ("IsInf", 11)])
def test_unary_tests(operator, opset):
    model = parse(f"y = {operator} (x)", "float[n] x", "bool[n] y", opset)
    check(model, [{"x": np.append(FLOATS, np.nan).astype("f4")}], exact=True)


def test_of_infinities_one_alone():
    for attribute in ("detect_negative = 0", "detect_positive = 0"):
        model = parse(f"y = IsInf <{attribute}> (x)", "float[n] x", "bool[n] y")
        check(model, [{"x": FLOATS}], exact=True)


@pytest.mark.parametrize("operator", ["Abs", "Neg", "Sign"])
def test_unary_of_whole_numbers(operator):
    check(parse(f"y = {operator} (x)", "int64[n] x", "int64[n] y"), [{"x": WHOLE}], exact=True)


@pytest.mark.parametrize("operator", ["Or", "Xor"])
def test_logic(operator):
    model = parse(f"y = {operator} (a, b)", "bool[n] a, bool[n] b", "bool[n] y")
    check(model, [{"a": np.array([0, 0, 1, 1], bool), "b": np.array([0, 1, 0, 1], bool)}], exact=True)


@pytest.mark.parametrize("operator", ["GreaterOrEqual", "LessOrEqual"])
def test_comparisons(operator):
    model = parse(f"y = {operator} (a, b)", "float[n] a, float[n] b", "bool[n] y", 12)
    a, b = (grid.reshape(-1) for grid in np.meshgrid(np.append(FLOATS, np.nan), np.append(FLOATS, np.nan)))
    check(model, [{"a": a.astype("f4"), "b": b.astype("f4")}], exact=True)


@pytest.mark.parametrize("fmod", [0, 1])
@pytest.mark.parametrize("divisors", [[3, 5], [-3, 4], [7, 1]])
def test_mod_of_whole_numbers(fmod, divisors):
    x, y = (grid.reshape(-1) for grid in np.meshgrid(WHOLE, np.array(divisors)))
    model = parse(f"y = Mod <fmod = {fmod}> (a, b)", "int64[n] a, int64[n] b", "int64[n] y")
    check(model, [{"a": x, "b": y}], exact=True)
    if min(divisors) > 0:
        constant = parse(
            f"b = Constant <value = int64 {{{divisors[0]}}}> () y = Mod <fmod = {fmod}> (a, b)",
            "int64[n] a",
            "int64[n] y",
        )
        check(constant, [{"a": WHOLE}], exact=True)


def test_mod_of_floats():
    model = parse("y = Mod <fmod = 1> (a, b)", "float[n] a, float[n] b", "float[n] y")
    check(model, [{"a": image(50) * 9, "b": image(50)}], exact=False)


@pytest.mark.parametrize("operator", ["Max", "Min", "Sum", "Mean"])
def test_several_inputs(operator):
    for count in (1, 2, 3):
        names = "abc"[:count]
        inputs = ", ".join(f"float[n,m,k] {name}" for name in names)
        model = parse(f"y = {operator} ({', '.join(names)})", inputs, "float[n,m,k] y")
        check(model, [{name: image(2, 3, 4) for name in names}], exact=operator in ("Max", "Min"))


def test_clip_of_whole_numbers():
    for call in ("x, low, high", "x, low", "x, , high"):
        model = parse(
            f"low = Constant <value = int64 {{-2}}> () high = Constant <value = int64 {{5}}> () y = Clip ({call})",
            "int64[n] x",
            "int64[n] y",
            12,
        )
        check(model, [{"x": WHOLE}], exact=True)


REDUCTIONS = ["ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"]


@pytest.mark.parametrize("operator", REDUCTIONS)
@pytest.mark.parametrize("attributes", ["", "axes = [1]", "axes = [-1, 1], keepdims = 0", "keepdims = 0"])
def test_reductions(operator, attributes):
    model = parse(
        f"y = {operator} <{attributes}> (x)" if attributes else f"y = {operator} (x)", "float[n,m,k] x", "float y"
    )
    positive = [{"x": np.abs(image(2, 3, 4)) + 0.1}, {"x": np.abs(image(1, 5, 2)) * 60 + 0.1}]
    check(model, positive, exact=False)


@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceMin", "ReduceSum"])
@pytest.mark.parametrize("attributes", ["axes = [1]", "axes = [0], keepdims = 0", "axes = [-3, -2], keepdims = 0"])
def test_reductions_of_any_length_behind_the_axes(operator, attributes):
    for last in ("k", "31"):
        model = parse(f"y = {operator} <{attributes}> (x)", f"float[n,m,{last}] x", "float y")
        found = check(model, [{"x": image(4, 7, 31)}, {"x": image(1, 5, 31)}], exact=operator == "ReduceMin")
        axes = [item.ints for node in found.model.graph.node for item in node.attribute if node.op_type == operator]
        assert 0 in axes[0] and 1 not in axes[0]  # nothing else makes it add up row by row


@pytest.mark.parametrize(
    "body, shape",
    [
        ("y = ReduceSum <axes = [2]> (x)", "float[n,m,k]"),
        ("y = ReduceSum <axes = [0, 2]> (x)", "float[n,m,k]"),
        ("y = ReduceSum <axes = [1]> (x)", "float[n,m,24]"),
        ("y = ReduceSum <axes = [0]> (x)", "float[n,m,24]"),
        ("y = ReduceSum <axes = [1]> (x)", "int64[n,m,k]"),
        ("y = ReduceMax <axes = [1]> (x)", "float[n,m,k]"),
    ],
)
def test_reductions_that_are_right_as_they_are(body, shape):
    model = parse(body, f"{shape} x", f"{shape.partition('[')[0]}[a,b,c] y")
    assert check_target(model, PPLNN) == []


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_log_softmax(opset, axis):
    model = parse(f"y = LogSoftmax <axis = {axis}> (x)", "float[n,m,k] x", "float[n,m,k] y", opset)
    check(model, [{"x": image(2, 3, 4)}, {"x": image(1, 5, 2) * 90}], exact=False)


@pytest.mark.parametrize("attributes", ["", "axis = 1, keepdims = 0", "axis = -1"])
def test_arg_min(attributes):
    model = parse(f"y = ArgMin {f'<{attributes}>' if attributes else ''} (x)", "float[n,m,k] x", "int64 y")
    ties = RNG.randint(0, 3, (3, 4, 5)).astype("f4")
    check(model, [{"x": ties}, {"x": image(2, 3, 4)}], exact=True)


@pytest.mark.parametrize("rank", [3, 4, 5])
def test_global_max_pooling(rank):
    axes = ",".join("nchwd"[:rank])
    model = parse("y = GlobalMaxPool (x)", f"float[{axes}] x", f"float[{axes}] y")
    check(model, [{"x": image(*[2, 3, 4, 5, 6][:rank])}], exact=True)


def test_mean_of_all_axes():
    model = parse("y = ReduceMean <keepdims = 1> (x)", "float[n,m,k] x", "float[a,b,c] y")
    check(model, [{"x": image(2, 3, 4)}], exact=False)


def test_product():
    model = parse("y = ReduceProd <axes = [1], keepdims = 0> (x)", "float[n,3,k] x", "float[n,k] y")
    check(model, [{"x": image(2, 3, 4)}], exact=False)


def test_size():
    model = parse("y = Size (x)", "float[n,m] x", "int64 y")
    check(model, [{"x": image(2, 3)}, {"x": image(1, 1)}], exact=True)


@pytest.mark.parametrize("rank", [3, 4])
def test_instance_normalization(rank):
    axes = ",".join(["n", "3", "h", "w"][:rank])
    body = "s = Constant <value = float[3] {1.5, 2.0, -1.0}> () b = Constant <value = float[3] {0.5, 0.0, 9.0}> ()"
    model = parse(
        f"{body} y = InstanceNormalization <epsilon = 0.001> (x, s, b)", f"float[{axes}] x", f"float[{axes}] y"
    )
    check(model, [{"x": image(*[2, 3, 4, 5][:rank])}, {"x": image(*[1, 3, 7, 2][:rank]) * 20 + 30}], exact=False)


def test_scale_and_bias_that_are_computed():
    model = parse("y = InstanceNormalization (x, s, b)", "float[n,3,h,w] x, float[3] s, float[3] b", "float[n,3,h,w] y")
    check(model, [{"x": image(2, 3, 4, 5), "s": image(3), "b": image(3)}], exact=False)


def test_local_response():
    for size in (3, 5):
        model = parse(f"y = LRN <size = {size}, alpha = 0.1, beta = 0.6> (x)", "float[n,c,h,w] x", "float[n,c,h,w] y")
        check(model, [{"x": image(2, 6, 4, 5)}, {"x": image(1, 2, 3, 3)}], exact=False)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_gather_elements(axis):
    model = parse(f"y = GatherElements <axis = {axis}> (x, i)", "float[n,m,k] x, int64[a,b,c] i", "float[a,b,c] y")
    feeds = []
    for shape, places in (((3, 4, 5), (3, 4, 5)), ((3, 4, 5), (2, 3, 1)), ((1, 2, 7), (1, 2, 7))):
        size = shape[axis]
        feeds.append({"x": image(*shape), "i": RNG.randint(-size, size, places)})
    check(model, feeds, exact=True)


def test_scatter_at_negative_indices():
    body = "i = Constant <value = int64[2,1] {-1, 1}> () y = ScatterND (x, i, u)"
    model = parse(body, "float[4,3] x, float[2,3] u", "float[4,3] y")
    check(model, [{"x": image(4, 3), "u": image(2, 3)}], exact=True)


def test_eye():
    for k in (-1, 0, 2):
        model = parse(f"y = EyeLike <k = {k}> (x)", "float[n,m] x", "float[n,m] y")
        check(model, [{"x": image(3, 4)}, {"x": image(5, 2)}], exact=True)


@pytest.mark.parametrize("upper", [0, 1])
def test_triangle(upper):
    model = parse(f"y = Trilu <upper = {upper}> (x)", "float[b,n,m] x", "float[b,n,m] y", 14)
    check(model, [{"x": image(2, 3, 4)}, {"x": image(1, 5, 2)}], exact=True, target=LATE)


def test_squeeze():
    model = parse("y = Squeeze (x)", "float[1,3,1,4] x", "float[3,4] y")
    check(model, [{"x": image(1, 3, 1, 4)}], exact=True)


def test_an_axis_that_is_one_at_times_is_left_alone():
    model = parse("y = Squeeze (x)", "float[n,3] x", "float y")
    assert lower(model, PPLNN).written == {} and check_target(model, PPLNN)


def test_split_without_sizes():
    for length, outputs in ((6, "a, b, c"), (4, "a, b")):
        many = ", ".join(f"float[n,k] {name}" for name in outputs.split(", "))
        model = parse(f"{outputs} = Split <axis = 1> (x)", f"float[n,{length}] x", many)
        check(model, [{"x": image(2, length)}], exact=True)


@pytest.mark.parametrize("left, right", [([4], [4]), ([4], [4, 3]), ([2, 4], [4]), ([4], [2, 4, 3]), ([2, 3, 4], [4])])
def test_matmul_of_one_axis(left, right):
    shapes = [f"float[{','.join(map(str, shape))}] {name}" for shape, name in ((left, "a"), (right, "b"))]
    model = parse("y = MatMul (a, b)", ", ".join(shapes), "float y")
    check(model, [{"a": image(*left), "b": image(*right)}], exact=False)


def test_blocks():
    for body, opset in (
        ("y = SpaceToDepth <blocksize = 2> (x)", 11),
        ("y = DepthToSpace <blocksize = 2> (x)", 11),
    ):
        model = parse(body, "float[n,8,h,w] x", "float[n,c,a,b] y", opset)
        check(model, [{"x": image(2, 8, 4, 6)}, {"x": image(1, 8, 2, 2)}], exact=True)


EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bqnc,bnchw->bqnhw", (2, 3, 4, 5), (2, 4, 5, 6, 7)),
    ("bhid,bhjd->bhij", (2, 3, 4, 5), (2, 3, 6, 5)),
    ("nc,nc->n", (2, 3), (2, 3)),
    ("i,j->ij", (2,), (3,)),
    ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)),
    ("bi,j->b", (2, 3), (4,)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,ij->", (2, 3), (2, 3)),
]


@pytest.mark.parametrize("equation, left, right", EINSUMS, ids=[row[0] for row in EINSUMS])
def test_einsum(equation, left, right):
    inputs = [
        f"float[{','.join(name + str(i) for i in range(len(shape)))}] {name}"
        for name, shape in zip("xz", (left, right))
    ]
    model = parse(f'y = Einsum <equation = "{equation}"> (x, z)', ", ".join(inputs), "float y", 12)
    check(model, [{"x": image(*left), "z": image(*right)}], exact=False)


def test_einsum_of_one_and_of_three():
    model = parse('y = Einsum <equation = "abc->cb"> (x)', "float[a,b,c] x", "float[p,q] y", 12)
    check(model, [{"x": image(2, 3, 4)}], exact=False)
    model = parse(
        'y = Einsum <equation = "ab,bc,cd->ad"> (x, z, w)',
        "float[a,b] x, float[b,c] z, float[c,d] w",
        "float[p,q] y",
        12,
    )
    check(model, [{"x": image(2, 3), "z": image(3, 4), "w": image(4, 5)}], exact=False)


def weighted(body, weight, inputs="float[n,4,h,w] x", opset=11, bias=None):
    model = parse(body, inputs, "float[n,c,a,b] y", opset)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    if bias is not None:
        model.graph.initializer.append(onnx.numpy_helper.from_array(bias, "bias"))
    return model


CONVS = [
    "kernel_shape = [3, 3], pads = [0, 1, 1, 1]",
    "strides = [2, 1], pads = [1, 1, 1, 1]",
    'kernel_shape = [3, 3], auto_pad = "SAME_UPPER"',
    'kernel_shape = [3, 3], auto_pad = "SAME_LOWER"',
    'auto_pad = "VALID"',
]


@pytest.mark.parametrize("attributes", CONVS)
def test_convolutions(attributes):
    model = weighted(f"y = Conv <{attributes}> (x, w, bias)", image(6, 4, 3, 3), bias=image(6))
    check(model, [{"x": image(2, 4, 8, 9)}, {"x": image(1, 4, 5, 6)}], exact=False)


def test_same_padding_with_strides():
    for mode in ("SAME_UPPER", "SAME_LOWER"):
        body = f'y = Conv <kernel_shape = [3, 2], auto_pad = "{mode}", strides = [2, 3]> (x, w)'
        model = weighted(body, image(6, 4, 3, 2), "float[n,4,8,9] x")
        check(model, [{"x": image(2, 4, 8, 9)}], exact=False)


TRANSPOSED = [
    "kernel_shape = [3, 3], strides = [2, 2]",
    "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1], dilations = [1, 1]",
    "kernel_shape = [3, 3], strides = [3, 3], output_padding = [2, 1], dilations = [1, 1]",
    "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 0, 1, 2], group = 2, dilations = [1, 1]",
    "strides = [2, 2], pads = [1, 1, 1, 1], output_padding = [1, 1], group = 2",
]


@pytest.mark.parametrize("attributes", TRANSPOSED)
def test_transposed_convolutions(attributes):
    model = weighted(
        f"y = ConvTranspose <{attributes}> (x, w, bias)",
        image(4, 3, 3, 3),
        bias=image(6 if "group" in attributes else 3),
    )
    check(model, [{"x": image(2, 4, 5, 6)}, {"x": image(1, 4, 3, 3)}], exact=False)


POOLS = [
    "kernel_shape = [3, 3], dilations = [2, 2], strides = [1, 1]",
    "kernel_shape = [3, 2], dilations = [2, 3], strides = [2, 1], pads = [1, 1, 0, 1]",
    "kernel_shape = [3, 3]",
]


@pytest.mark.parametrize("attributes", POOLS)
def test_pooling(attributes):
    model = parse(f"y = MaxPool <{attributes}> (x)", "float[n,c,h,w] x", "float[n,c,a,b] y")
    check(model, [{"x": image(2, 4, 9, 11)}, {"x": image(1, 1, 7, 8)}], exact=True)


PADDED_POOLS = [
    ("MaxPool", "kernel_shape = [3, 2], strides = [2, 2], pads = [1, 0, 0, 1]"),
    ("MaxPool", 'kernel_shape = [3, 3], strides = [1, 1], auto_pad = "SAME_UPPER"'),
    ("AveragePool", "kernel_shape = [3, 2], strides = [2, 2], pads = [1, 0, 0, 1], count_include_pad = 1"),
    ("AveragePool", 'kernel_shape = [3, 3], strides = [1, 1], auto_pad = "SAME_LOWER"'),
]


@pytest.mark.parametrize("operator, attributes", PADDED_POOLS)
def test_padded_pooling(operator, attributes):
    model = parse(f"y = {operator} <{attributes}> (x)", "float[n,c,h,w] x", "float[n,c,a,b] y")
    check(model, [{"x": image(2, 4, 9, 11)}, {"x": image(1, 1, 7, 8)}], exact=False)


def test_a_mean_without_its_padding_is_left_alone():
    attributes = "kernel_shape = [3, 2], strides = [2, 2], pads = [1, 0, 0, 1]"
    model = parse(f"y = AveragePool <{attributes}> (x)", "float[n,c,h,w] x", "float[n,c,a,b] y")
    assert lower(model, PPLNN).written == {} and check_target(model, PPLNN)


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
def test_pooling_along_one_axis(operator):
    body = f"y = {operator} <kernel_shape = [3], strides = [2], pads = [1, 1]> (x)"
    check(parse(body, "float[n,c,h] x", "float[n,c,a] y"), [{"x": image(2, 4, 9)}, {"x": image(1, 1, 6)}], exact=False)


OPERANDS = {"Add": ", two", "Mul": ", two", "BatchNormalization": ", s1, s2, s3, s4"}


@pytest.mark.parametrize("between", ["", "Relu", "Mul", "Add", "BatchNormalization"])
@pytest.mark.parametrize("biases", ["", "first", "second"])
def test_depthwise_behind_a_convolution(between, biases):
    kernels = "kernel_shape = [3, 3], pads = [1, 1, 1, 1]"
    first = f"a = Conv <{kernels}> (x, w{', bias' if biases == 'first' else ''})"
    middle = f"b = {between} (a{OPERANDS.get(between, '')})" if between else ""
    last = f"y = Conv <{kernels}, group = 6> ({'b' if between else 'a'}, v{', bias' if biases == 'second' else ''})"
    model = weighted(f"{first} {middle} {last}", image(6, 4, 3, 3), bias=image(6) if biases else None)
    model.graph.initializer.append(onnx.numpy_helper.from_array(image(6, 1, 3, 3), "v"))
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.full(shape, 2, "f4"), name)
        for name, shape in (("two", []), *((f"s{number}", [6]) for number in range(1, 5)))
    )
    found = check(model, [{"x": image(2, 4, 8, 9)}, {"x": image(1, 4, 5, 6)}], exact=False)
    # what is a product or a sum is made part of the convolution before it
    assert found.model.graph.node[-2].op_type == "Sub"


SLICES = [
    ("{1}", "{3}", "{-1}", "{1}"),
    ("{1, 0}", "{3, 2}", "{2, 0}", "{1, 1}"),
    ("{-3, 1, 0}", "{-1, 9, 2}", "{-1, 0, -2}", "{1, 1, 2}"),
    ("{-1}", "{-9223372036854775807}", "{1}", "{-1}"),
]


@pytest.mark.parametrize("starts, ends, axes, steps", SLICES)
def test_slices(starts, ends, axes, steps):
    count = starts.count(",") + 1
    given = zip("seap", (starts, ends, axes, steps))
    constants = " ".join(f"{name} = Constant <value = int64[{count}] {values}> ()" for name, values in given)
    model = parse(f"{constants} y = Slice (x, s, e, a, p)", "float[n,m,k] x", "float[a,b,c] y")
    check(model, [{"x": image(3, 4, 5)}, {"x": image(2, 3, 4)}], exact=True)


def test_slices_at_places_of_32_bits():
    constants = "s = Constant <value = int32[1] {1}> () e = Constant <value = int32[1] {3}> ()"
    constants += " a = Constant <value = int32[1] {1}> ()"
    model = parse(f"{constants} y = Slice (x, s, e, a)", "float[n,m,k] x", "float[a,b,c] y")
    check(model, [{"x": image(3, 4, 5)}], exact=True)


def test_scattered_elements_at_negative_indices():
    body = "i = Constant <value = int64[2,2] {-1, 1, 0, -2}> () y = ScatterElements <axis = 1> (x, i, u)"
    model = parse(body, "float[n,3] x, float[2,2] u", "float[n,3] y")
    check(model, [{"x": image(2, 3), "u": image(2, 2)}], exact=True)


def resized(attributes, scales, opset=11):
    body = f"r = Constant <value = float[0] {{}}> () s = Constant <value = float[4] {{{scales}}}> ()"
    return parse(f"{body} y = Resize <{attributes}> (x, r, s)", "float[n,c,h,w] x", "float[n,c,a,b] y", opset)


RESIZES = [
    ('mode = "linear", coordinate_transformation_mode = "align_corners"', "1, 1, 2, 2"),
    ('mode = "linear", coordinate_transformation_mode = "align_corners"', "1, 1, 2.5, 0.5"),
    ('mode = "linear", coordinate_transformation_mode = "half_pixel"', "1, 1, 2, 3"),
    ('mode = "linear", coordinate_transformation_mode = "half_pixel"', "1, 1, 0.6, 1.4"),
    ('mode = "linear", coordinate_transformation_mode = "asymmetric"', "1, 1, 2, 1.5"),
    ('mode = "nearest", coordinate_transformation_mode = "half_pixel"', "1, 1, 2, 3"),
    ('mode = "nearest", coordinate_transformation_mode = "half_pixel", nearest_mode = "ceil"', "1, 1, 1.7, 0.6"),
    ('mode = "nearest", coordinate_transformation_mode = "align_corners", nearest_mode = "floor"', "1, 1, 2, 2"),
    (
        'mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "round_prefer_ceil"',
        "1, 1, 2, 1.5",
    ),
    ('mode = "cubic", coordinate_transformation_mode = "half_pixel"', "1, 1, 2, 1.5"),
    ('mode = "cubic", coordinate_transformation_mode = "align_corners", cubic_coeff_a = -0.5', "1, 1, 2, 2"),
]


@pytest.mark.parametrize("attributes, scales", RESIZES)
def test_resizing(attributes, scales):
    check(
        resized(attributes, scales), [{"x": image(2, 3, 6, 8)}, {"x": image(1, 1, 5, 4)}], exact="nearest" in attributes
    )


@pytest.mark.parametrize("mode", ["align_corners", "half_pixel"])
def test_resizing_to_a_size_that_another_tensor_has(mode):
    body = """two = Constant <value = int64[1] {2}> () four = Constant <value = int64[1] {4}> ()
    zero = Constant <value = int64[1] {0}> () r = Constant <value = float[0] {}> ()
    xs = Shape (x) ns = Shape (z) first = Slice (xs, zero, two) last = Slice (ns, two, four)
    sizes = Concat <axis = 0> (first, last)"""
    resize = f'y = Resize <mode = "linear", coordinate_transformation_mode = "{mode}"> (x, r, r, sizes)'
    model = parse(f"{body} {resize}", "float[n,c,h,w] x, float[n,d,a,b] z", "float[n,c,a,b] y")
    feeds = [
        {"x": image(2, 3, *small), "z": image(2, 1, *large)} for small, large in (((4, 5), (9, 7)), ((6, 6), (3, 12)))
    ]
    check(model, [*feeds, {"x": image(1, 2, 3, 4), "z": image(1, 1, 1, 1)}], exact=False)


BOOL = "float[n,m] f"
WHOLE_X = "b = Cast <to = 7> (f)"
PADS = "p = Constant <value = int64[4] {1, 0, 0, 2}> ()"
FIVE = "v = Constant <value = int64 {5}> ()"
SCATTER = "i = Constant <value = int64[1,2] {0, 1}> () u = Constant <value = int64[1] {77}> ()"
K = "k = Constant <value = int64[1] {2}> ()"
TYPED = [
    ("b = Greater (f, z) i = Constant <value = int64[2] {1, 0}> () y = Gather <axis = 1> (b, i)", "bool[n,2] y", True),
    ("b = Greater (f, z) y = Transpose <perm = [1, 0]> (b)", "bool[m,n] y", True),
    ("b = Greater (f, z) c = Less (f, z) y = Equal (b, c)", "bool[n,m] y", True),
    ("b = Greater (f, z) i = Cast <to = 6> (f) y = Where (b, i, i)", "int32[n,m] y", True),
    ("i = Cast <to = 6> (f) y = Less (i, i)", "bool[n,m] y", True),
    ("i = Cast <to = 6> (f) y = ReduceSum <axes = [1]> (i)", "int32[n,k] y", True),
    ("i = Constant <value = int32[2] {2, 0}> () y = Gather <axis = 1> (f, i)", "float[n,2] y", True),
    (f"{WHOLE_X} y = NonZero (b)", "int64[2,k] y", True),
    (f"{WHOLE_X} {K} y, i = TopK <axis = 1> (b, k)", "int64[n,2] y, int64[n,2] i", True),
    (f"{WHOLE_X} a = Constant <value = int64 {{1}}> () y = CumSum (b, a)", "int64[n,m] y", True),
    (f"{WHOLE_X} {PADS} {FIVE} y = Pad (b, p, v)", "int64[a,c] y", True),
    (f"{WHOLE_X} {PADS} y = Pad (b, p)", "int64[a,c] y", True),
    (f"{WHOLE_X} y = ArgMax <axis = 1> (b)", "int64[n,1] y", True),
    (f"{WHOLE_X} {SCATTER} y = ScatterND (b, i, u)", "int64[n,m] y", True),
    (f"{WHOLE_X} i = Constant <value = int64[1,2] {{0, 1}}> () y = GatherND (b, i)", "int64[1] y", True),
]


@pytest.mark.parametrize("body, outputs, exact", TYPED)
def test_types(body, outputs, exact):
    zero = "z = Constant <value = float {0}> ()"
    feeds = [{"f": np.round(image(3, 4) * 3)}, {"f": np.array([[5, 5, -1], [0, 0, 0]], "f4")}]
    check(parse(f"{zero} {body}", BOOL, outputs), feeds, exact)


def test_whole_exponents():
    model = parse("b = Cast <to = 7> (f) y = Pow (f, b)", BOOL, "float[n,m] y", 12)
    check(model, [{"f": np.round(image(3, 4) * 2) + 0.5}], exact=False)


def test_what_is_limited_is_said():
    model = parse(
        "b = Cast <to = 7> (f) a = Constant <value = int64 {1}> () c = CumSum (b, a) y = Neg (c)", BOOL, "int64[n,m] y"
    )
    found = lower(model, PPLNN)
    assert found.written == {"CumSum": 1, "Neg": 1} and found.limited == ("CumSum",)


def test_bodies_in_subgraphs_and_names_that_stay():
    body = """b = ReduceSum <keepdims = 0> (x) zero = Constant <value = float {0}> () c = Greater (b, zero)
    y = If (c) <then_branch = t () => (float[n] p) { p = Neg (x) },
    else_branch = e () => (float[n] q) { r = Abs (x) q = Neg (r) }>"""
    model = parse(body, "float[n] x", "float[n] y")
    found = check(model, [{"x": np.array([1, -2, 3], "f4")}, {"x": np.array([1, -2, -3], "f4")}], exact=True)
    assert found.written == {"Neg": 2, "Abs": 1}
    names = [name for node in found.model.graph.node for name in node.output]
    assert {"b", "c", "y"} <= set(names)


LOOP = """s = Shape (a) zero = Constant <value = int64 {0}> () turns = Gather (s, zero)
go = Constant <value = bool {1}> () half = Constant <value = float {0.5}> ()
y = Loop <body = step (int64 number, bool going) => (bool again, bool[h,w] above) {
    again = Identity (going)
    left = Gather <axis = 0> (a, number) right = Gather <axis = 0> (b, number)
    product = MatMul (left, right) below = Less (product, half) above = Not (below)
}> (turns, go)"""


def test_turns_that_leave_something_behind():
    model = parse(LOOP, "float[n,h,k] a, float[n,k,w] b", "bool[n,h,w] y")
    feeds = [{"a": image(n, 3, 4), "b": image(n, 4, 5)} for n in (1, 3)]
    found = check(model, feeds, exact=True)
    assert "Loop" not in {node.op_type for node in found.model.graph.node}


@pytest.mark.parametrize(
    "was, now",
    [
        (
            "left = Gather <axis = 0> (a, number)",
            "one = Constant <value = int64 {0}> () left = Gather <axis = 0> (a, one)",
        ),
        ("again = Identity (going)", "two = Constant <value = int64 {2}> () again = Less (number, two)"),
        ("below = Less (product, half)", "below = Less (product, c)"),
    ],
)
def test_turns_that_are_something_else_stay_turns(was, now):
    assert was in LOOP
    model = parse(LOOP.replace(was, now), "float[n,h,k] a, float[n,k,w] b, float[q,h,w] c", "bool[n,h,w] y")
    assert "Loop" in {node.op_type for node in lower(model, PPLNN).model.graph.node}


TABLES = """one = Constant <value = int64[1] {1}> () first = Constant <value = int64 {0}> () s = Shape (x)
most = Gather (s, first) go = Constant <value = bool {1}> ()
last, y, i, z = Loop <body = step (int64 turn, bool going, float[n,m] state)
    => (bool again, float[n,m] next, float[1,m] value, int64[1,m] index, bool[n,m] above) {
    value, index = TopK <axis = 0> (state, one) half = Constant <value = float {0.5}> ()
    above = Greater (state, half) part = Mul (state, half) bit = Constant <value = float {0.1}> ()
    next = Sub (part, bit) greatest = ReduceMax <keepdims = 0> (next) again = Greater (greatest, LIMIT)
}> (most, go, x)"""


@pytest.mark.parametrize("limit", ["bit", "lowest"])
def test_turns_that_depend_on_each_other_and_leave_something_behind(limit):
    lowest = "lowest = Constant <value = float {-99.0}> () "
    outputs = "float[n,m] last, float[k,1,m] y, int64[k,1,m] i, bool[k,n,m] z"
    model = parse(lowest + TABLES.replace("LIMIT", limit), "float[n,m] x", outputs)
    feeds = [{"x": np.abs(image(n, 5)) * 4} for n in (6, 9, 1)]
    found = check(model, feeds, exact=True)
    turns = [len(Session(found.model).run(feed)["y"]) for feed in feeds]
    assert turns == [6, 9, 1] if limit == "lowest" else 1 < turns[1] < 9
    (loop,) = (node for node in found.model.graph.node if node.op_type == "Loop")
    assert len(loop.output) == len(loop.input) - 2 == 5


def test_turns_without_a_known_end_are_left_alone():
    endless = TABLES.replace("LIMIT", "bit").replace("(most, go, x)", "(many, go, x)")
    many = f"many = Constant <value = int64 {{{2**63 - 1}}}> () "
    model = parse(many + endless, "float[n,m] x", "float[n,m] last")
    assert [finding.operator for finding in check_target(lower(model, PPLNN).model, PPLNN)] == ["Loop"]


OPENCV = find_target("opencv")
COUNTED = """s = Shape (x) one = Constant <value = int64[1] {1}> () all = Constant <value = int64[1] {4}> ()
none = Constant <value = int64 {0}> () length = Slice (s, one, all) axis = Constant <value = int64 {1}> ()
turns = Gather (length, none) go = Constant <value = bool {1}> ()
sum, y = Loop <body = step (int64 number, bool going, float[n,k] before) => (bool again, float[n,k] sum, float[n,k] y) {
    again = Identity (going) minus = Constant <value = float {-1}> ()
    column = Gather <axis = 1> (x, number) scaled = Mul (before, minus)
    sum = Add (scaled, column) parts, others = Split <axis = 1, split = [1, 2]> (sum)
    mixed = Concat <axis = 1> (others, parts) y = Relu (mixed)
}> (turns, go, start)"""
COUNTED_INPUTS, COUNTED_OUTPUTS = "float[n,5,3] x, float[n,3] start", "float[n,3] sum, float[t,n,3] y"


def counted(body=COUNTED, inputs=COUNTED_INPUTS):
    return parse(body, inputs, COUNTED_OUTPUTS)


def test_so_many_turns_one_behind_the_other():
    feeds = [{"x": image(n, 5, 3), "start": image(n, 3)} for n in (1, 2)]
    found = check(counted(), feeds, exact=True, target=OPENCV)
    assert found.written == {"Loop": 1}
    kinds = [node.op_type for node in found.model.graph.node]
    assert "Loop" not in kinds and kinds.count("Split") == 5


@pytest.mark.parametrize(
    "was, now, inputs",
    [
        ("", "", "float[n,t,3] x, float[n,3] start"),  # a number that only the picture tells
        ("", "", "float[n,400,3] x, float[n,3] start"),  # more than anybody wants in a file
        ("again = Identity (going)", "two = Constant <value = int64 {2}> () again = Less (number, two)", ""),
        ("go = Constant <value = bool {1}> ()", "go = Constant <value = bool {0}> ()", ""),
        (
            "y = Relu (mixed)",
            "y = If (going) <then_branch = t () => (float[n,k] p) {p = Relu (mixed)}, "
            "else_branch = e () => (float[n,k] q) {q = Neg (mixed)}>",
            "",
        ),
    ],
)
def test_turns_whose_number_is_not_known_are_left_alone(was, now, inputs):
    assert was in COUNTED
    found = lower(counted(COUNTED.replace(was, now), inputs or COUNTED_INPUTS), OPENCV)
    assert not found.written and [node.op_type for node in found.model.graph.node].count("Loop") == 1


def test_a_loop_of_many_turns():
    """Their nodes are not written by a function that calls itself once a node."""
    model = counted(COUNTED.replace("(before, minus)", "(before, before)"), "float[n,110,3] x, float[n,3] start")
    check(model, [{"x": image(1, 110, 3), "start": image(1, 3)}], exact=True, target=OPENCV)


MNN = replace(find_target("mnn"), capabilities=PPLNN.capabilities, takes_empty=PPLNN.takes_empty)
ONE_HOT = "o = Constant <value = float[2] {-1, 3}> () d = Constant <value = int64 {4}> ()"
OF_MNN = {
    "Less": ("y = Less (x, z)", "float[n,m] x, float[n,m] z", "bool[n,m] y", {"x": (2, 3), "z": (2, 3)}),
    "Where": (
        "k = Constant <value = float {0}> () c = Greater (x, k) y = Where (c, x, z)",
        "float[n,1,4] x, float[3,1] z",
        "float[n,3,4] y",
        {"x": (2, 1, 4), "z": (3, 1)},
    ),
    "Softmax": ("y = Softmax (x)", "float[n,m,k] x", "float[n,m,k] y", {"x": (2, 3, 4)}),
    "PRelu": ("y = PRelu (x, s)", "float[n,m] x, float[m] s", "float[n,m] y", {"x": (2, 3), "s": (3,)}),
    "ReduceL2": ("y = ReduceL2 <axes = [1]> (x)", "float[n,m] x", "float[n,1] y", {"x": (2, 3)}),
    "OneHot": (
        f"i = Cast <to = 7> (x) {ONE_HOT} y = OneHot <axis = 1> (i, d, o)",
        "float[n,m] x",
        "float[n,4,m] y",
        {"x": (2, 3)},
    ),
    "ScatterND": (
        "i = Constant <value = int64[2,2] {1, -1, 0, 1}> () y = ScatterND (x, i, u)",
        "float[n,3,4] x, float[2,4] u",
        "float[n,3,4] y",
        {"x": (2, 3, 4), "u": (2, 4)},
    ),
}


@pytest.mark.parametrize("operator", OF_MNN)
def test_what_mnn_gets_wrong(operator):
    body, inputs, outputs, shapes = OF_MNN[operator]
    feeds = [{name: image(*shape) for name, shape in shapes.items()} for _ in range(2)]
    check(parse(body, inputs, outputs), feeds, exact=operator != "ReduceL2" and operator != "Softmax", target=MNN)


def test_one_tensor_twice():
    for operator in ("Add", "Sub", "Mul", "Div"):
        model = parse(f"r = Relu (x) y = {operator} (r, r)", "float[n,c,h,w] x", "float[n,c,h,w] y")
        check(model, [{"x": np.abs(image(2, 3, 4, 5)) + 1}], exact=True)


def test_sums_behind_a_convolution():
    kernels = "kernel_shape = [3, 3], pads = [1, 1, 1, 1]"
    model = weighted(f"a = Conv <{kernels}> (x, w) b = Add (a, x) c = Add (x, b) y = Relu (c)", image(4, 4, 3, 3))
    found = check(model, [{"x": image(2, 4, 5, 6)}], exact=True)
    assert found.written == {"Add": 1}


def test_fewer_axes():
    model = parse("y = Mul (x, s)", "float[n,3,h,w] x, float[3,1,1] s", "float[n,3,h,w] y")
    check(model, [{"x": image(2, 3, 4, 5), "s": image(3, 1, 1)}], exact=True)
    model = weighted("y = Sub (w, x)", image(4, 1, 1))
    check(model, [{"x": image(2, 4, 4, 5)}], exact=True)


def test_a_branch_that_hands_on_what_is_around_it_is_found():
    body = """s = Shape (x) one = Constant <value = int64 {1}> () zero = Constant <value = int64 {0}> ()
    n = Gather (s, zero) c = Equal (n, one)
    k = If (c) <then_branch = t () => (float[a,b] p) { p = Identity (x) },
    else_branch = e () => (float[a,b] q) { q = Sigmoid (x) }> y = Relu (k)"""
    model = parse(body, "float[a,b] x", "float[a,b] y")
    (finding,) = check_target(lower(model, PPLNN).model, PPLNN)
    assert "hands on a tensor" in finding.rule
    assert check_target(parse(body.replace("Identity (x)", "Relu (x)"), "float[a,b] x", "float[a,b] y"), PPLNN) == []


@pytest.mark.parametrize("dtype", ["float", "int64", "bool"])
@pytest.mark.parametrize("body", ["u = Identity (s) p = Not (u) q = Not (s)", "p = Identity (s) q = Identity (p)"])
def test_what_two_read_is_not_handed_on(dtype, body):
    made = {"float": "s = Mul (x, z)", "int64": "s = Div (x, z)", "bool": "s = And (x, z)"}[dtype]
    body = body if dtype == "bool" else body.replace("Not", "Neg")
    model = parse(f"{made} {body}", f"{dtype}[n] x, {dtype}[n] z", f"{dtype}[n] p, {dtype}[n] q")
    kind = np.dtype({"float": "f4", "int64": "i8", "bool": "?"}[dtype])
    check(model, [{"x": np.arange(4).astype(kind), "z": np.array([2, 1, 3, 1]).astype(kind)}], exact=True)


def test_what_one_reads_is_handed_on():
    model = parse(
        "a = Relu (x) b = Identity (a) y = Identity (b) z = Identity (x)", "float[n] x", "float[n] y, float[n] z"
    )
    assert check_target(model, PPLNN) == []


STATES = """m = Constant <value = int64 {3}> () go = Constant <value = bool {1}> ()
    p, q = Loop <body = step (int64 t, bool g, float[n] a, float[n] b) => (bool h, float[n] c, float[n] d) {
        h = Identity (g) BODY }> (m, go, x, y)"""


@pytest.mark.parametrize(
    "body, rule",
    [
        ("c = Relu (b) d = Exp (b)", "no turn reads"),
        ("c = Identity (x) d = Add (b, a)", "hands on"),
        ("c = Identity (a) d = Add (b, a)", ""),
        ("c = Add (a, b) d = Relu (c)", ""),
    ],
)
def test_states_of_loops(body, rule):
    model = parse(STATES.replace("BODY", body), "float[n] x, float[n] y", "float[n] p, float[n] q")
    findings = check_target(model, PPLNN)
    assert [rule in str(finding) for finding in findings] == [True] * bool(rule)


TAKEN = """s = Shape (x) one = Constant <value = int64 {1}> () n = Gather (s, one) c = COMPARED
    k, l = If (c) <then_branch = t () => (float[a,b] p, float[a,b,c] q) {
    h = Relu (x) p = Squeeze <axes = [1]> (h) q = Relu (h) },
    else_branch = e () => (float[a,b,c] r, float[a,b,c] u) { h = Exp (x) r = Sigmoid (h) u = Identity (x) }>
    k2, l2 = If (c) <then_branch = t2 () => (float[a,b] p, float[a,b] q) {
    p = Squeeze <axes = [1]> (x) q = Identity (p) },
    else_branch = e2 () => (float[a,b,c] r, float[a,b,c] u) { r = Sigmoid (x) u = Identity (r) }>
    y = Add (k, k2) z = Mul (l, l2)"""


@pytest.mark.parametrize("compared", ["Equal (n, one)", "Greater (n, one)"])
def test_a_branch_that_is_always_taken(compared):
    outputs = "float[n,k] y, float z" if "Equal" in compared else "float[n,1,k] y, float z"
    model = parse(TAKEN.replace("COMPARED", compared), "float[n,1,k] x", outputs)
    found = check(model, [{"x": image(2, 1, 3)}, {"x": image(1, 1, 4)}], exact=True)
    assert "If" not in {node.op_type for node in found.model.graph.node}


def test_a_branch_that_is_taken_at_times_stays():
    model = parse(TAKEN.replace("COMPARED", "Equal (n, one)"), "float[n,m,k] x", "float y, float z")
    assert [node.op_type for node in lower(model, PPLNN).model.graph.node].count("If") == 2


def test_a_bias_of_two_layers():
    kernels = "kernel_shape = [1, 1], pads = [0, 0, 0, 0]"
    body = f"""three = Constant <value = float {{3}}> () a = Conv <{kernels}> (x, w, bias) b = Add (a, three)
    r = Relu (b) y = Conv <{kernels}> (r, w, bias)"""
    check(weighted(body, image(4, 4, 1, 1), bias=np.zeros(4, "f4")), [{"x": image(2, 4, 5, 6)}], exact=False)


def test_what_normalizes_is_read_twice():
    body = """a = Conv <kernel_shape = [1, 1]> (x, w) b = BatchNormalization (a, s, t, t, s)
    r = Relu (b) y = BatchNormalization (r, s, t, t, s)"""
    model = weighted(body, image(4, 4, 1, 1))
    model.graph.initializer.extend(onnx.numpy_helper.from_array(np.full(4, 2, "f4"), name) for name in "st")
    assert {finding.operator for finding in check_target(model, PPLNN)} == {"BatchNormalization"}
    found = check(model, [{"x": image(2, 4, 5, 6)}], exact=False)
    first, second = (node for node in found.model.graph.node if node.op_type == "BatchNormalization")
    assert len(set(first.input)) == 5 and list(second.input[1:]) == ["s", "t", "t", "s"]


def test_a_bias_of_two_layers_that_nothing_changes_is_no_finding():
    kernels = "kernel_shape = [1, 1], pads = [0, 0, 0, 0]"
    body = f"a = Conv <{kernels}> (x, w, bias) r = Relu (a) y = Conv <{kernels}> (r, w, bias)"
    model = weighted(body, image(4, 4, 1, 1), bias=np.zeros(4, "f4"))
    assert check_target(model, PPLNN) == []
    names = [node.input[2] for node in lower(model, PPLNN).model.graph.node if node.op_type == "Conv"]
    assert len(set(names)) == 2  # nobody knows what the next release makes one operator of


def test_what_constants_give_is_a_constant():
    body = "v = Add (w, w) t = Transpose <perm = [1, 0, 2, 3]> (v) z = Neg (x) y = Conv <kernel_shape = [3, 3]> (z, t)"
    found = check(weighted(body, image(4, 4, 3, 3)), [{"x": image(2, 4, 5, 6)}], exact=False)
    assert {node.op_type for node in found.model.graph.node} == {"Sub", "Conv"}


def test_a_target_that_has_everything_keeps_everything():
    model = parse("y = Neg (x)", "float[n] x", "float[n] y")
    assert lower(model, find_target("onnxruntime")).model is model


def test_a_rule_that_needs_what_the_target_lacks_too_is_not_used():
    poor = replace(PPLNN, operators={name: value for name, value in PPLNN.operators.items() if name != "Sub"})
    model = parse("y = Neg (x)", "float[n] x", "float[n] y")
    assert lower(model, poor).written == {}
    assert [finding.operator for finding in check_target(model, poor)] == ["Neg"]


def test_targets_without_what_pplnn_has():
    poor = replace(
        PPLNN, operators={name: Operator() for name in ("ReduceMean", "Reshape", "Concat", "Slice", "Shape", "Mul")}
    )
    model = parse("y = GlobalAveragePool (x)", "float[n,c,h,w] x", "float[n,c,1,1] y")
    check(model, [{"x": image(2, 3, 4, 5)}], exact=False, target=poor)
    model = parse("y = Flatten <axis = 2> (x)", "float[n,c,h,w] x", "float[a,b] y")
    check(model, [{"x": image(2, 3, 4, 5)}], exact=True, target=poor)


def test_the_page_names_every_operator_that_a_rule_writes():
    page = (Path(__file__).parents[2] / "docs" / "targets.md").read_text(encoding="utf-8")
    section = page.partition("## What a target lacks")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([A-Z]\w+)`", section)) == {rule.operator for rule in RULES.rules}


def test_every_rule_is_of_an_operator_that_onnx_or_a_table_has():
    known = {schema.name for schema in onnx.defs.get_all_schemas_with_history()}
    assert {rule.operator for rule in RULES.rules} <= known
