"""Permutations of rows move behind the work that is done row by row, and nowhere else."""

import numpy as np
import onnx
import onnxruntime
import pytest

from mmonnx.rewriting.lowering.inline import inline_functions
from mmonnx.rewriting.lowering.sink import sink_permutations

HEADER = """
<ir_version: 8, opset_import: ["": 13, "mmonnx": 1]>
graph (float[K, 2, 4, 4] x, int64[K] index) => (RESULT)
<float[3, 2, 1, 1] conv = {1, 2, 3, 4, 5, 6}, float[12, 5] weight = {WEIGHT}, float[5] bias = {1, 2, 3, 4, 5},
 float[3, 1, 1, 1] rows = {1, 2, 3}>
"""
HEADER = HEADER.replace("WEIGHT", ", ".join(str(number % 7) for number in range(60)))


def make(body, result):
    return onnx.parser.parse_model(HEADER.replace("RESULT", result) + body)


def run(model, feeds):
    session = onnxruntime.InferenceSession(inline_functions(model).SerializeToString())
    return session.run(None, feeds)


@pytest.fixture
def feeds():
    rng = np.random.RandomState(0)
    return {"x": rng.randn(3, 2, 4, 4).astype(np.float32), "index": np.int64([2, 0, 1])}


HEAD = """{
    p = mmonnx.PermuteRows (x, index)
    c = Conv (p, conv)
    r = Relu (c)
    m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
    s = Add (m, m)
    f = Flatten (s)
    y = Gemm (f, weight, bias)
}"""


def test_it_sinks_through_a_whole_head(feeds):
    model = make(HEAD, "float[K, 5] y")
    before = model.SerializeToString()
    found = sink_permutations(model)
    assert model.SerializeToString() == before
    assert [node.op_type for node in found.graph.node] == [
        "Conv", "Relu", "MaxPool", "Add", "Flatten", "Gemm", "PermuteRows"
    ]  # fmt: skip
    np.testing.assert_array_equal(run(found, feeds)[0], run(model, feeds)[0])
    none = {"x": feeds["x"][:0], "index": feeds["index"][:0]}
    assert run(found, none)[0].shape == (0, 5)


@pytest.mark.parametrize(
    "body",
    [
        "{ p = mmonnx.PermuteRows (x, index)\n y = Mul (p, rows) }",  # a number for each row
        "{ p = mmonnx.PermuteRows (x, index)\n y = Add (p, x) }",  # rows that are not permuted
        "{ p = mmonnx.PermuteRows (x, index)\n y = ReduceMean <axes = [0], keepdims = 1> (p) }",  # rows meet
        "{ p = mmonnx.PermuteRows (x, index)\n y = Flatten <axis = 2> (p) }",
        """{ a = mmonnx.PermuteRows (x, index)
             b = mmonnx.PermuteRows (x, other)
             other = Identity (index)
             y = Add (a, b) }""".replace("other = Identity (index)\n", ""),
    ],
    ids=["row weights", "other rows", "mean of rows", "flatten", "two orders"],
)
def test_it_stays_where_rows_are_not_alone(feeds, body):
    if "other" in body:
        body = body.replace("{", "{ other = Identity (index)\n", 1)
    model = make(body, "float[A, B, C, D] y" if "Flatten" not in body else "float[A, B] y")
    found = sink_permutations(model)
    assert [node.op_type for node in found.graph.node] == [node.op_type for node in model.graph.node]
    np.testing.assert_array_equal(run(found, feeds)[0], run(model, feeds)[0])


def test_the_shape_of_permuted_rows_is_that_of_the_rows(feeds):
    model = make("{ p = mmonnx.PermuteRows (x, index)\n y = Shape (p) }", "int64[4] y")
    found = sink_permutations(model)
    assert [node.op_type for node in found.graph.node] == ["Shape"]
    assert run(found, feeds)[0].tolist() == [3, 2, 4, 4]
    fewer = make("{ p = mmonnx.SelectRows (x, index)\n y = Shape (p) }", "int64[4] y")
    assert [node.op_type for node in sink_permutations(fewer).graph.node] == ["SelectRows", "Shape"]
