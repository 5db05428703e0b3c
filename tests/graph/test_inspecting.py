"""What a file tells."""

import json

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from mmonnx import cli
from mmonnx.graph.cost import cost_at


def weight(name, *shape):
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    nodes = [
        helper.make_node("Conv", ["input", "w", "b"], ["a"], name="conv", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["a"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "fc"], ["probs"], name="fc", transB=1),
    ]
    given = helper.make_tensor_value_info("input", 1, ["batch", 3, "height", "width"])
    made = helper.make_tensor_value_info("probs", 1, ["batch", 10])
    weights = [weight("w", 8, 3, 3, 3), weight("b", 8), weight("fc", 10, 8)]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [given], [made], weights),
        opset_imports=[helper.make_opsetid("", 11)],
        ir_version=7,
        producer_name="somebody",
    )
    helper.set_model_props(model, {"mmonnx.classes": '["cat"]', "author": "[me"})
    path = str(tmp_path_factory.mktemp("inspect") / "m.onnx")
    onnx.save(model, path)
    return path


def test_operations_at_a_shape(path):
    model = onnx.load(path)
    for batch, height, width in ((1, 32, 48), (2, 33, 31)):
        expected = 2 * batch * (height * width * 8 * 3 * 9 + 10 * 8)
        assert cost_at(model, (height, width), batch).flops == expected
        assert cost_at(model, (height, width), batch).uncounted == 0


def test_as_json(path, capfd):
    assert cli.main(["inspect", path, "--shape", "32", "48", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["operators"] == {"Conv": 1, "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1}
    assert found["inputs"] == [["input", "float32", ["batch", 3, "height", "width"]]]
    assert found["parameters"] == 8 * 27 + 8 + 80 and found["opsets"] == {"ai.onnx": 11}
    assert found["flops"]["total"] == 2 * (32 * 48 * 8 * 27 + 80)
    assert found["targets"]["onnxruntime"] == [] and set(found["targets"]) > {"pplnn"}
    assert found["metadata"] == {"mmonnx.classes": ["cat"], "author": "[me"}
    assert found["custom_domains"] == [] and found["bytes"] > 1000


def test_for_people(path, capfd):
    assert cli.main(["inspect", path]) == 0
    text = capfd.readouterr().out
    for words in ("somebody", "input float32", "304", "1 Conv", "supports every node", "mmonnx.classes"):
        assert words in text, text


def test_what_cannot_be_read_is_refused(path, tmp_path, capfd):
    (tmp_path / "corrupt.onnx").write_bytes(b"\x08\x07not a model")
    outside = onnx.load(path)
    onnx.external_data_helper.set_external_data(outside.graph.initializer[0], "../secret.data", 0, 864)
    outside.graph.initializer[0].ClearField("raw_data")
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret.data").write_bytes(b"x" * 864)
    (tmp_path / "inner" / "outside.onnx").write_bytes(outside.SerializeToString())
    arguments = ([str(tmp_path / "none.onnx")], [str(tmp_path / "corrupt.onnx")], [path, "--shape", "0", "3"])
    for wrong in (*arguments, [str(tmp_path / "inner" / "outside.onnx")]):
        assert cli.main(["inspect", *wrong]) == 2
        lines = capfd.readouterr().err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("mmonnx: error: "), lines
