"""Every kind of node that PPLNN refuses, gets wrong or dies from is found, and nothing else."""

import io
import json

import onnx
import pytest
from onnx import helper

from mmonnx import cli
from mmonnx.graph.check import Finding, check_runs, check_target, module_of
from mmonnx.graph.findings import show_findings
from mmonnx.runtime import large
from mmonnx.support.errors import ExportError
from mmonnx.targets import TARGETS, find_target
from mmonnx.terminal.report import Report

PPLNN = find_target("pplnn")


def parse(body, inputs="float[n,8,16,16] x", outputs="float[a,b,c,d] y", opset=11, extra=""):
    """A model with this body, in ONNX's text form."""
    head = f'<ir_version: 8, opset_import: ["": {opset}, "mmcv": 1{extra}]>'
    return onnx.parser.parse_model(f"{head} g ({inputs}) => ({outputs}) {{{body}}}")


def found(model, target=PPLNN):
    return [(finding.operator, finding.rule) for finding in check_target(model, target)]


NO_KERNEL = "GatherElements ArgMin Or Xor Mod Round Softplus Reciprocal Elu Selu LogSoftmax InstanceNormalization LRN "
NO_KERNEL += "LayerNormalization GlobalMaxPool GridSample ReduceL1 ReduceL2 GreaterOrEqual LessOrEqual Size "
NO_KERNEL += "SpaceToDepth Abs Neg"


@pytest.mark.parametrize("operator", NO_KERNEL.split())
def test_an_operator_that_is_not_there(operator):
    node = helper.make_node(operator, ["x"], ["y"], name="/head/node")
    finding = check_target(_one(node), PPLNN)[0]
    assert (finding.operator, finding.module, finding.node) == (operator, "head", "/head/node")
    assert finding.rule == "it does not have this operator" and finding.fix


def _one(node, opset=16, domain=""):
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 8, 16, 16])
    result = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(helper.make_graph([node], "g", [value], [result]), opset_imports=opsets)


def test_weights_that_have_to_lie_beside_the_file(monkeypatch):
    model = parse("y = Relu (x)")
    assert found(model) == []
    monkeypatch.setattr(large, "LIMIT", 50)
    ((operator, rule),) = found(model)
    assert operator == "" and "beside the file" in rule
    assert found(model, find_target("openvino")) == []


RANGES = {name: operator for name, operator in PPLNN.operators.items() if "::" not in name}


@pytest.mark.parametrize("operator", RANGES)
def test_an_operator_outside_of_its_opsets(operator):
    first, last = RANGES[operator].first, RANGES[operator].last
    node = helper.make_node(operator, ["x"], ["y"])

    def refused(opset):
        # shape inference is left out: it would refuse an operator that the opset does not have
        return any("at opset" in rule for _, rule in _rules(node, opset))

    assert not refused(first) and not refused(last)
    assert refused(last + 1)
    assert first == 1 or refused(first - 1)


def _rules(node, opset):
    from mmonnx.graph import check
    from mmonnx.graph.emptiness.follow import Followed
    from mmonnx.graph.emptiness.values import NodeView, Value

    step = Followed(NodeView(node, opset, (Value(),)), "node", ())
    return [(finding.operator, finding.rule) for finding in check._node(step, PPLNN)]


@pytest.mark.parametrize("opset, target", [(17, "pplnn"), (6, "pplnn"), (6, "onnxruntime-mmcv")])
def test_a_file_of_an_opset_that_is_not_taken(opset, target):
    model = parse("y = Relu (x)", opset=opset)
    rules = [rule for operator, rule in found(model, find_target(target)) if not operator]
    assert len(rules) == 1 and f"opset {opset}" in rules[0]


# name: (what is found, the body, what else parse() takes)
SCALES = "r = Constant <value = float[0] {}> () s = Constant <value = float[4] {1, 1, 2, 2}> ()"
NEAREST = 'mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"'
FAULTS = {
    "TopK int64": ("TopK", "int64 here", "y, i = TopK (x, k)", "int64[9] x, int64[1] k", "int64[a] y, int64[b] i"),
    "Pad int64": ("Pad", "int64 here", "y = Pad (x, p, v)", "int64[9] x, int64[2] p, int64 v", "int64[a] y"),
    "CumSum int64": ("CumSum", "int64 here", "y = CumSum (x, a)", "int64[9] x, int64 a", "int64[a] y"),
    "Clip int64": ("Clip", "int64 here", "y = Clip (x)", "int64[9] x", "int64[9] y", 12),
    "NonZero int64": ("NonZero", "int64 here", "y = NonZero (x)", "int64[9] x", "int64[1,a] y"),
    "ScatterND int64": (
        "ScatterND",
        "int64 here",
        "y = ScatterND (x, i, u)",
        "int64[9] x, int64[2,1] i, int64[2] u",
        "int64[9] y",
    ),
    "Gather bool": ("Gather", "bool here", "y = Gather (x, i)", "bool[9] x, int64[2] i", "bool[2] y"),
    "Transpose bool": ("Transpose", "bool here", "y = Transpose (x)", "bool[9,2] x", "bool[2,9] y"),
    "Equal bool": ("Equal", "bool here", "y = Equal (x, z)", "bool[9] x, bool[9] z", "bool[9] y"),
    "ReduceProd float": ("ReduceProd", "float32 here", "y = ReduceProd <axes=[0]> (x)", "float[9] x", "float[1] y"),
    "Add double": ("Add", "float64 here", "y = Add (x, z)", "double[9] x, double[9] z", "double[9] y"),
    "Cast float16": ("Cast", "float16", "y = Cast <to=10> (x)", "float[9] x", "float16[9] y"),
    "Cast uint8": ("Cast", "uint8", "y = Cast <to=1> (x)", "uint8[9] x", "float[9] y"),
    "Clip attributes": ("Clip", "bounds in attributes", "y = Clip <min=0.0> (x)", "float[9] x", "float[9] y", 10),
    "LSTM": (
        "LSTM",
        "dies",
        "y = LSTM <hidden_size=2> (x, w, r)",
        "float[3,1,4] x, float[1,8,4] w, float[1,8,2] r",
        "float[3,1,1,2] y",
    ),
    "Softmax": ("Softmax", "not the last", "y = Softmax <axis=1> (x)", "float[2,3,4] x", "float[2,3,4] y", 13),
    "ReduceMean": ("ReduceMean", "loses keepdims", "y = ReduceMean (x)", "float[2,3] x", "float[1,1] y"),
    "Squeeze": ("Squeeze", "without axes", "y = Squeeze (x)", "float[1,3] x", "float[3] y"),
    "Split": ("Split", "without sizes", "y, z = Split <axis=0> (x)", "float[4] x", "float[2] y, float[2] z"),
    "Max": ("Max", "as many axes", "y = Max (x, x)", "float[3,4] x", "float[3,4] y"),
    "Min": ("Min", "as many axes", "y = Min (x, x, x)", "float[2,3,4] x", "float[2,3,4] y"),
    "Sum": ("Sum", "as many axes", "y = Sum (x)", "float[3] x", "float[3] y"),
    "MatMul left": ("MatMul", "one axis", "y = MatMul (x, w)", "float[3] x, float[3,4] w", "float[4] y"),
    "Resize of whole numbers": (
        "Resize",
        "int64 here",
        f"{SCALES} y = Resize <{NEAREST}> (x, r, s)",
        "int64[1,1,2,2] x",
        "int64[1,1,4,4] y",
        13,
    ),
    "Resize of another rank": (
        "Resize",
        "last two of four",
        f"{SCALES.replace('float[4] {1, 1, 2, 2}', 'float[3] {1, 1, 2}')} y = Resize <{NEAREST}> (x, r, s)",
        "float[1,1,2] x",
        "float[1,1,4] y",
    ),
    "Conv in space": (
        "Conv",
        "two spatial axes",
        "y = Conv <kernel_shape=[1,1,1]> (x, w)",
        "float[1,1,2,2,2] x, float[1,1,1,1,1] w",
        "float[1,1,2,2,2] y",
    ),
    "Reduce out of order": (
        "ReduceSum",
        "ascending",
        "y = ReduceSum <axes=[-1,0]> (x)",
        "float[2,3] x",
        "float[1,1] y",
    ),
    "Sum along an input": (
        "ReduceSum",
        "axes that are an input",
        "a = Constant <value = int64[1] {0}> () y = ReduceSum (x, a)",
        "float[2,3] x",
        "float[1,3] y",
        13,
    ),
    "Gather one of a shape": (
        "Gather",
        "makes a scalar",
        "i = Constant <value = int64[1] {0}> () z = Shape (x) y = Gather (z, i)",
        "float[2,3] x",
        "int64[1] y",
    ),
    "a shape times one number": (
        "Mul",
        "reads past the end",
        "i = Constant <value = int64 {2}> () z = Shape (x) y = Mul (z, i)",
        "float[n,m] x",
        "int64[2] y",
    ),
    "Pad without a value": ("Pad", "in memory", "y = Pad (x, p)", "float[9] x, int64[2] p", "float[a] y"),
    "one tensor twice": ("Mul", "one tensor", "r = Relu (x) y = Mul (r, r)", "float[9] x", "float[9] y"),
    "two sums behind a convolution": (
        "Add",
        "leave one out",
        "a = Conv <kernel_shape = [1, 1]> (x, w) b = Add (a, x) y = Add (b, z)",
        "float[1,1,2,2] x, float[1,1,2,2] z, float[1,1,1,1] w",
        "float[1,1,2,2] y",
    ),
    "fewer axes": ("Sub", "four axes", "y = Sub (x, z)", "float[2,3,4,5] x, float[3,1,1] z", "float[2,3,4,5] y"),
    "Slice from the end": (
        "Slice",
        "not in order",
        "s = Constant <value = int64[1] {0}> () e = Constant <value = int64[1] {1}> () "
        "a = Constant <value = int64[1] {-1}> () y = Slice (x, s, e, a)",
        "float[2,3] x",
        "float[2,1] y",
    ),
    "Where of bools": ("Where", "float32 and int64 only", "y = Where (x, x, z)", "bool[9] x, bool[9] z", "bool[9] y"),
    "Less of short numbers": ("Less", "int32 here", "y = Less (x, z)", "int32[9] x, int32[9] z", "bool[9] y"),
    "ArgMax of whole numbers": ("ArgMax", "int64 here", "y = ArgMax <axis=0> (x)", "int64[9] x", "int64[1] y"),
    "MatMul right": ("MatMul", "one axis", "y = MatMul (x, w)", "float[4,3] x, float[3] w", "float[4] y"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_types_and_forms(fault):
    operator, rule, body, inputs, outputs, *opset = fault
    assert _only(found(parse(body, inputs, outputs, *opset)), operator, rule)


def _only(findings, operator, rule):
    """That one thing is found; an opset that is refused as well does not count."""
    left = [entry for entry in findings if "at opset" not in entry[1]]
    return len(left) == 1 and left[0][0] == operator and rule in left[0][1]


TOLD = "kernel_shape=[3,3], dilations=[1,1], pads=[0,0,0,0], strides=[2,2]"
CONV_FORMS = {
    "Resize nearest half_pixel": ("Resize", "asymmetric", 'mode="nearest", nearest_mode="floor"'),
    "Resize nearest round": ("Resize", "floor", 'coordinate_transformation_mode="asymmetric", mode="nearest"'),
    "Resize linear align_corners": (
        "Resize",
        "pytorch_half_pixel",
        'mode="linear", coordinate_transformation_mode="align_corners"',
    ),
    "Resize cubic": ("Resize", "cubic", 'mode="cubic"'),
    "Resize linear": ("Resize", "pytorch_half_pixel", 'mode="linear"'),
    "Conv pads": ("Conv", "both sides", "kernel_shape=[3,3], pads=[0,1,1,1]"),
    "Conv auto_pad": ("Conv", "auto_pad", 'kernel_shape=[3,3], auto_pad="SAME_UPPER"'),
    "Conv kernel_shape": ("Conv", "kernel_shape", "pads=[1,1,1,1]"),
    "ConvTranspose output_padding": ("ConvTranspose", "output_padding", f"{TOLD}, output_padding=[1,1]"),
    "ConvTranspose dilations": ("ConvTranspose", "dilations", "kernel_shape=[3,3], pads=[0,0,0,0], strides=[2,2]"),
    "ConvTranspose pads": ("ConvTranspose", "pads", "kernel_shape=[3,3], dilations=[1,1], strides=[2,2]"),
    "ConvTranspose kernel": ("ConvTranspose", "kernel_shape", "pads=[0,0,0,0], dilations=[1,1], strides=[2,2]"),
    "ConvTranspose strides": ("ConvTranspose", "strides", "kernel_shape=[3,3], dilations=[1,1], pads=[0,0,0,0]"),
    "ConvTranspose sides": ("ConvTranspose", "same padding", TOLD.replace("0,0,0,0", "0,0,1,1")),
    "ConvTranspose group": ("ConvTranspose", "groups", f"{TOLD}, group=2"),
    "MaxPool dilations": ("MaxPool", "dilated", "kernel_shape=[2,2], strides=[1,1], dilations=[2,2]"),
    "MaxPool strides": ("MaxPool", "strides", "kernel_shape=[2,2]"),
    "AveragePool strides": ("AveragePool", "strides", "kernel_shape=[2,2]"),
    "DepthToSpace": ("DepthToSpace", "CRD", "blocksize=2"),
}


def window(operator, attributes):
    """A model of one operator on a picture."""
    second = {"Resize": "r, r, s", "Conv": "w", "ConvTranspose": "w"}.get(operator, "")
    constants = [
        helper.make_tensor("r", onnx.TensorProto.FLOAT, [0], []),
        helper.make_tensor("s", onnx.TensorProto.INT64, [4], [1, 8, 32, 32]),
        helper.make_tensor("w", onnx.TensorProto.FLOAT, [8, 8, 3, 3], [0.0] * 576),
    ]
    model = parse(f"y = {operator} <{attributes}> ({', '.join(filter(None, ['x', second]))})")
    model.graph.initializer.extend(tensor for tensor in constants if tensor.name in second.split(", "))
    return model


@pytest.mark.parametrize("fault", CONV_FORMS.values(), ids=list(CONV_FORMS))
def test_forms_of_operators_on_pictures(fault):
    operator, rule, attributes = fault
    assert _only(found(window(operator, attributes)), operator, rule)


@pytest.mark.parametrize(
    "operator, attributes",
    [
        ("Resize", 'mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"'),
        ("Resize", 'mode="linear", coordinate_transformation_mode="pytorch_half_pixel"'),
        ("Conv", "kernel_shape=[3,3], pads=[1,1,1,1], dilations=[2,2]"),
        ("ConvTranspose", f"{TOLD}, output_padding=[0,0]"),
        ("MaxPool", "kernel_shape=[2,2], strides=[2,2], dilations=[1,1]"),
        ("AveragePool", "kernel_shape=[2,2], strides=[2,2]"),
        ("DepthToSpace", 'blocksize=2, mode="CRD"'),
    ],
)
def test_the_form_that_it_takes(operator, attributes):
    assert found(window(operator, attributes)) == []


CLEAN = {
    "Clip inputs": ("y = Clip (x, l)", "float[9] x, float l", "float[9] y"),
    "ReduceMean axes": ("y = ReduceMean <axes=[0,1]> (x)", "float[2,3] x", "float[1,1] y"),
    "ReduceMean keepdims=0": ("y = ReduceMean <keepdims=0> (x)", "float[2,3] x", "float y"),
    "Squeeze axes": ("y = Squeeze <axes=[0]> (x)", "float[1,3] x", "float[3] y"),
    "Split sizes": ("y, z = Split <axis=0, split=[1,3]> (x)", "float[4] x", "float[1] y, float[3] z"),
    "Max of scalars": ("y = Max (x, x)", "float[3] x", "float[3] y"),
    "Softmax last": ("y = Softmax <axis=2> (x)", "float[2,3,4] x", "float[2,3,4] y"),
    "MatMul": ("y = MatMul (x, w)", "float[2,3] x, float[3,4] w", "float[2,4] y"),
    "int64 indices": ("y = Gather (x, i)", "float[9] x, int64[2] i", "float[2] y"),
    "int64 Reshape": ("y = Reshape (x, s)", "float[9] x, int64[2] s", "float[a,b] y"),
}


@pytest.mark.parametrize("clean", CLEAN.values(), ids=list(CLEAN))
def test_what_it_takes(clean):
    assert found(parse(*clean)) == []


@pytest.mark.parametrize("first, count", [(-1, 1), (0, 0)])
def test_negative_constant_indices(first, count):
    model = parse("y = ScatterND (x, i, u)", "float[9] x, float[2] u", "float[9] y")
    model.graph.initializer.append(helper.make_tensor("i", onnx.TensorProto.INT64, [2, 1], [first, 1]))
    assert len(found(model)) == count


@pytest.mark.parametrize(
    "operator, attributes, rules",
    [
        ("NonMaxSuppression", dict(iou_threshold=0.5, offset=0), []),
        ("NonMaxSuppression", dict(iou_threshold=0.5), ["attribute offset is missing"]),
        ("NonMaxSuppression", dict(iou_threshold=1, offset=0), ["attribute iou_threshold is int, not float"]),
        ("NonMaxSuppression", dict(iou_threshold=0.5, offset=0, sigma=1), ["does not know the attribute sigma"]),
        ("SoftNonMaxSuppression", {}, ["does not have this operator"]),
        (
            "MMCVRoiAlign",
            dict(output_height=7, output_width=7, spatial_scale=0.5, sampling_ratio=0, aligned=1, mode="max"),
            ["mode avg only"],
        ),
    ],
)
def test_custom_operators(operator, attributes, rules):
    node = helper.make_node(operator, ["x", "x"], ["y"], domain="mmcv", **attributes)
    named = found(_one(node, 11, "mmcv"))
    assert [name for name, _ in named] == [f"mmcv::{operator}"] * len(rules)
    assert all(expected in rule for expected, (_, rule) in zip(rules, named))


def test_another_domain_is_refused_and_mmcvs_taken():
    node = helper.make_node("cummax", ["x"], ["y"], domain="mmcv", dim=1)
    assert found(_one(node, 11, "mmcv"), find_target("onnxruntime-mmcv")) == []
    foreign = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    assert [name for name, _ in found(_one(foreign, 11, "com.microsoft"), find_target("onnxruntime-mmcv"))]


def test_subgraphs_are_walked():
    text = """
    t = If (c) <then_branch = yes () => (float[n,8,16,16] a) { a = Abs (x) },
                else_branch = no () => (float[n,8,16,16] b) { b = Relu (x) }>
    y = Relu (t)
    """
    assert found(parse(text, inputs="float[n,8,16,16] x, bool c")) == [("Abs", "it does not have this operator")]


def test_local_functions_are_walked():
    function = '<domain: "own", opset_import: ["": 11]> f (a) => (b) { b = Abs (a) }'
    model = parse("y = own.f (x)", extra=', "own": 1')
    model.functions.append(onnx.parser.parse_function(function))
    rules = found(model)
    assert ("Abs", "it does not have this operator") in rules
    assert ("", "it has no local functions (own::f)") in rules
    assert found(model, find_target("onnxruntime-mmcv")) == []


@pytest.mark.parametrize("target", [name for name in TARGETS if name not in ("pplnn", "ncnn")])
def test_other_targets_take_standard_operators(target):
    assert found(parse("y = Abs (x)"), find_target(target)) == []


def test_onnxruntime_is_asked_itself():
    node = helper.make_node("NonMaxSuppression", ["x"], ["y"], domain="mmcv")
    ((_, rule),) = found(_one(node, 11, "mmcv"), find_target("onnxruntime"))
    assert rule.startswith("it does not load: ")


@pytest.mark.parametrize(
    "name, module",
    [
        ("/backbone/layer1/layer1.0/conv1/Conv", "backbone.layer1.0.conv1"),
        ("/neck/fpn_convs.0/conv/Conv", "neck.fpn_convs.0.conv"),
        ("/a/b/b.1/b.1.2/Relu_3", "a.b.1.2"),
        ("/Transpose_1", "/Transpose_1"),
        ("Conv_12", "Conv_12"),
        ("", "Relu of y"),
    ],
)
def test_the_module_of_a_node(name, module):
    assert module_of(helper.make_node("Relu", ["x"], ["y"], name=name)) == module


def test_the_module_that_metadata_tell():
    node = helper.make_node("Relu", ["x"], ["y"], name="node_1")
    if not hasattr(node, "metadata_props"):
        pytest.skip("this onnx has no metadata of nodes")
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value="['', 'layer1', 'layer1.0', 'relu']")
    assert module_of(node) == "layer1.0"


def test_the_model_is_not_changed():
    model = parse("y = Abs (x)")
    before = model.SerializeToString()
    check_target(model, PPLNN)
    assert model.SerializeToString() == before


def test_a_model_that_does_not_run():
    with pytest.raises(ExportError, match="does not run in ONNX Runtime"):
        check_runs(_one(helper.make_node("NoSuch", ["x"], ["y"])), [])


@pytest.fixture
def faulty(tmp_path):
    path = tmp_path / "faulty.onnx"
    onnx.save(parse("y = Abs (x)"), str(path))
    return str(path)


def test_the_command(faulty, tmp_path, capsys):
    assert cli.main(["check", faulty, "--target", "pplnn"]) == 1
    text = capsys.readouterr().out
    assert "Abs" in text and "1 finding for pplnn" in text
    assert cli.main(["check", faulty, "--target", "pplnn", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["target"]) == (faulty, "pplnn")
    assert set(told["findings"][0]) == {"node", "operator", "module", "rule", "fix"}
    assert cli.main(["check", faulty]) == 0
    assert "onnxruntime supports every node" in capsys.readouterr().out
    assert cli.main(["check", faulty, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


def refused(capsys, *arguments):
    assert cli.main(["check", *map(str, arguments)]) == 2
    text = capsys.readouterr()
    (line,) = text.err.splitlines()
    assert line.startswith("mmonnx: error: ") and not text.out
    return line


def test_wrong_input(faulty, tmp_path, capsys):
    assert "does not exist" in refused(capsys, tmp_path / "none.onnx")
    assert "is not a file" in refused(capsys, tmp_path)
    assert "target 'tvm' is unknown" in refused(capsys, faulty, "--target", "tvm")
    whole = (tmp_path / "faulty.onnx").read_bytes()
    for name, content in {"text": b"no model", "empty": b"", "half": whole[:40]}.items():
        (tmp_path / name).write_bytes(content)
        line = refused(capsys, tmp_path / name)
        assert f"{name}'" in line
    onnx.save(_one(helper.make_node("NoSuch", ["x"], ["y"])), str(tmp_path / "foreign.onnx"))
    assert "is not valid" in refused(capsys, tmp_path / "foreign.onnx")


@pytest.mark.parametrize("location", ["../outside.bin", "/etc/hostname", "missing.bin"])
def test_external_data_outside_of_the_folder(tmp_path, capsys, location):
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "outside.bin").write_bytes(bytes(64))
    model = parse("y = Add (x, w)")
    weight = helper.make_tensor("w", onnx.TensorProto.FLOAT, [16], [0.0] * 16)
    weight.ClearField("float_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location)
    model.graph.initializer.append(weight)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    assert "expected a whole file in the folder of the model" in refused(capsys, folder / "model.onnx")


def test_external_data_in_the_folder(tmp_path):
    model = parse("y = Add (x, w)")
    model.graph.initializer.append(
        helper.make_tensor("w", onnx.TensorProto.FLOAT, [16], bytes(64), raw=True),
    )
    options = dict(save_as_external_data=True, location="model.bin", size_threshold=0)
    onnx.save_model(model, str(tmp_path / "model.onnx"), **options)
    assert (tmp_path / "model.bin").exists()
    assert cli.main(["check", str(tmp_path / "model.onnx"), "--target", "pplnn"]) == 0


def test_the_table_without_a_terminal():
    report = Report(io.StringIO())
    show_findings(report, "x.onnx", "pplnn", [Finding("/a/b/Abs", "Abs", "a.b", "the rule", "the fix")] * 2)
    text = report.console.file.getvalue()
    assert "a.b" in text and "the rule; the fix" in text and text.endswith("x.onnx: 2 findings for pplnn\n")
