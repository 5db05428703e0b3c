"""Models with their weights beside them: the two files belong together, at every moment."""

import os

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from mmonnx.graph import write
from mmonnx.graph.read import read_model
from mmonnx.runtime import large
from mmonnx.runtime.session import Session


def model_of(value):
    weight = numpy_helper.from_array(np.full((1000,), value, np.float32), "w")
    values = [helper.make_tensor_value_info(name, 1, [1000]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)


def answer(path):
    return float(Session(path).run({"x": np.zeros(1000, np.float32)})["y"][0])


def test_weights_go_beside_a_model_over_the_limit_and_the_former_ones_go(tmp_path):
    path, model = tmp_path / "m.onnx", model_of(1)
    write.write_model(model, path, limit=100)
    first = set(os.listdir(str(tmp_path)))
    assert len(first) == 2 and path.stat().st_size < 1000 and answer(path) == 1
    assert len(model.graph.initializer[0].raw_data) == 4000, "what is given is not changed"
    assert read_model(path).graph.initializer[0].raw_data == model.graph.initializer[0].raw_data

    write.write_model(model_of(2), path, limit=100)
    assert answer(path) == 2 and len(os.listdir(str(tmp_path))) == 2 and set(os.listdir(str(tmp_path))) != first

    write.write_model(model_of(3), path)
    assert answer(path) == 3 and os.listdir(str(tmp_path)) == ["m.onnx"]


def test_what_serializes_does_not_see_the_weights_of_a_large_model(monkeypatch):
    model = model_of(3)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, -1], np.int64), "shape"))
    model.graph.node.append(helper.make_node("Reshape", ["y", "shape"], ["z"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("z", 1, ["rows", "columns"]))
    monkeypatch.setattr(large, "LIMIT", 2000)
    before, seen = model.SerializeToString(), []

    def infer(given):
        seen.append(given.ByteSize())
        return onnx.shape_inference.infer_shapes(given, data_prop=True)

    found = large.without_weights(infer, model)
    assert large.is_large(model) and seen[0] < 1500 and model.SerializeToString() == before
    (shape,) = [value.type.tensor_type.shape for value in found.graph.value_info if value.name == "y"]
    assert [dim.dim_value for dim in shape.dim] == [1000]
    assert [dim.dim_value for dim in found.graph.output[0].type.tensor_type.shape.dim] == [1, 1000]
    assert list(found.graph.initializer) == list(model.graph.initializer)
    large.check_valid(model)
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(onnx.checker.ValidationError):
        large.check_valid(model)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("step", [0, 1])
def test_a_failure_at_either_file_leaves_the_former_model(tmp_path, monkeypatch, error, step):
    path = tmp_path / "m.onnx"
    write.write_model(model_of(1), path, limit=100)
    before = sorted(os.listdir(str(tmp_path)))
    replace, calls = os.replace, []

    def fail(source, target):
        calls.append(target)
        # the data into its private folder, the data into place, the model into place
        if len(calls) == step + 2:
            raise error
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(error):
        write.write_model(model_of(2), path, limit=100)
    monkeypatch.undo()
    assert len(calls) == step + 2
    assert sorted(os.listdir(str(tmp_path))) == before and answer(path) == 1


def test_files_of_others_are_not_removed(tmp_path):
    (tmp_path / "other.data").write_bytes(b"x" * 4000)
    model = model_of(1)
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], "other.data", 0, 4000)
    model.graph.initializer[0].ClearField("raw_data")
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    write.write_model(model_of(2), tmp_path / "m.onnx")
    assert sorted(os.listdir(str(tmp_path))) == ["m.onnx", "other.data"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_two_that_write_at_once_leave_a_whole_model(tmp_path):
    """What the one takes for the former weights are those that the other has just written."""
    path, children = tmp_path / "m.onnx", []
    for number in (1, 2):
        child = os.fork()
        if not child:
            try:
                for _ in range(25):
                    write.write_model(model_of(number), path, limit=100)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert len(os.listdir(str(tmp_path))) == 2 and answer(path) in (1, 2)
