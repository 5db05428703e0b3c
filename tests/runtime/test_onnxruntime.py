import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from resident import needs_resident

from mmonnx.runtime.session import Session
from mmonnx.support.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


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


MEMORY = """
import sys
import numpy as np
from mmonnx.runtime import Session
from resident import resident

session, value = Session(sys.argv[1], arena=bool(int(sys.argv[2]))), np.ones(1 << 24, np.float32)
session.run({"a": value[:9], "b": value[:9]})
before = resident()
session.run({"a": value, "b": value})
print((resident() - before) / value.nbytes)
"""


@needs_resident
def test_a_session_without_an_arena_keeps_nothing_for_the_next_run(model, tmp_path):
    """In processes of their own, as threads of other tests take memory too."""
    model.graph.output.pop()  # the sum is of the graph alone
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())

    def kept(arena):
        command = [sys.executable, "-c", MEMORY, str(path), str(int(arena))]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
        return float(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)

    assert kept(arena=True) > 0.5
    assert kept(arena=False) < 0.125


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
