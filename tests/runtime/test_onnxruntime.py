import numpy as np
import pytest
from onnx import TensorProto, helper
from resident import needs_resident, resident

from mmonnx.runtime.session import Session
from mmonnx.support.errors import InputError


@pytest.fixture
def model():
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Neg", ["sum"], ["minus"])],
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "ab"],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("minus", "sum")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    made.ir_version = 7
    return made


def test_a_model_and_its_file_run_alike(model, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    for source in (model, path, str(path)):
        session = Session(source, num_threads=1)
        assert (session.input_names, session.output_names) == (["a", "b"], ["minus", "sum"])
        found = session.run({"a": np.float32([1, 2]), "b": np.float32([3, 5])})
        assert list(found) == ["minus", "sum"]
        assert found["sum"].tolist() == [4, 7] and found["minus"].tolist() == [-4, -7]


@needs_resident
@pytest.mark.parametrize("arena", [True, False])
def test_a_session_without_an_arena_keeps_nothing_for_the_next_run(model, arena):
    model.graph.output.pop()  # the sum is of the graph alone
    size = 1 << 26
    session, value = Session(model, arena=arena), np.ones(size // 4, np.float32)
    session.run({"a": value[:9], "b": value[:9]})
    before = resident()
    session.run({"a": value, "b": value})
    kept = resident() - before
    assert kept > size / 2 if arena else kept < size / 8, kept


@pytest.mark.parametrize("device", ["tpu", "cuda:", "cuda:x", "cpu:1", ""])
def test_unknown_devices(model, device):
    with pytest.raises(InputError, match="is unknown"):
        Session(model, device)


def test_cuda_is_never_replaced_by_the_cpu_in_silence(model):
    try:
        session = Session(model, "cuda")
    except InputError as error:
        assert "--device cpu" in str(error)
    else:
        assert session._session.get_providers()[0] == "CUDAExecutionProvider"
