"""One function a type, whatever attributes its nodes have, and the same answers from every way to run it."""

import numpy as np
import onnx
import onnx.inliner
import onnxruntime
import pytest
from onnx import helper

from mmonnx.graph.functions import with_functions, without_functions
from mmonnx.rewriting.lowering.attach import attach_functions
from mmonnx.rewriting.lowering.inline import inline_functions
from mmonnx.rewriting.symbolics import functions
from mmonnx.rewriting.symbolics.functions import Function
from mmonnx.support.errors import ExportError

NAME = "Probe"
ONE = dict(stride=[1, 0], dim=-1, scale=0.25, kind="a")
OTHERS = [
    dict(ONE, dim=0),
    dict(ONE, dim=-3),
    dict(ONE, dim=5),
    dict(ONE, stride=[0, 1]),
    dict(ONE, stride=[2, 1], kind="b"),
    dict(ONE, scale=1 / 3),
    dict(ONE, scale=-2.0, dim=4),
]


def body(opset, attributes):
    stride = attributes["stride"]
    number = 1000.0 * stride[0] + 100.0 * stride[1] + attributes["dim"] + attributes["scale"]
    return f"""
        <domain: "mmcv", opset_import: ["": {opset}]>
        {NAME} (a, b) => (sum, product)
        {{
            number = Constant <value = float {{{number!r}}}> ()
            sum = Add (a, number)
            product = Mul (b, number)
        }}"""


@pytest.fixture(autouse=True)
def probe(monkeypatch):
    table = {NAME: Function(NAME, domain="mmcv", body=body)}
    monkeypatch.setattr(functions, "all_functions", lambda: table)


def make(sets, opset=11, ir_version=7):
    nodes = [
        helper.make_node(NAME, ["x", "x"], [f"sum{number}", f"product{number}"], domain="mmcv", **attributes)
        for number, attributes in enumerate(sets)
    ]
    results = [name for node in nodes for name in node.output]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", 1, ["n"])],
        [helper.make_tensor_value_info(name, 1, ["n"]) for name in results],
    )
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("mmcv", 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=ir_version)


def run(model, level=onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [value[0] for value in session.run(None, {"x": np.float32([2.0])})]


def expected(sets):
    numbers = [1000 * one["stride"][0] + 100 * one["stride"][1] + one["dim"] + one["scale"] for one in sets]
    return [value for number in numbers for value in (2 + number, 2 * number)]


@pytest.mark.parametrize("opset", [11, 13, 17])
@pytest.mark.parametrize("sets", [[ONE], [ONE, ONE], [ONE, OTHERS[0]], [ONE, *OTHERS, ONE], [OTHERS[3], OTHERS[4]]])
def test_each_node_gets_the_body_of_its_attributes(opset, sets):
    model = make(sets, opset)
    whole = attach_functions(model)
    onnx.checker.check_model(whole)
    assert not model.functions and whole.graph == model.graph
    assert [function.name for function in whole.functions if function.name == NAME] == [NAME]
    assert {function.domain for function in whole.functions} == {"mmcv"} and whole.ir_version >= 8
    for level in (
        onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    ):
        np.testing.assert_allclose(run(whole, level), expected(sets), rtol=1e-6)
    np.testing.assert_allclose(run(onnx.inliner.inline_local_functions(whole)), expected(sets), rtol=1e-6)
    inlined = inline_functions(model)
    assert not inlined.functions and {node.domain for node in inlined.graph.node} == {""}
    assert [entry.domain for entry in inlined.opset_import] == [""]
    np.testing.assert_allclose(run(inlined), expected(sets), rtol=1e-6)


def test_a_single_body_needs_no_choice():
    whole = attach_functions(make([ONE, dict(ONE, kind="b")]))
    assert [function.name for function in whole.functions] == [NAME] and not whole.functions[0].attribute
    np.testing.assert_allclose(run(whole), expected([ONE, ONE]), rtol=1e-6)


def test_what_differs_in_a_string_alone_is_refused(monkeypatch):
    def by_kind(opset, attributes):
        return body(opset, {**attributes, "scale": {"a": 1.0, "b": 2.0}[attributes["kind"]]})

    table = {NAME: Function(NAME, domain="mmcv", body=by_kind)}
    monkeypatch.setattr(functions, "all_functions", lambda: table)
    with pytest.raises(ExportError, match="mmcv::Probe .*'kind' alone .'a', 'b'.*--custom-ops none"):
        attach_functions(make([ONE, dict(ONE, kind="b")]))


def test_what_is_kept_is_not_inlined_and_brings_back_its_functions():
    model = make([ONE, OTHERS[0]])
    assert inline_functions(model, {NAME}) is model
    whole = attach_functions(model)
    bare = without_functions(whole)
    assert not bare.functions and len(whole.functions) == 3
    assert sorted(one.name for one in with_functions(bare, whole).functions) == [NAME, f"{NAME}_1", f"{NAME}_2"]
    del bare.graph.node[:]
    assert not with_functions(bare, whole).functions


def test_a_model_without_any_is_left_alone():
    model = helper.make_model(
        helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "graph", [], []),
        opset_imports=[helper.make_opsetid("", 11)],
    )
    assert attach_functions(model) is model and inline_functions(model) is model
