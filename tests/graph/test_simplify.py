"""A simplified model is believed only after it was run."""

import os
import sys
import textwrap
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mmonnx.graph import simplifier as module
from mmonnx.graph.simplifier import count_nodes, file_size, simplify
from mmonnx.support.errors import ExportError


@pytest.fixture
def model():
    """y = relu(x) * (2 + 1) through an Identity: something to fold, with a dynamic batch and width."""
    nodes = [
        helper.make_node("Add", ["two", "one"], ["factor"]),
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("Identity", ["positive"], ["same"]),
        helper.make_node("Mul", ["same", "factor"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, "width"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3, "width"])],
        [numpy_helper.from_array(np.float32(value), name) for value, name in ((2, "two"), (1, "one"))],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    made.ir_version = 7
    return made


@pytest.fixture
def feeds():
    rng = np.random.RandomState(0)
    return [{"x": rng.randn(batch, 3, width).astype(np.float32)} for batch, width in ((1, 4), (1, 7), (2, 4))]


def agree(expected, found):
    for name, values in expected.items():
        if values.shape != found[name].shape:
            return f"{name} has another shape"
        if np.abs(values - found[name]).max() > 1e-5:
            return f"{name} differs"
    return None


def plant(monkeypatch, tmp_path, *bodies):
    """Replace the tools by scripts with these bodies, which know ``source``, ``target``, and ``model``."""
    tools = []
    for index, body in enumerate(bodies):
        script = tmp_path / f"tool{index}.py"
        head = "import os, sys, time, onnx\nsource, target = sys.argv[1:]\nmodel = onnx.load(source)\n"
        script.write_text(head + textwrap.dedent(body))
        tools.append((f"tool{index}", (sys.executable, str(script))))
    monkeypatch.setattr(module, "TOOLS", tools)


GOOD = "onnx.save(model, target)"


@pytest.mark.parametrize("tool", [name for name, _ in module.TOOLS])
def test_each_tool_keeps_what_matters(monkeypatch, model, feeds, tool):
    monkeypatch.setattr(module, "TOOLS", [entry for entry in module.TOOLS if entry[0] == tool])
    before = model.SerializeToString()
    found = simplify(model, feeds, agree)
    assert (found.tool, found.rejected) == (tool, [])
    assert count_nodes(found.model) == 2
    assert list(found.model.graph.input) == list(model.graph.input)
    assert list(found.model.graph.output) == list(model.graph.output)
    assert [(entry.domain, entry.version) for entry in found.model.opset_import] == [("", 11)]
    assert model.SerializeToString() == before


@pytest.mark.parametrize("tool", ["onnxsim", "onnxslim"])
def test_functions_are_set_aside_and_put_back(monkeypatch, model, feeds, tool):
    """ONNX Runtime's optimizer cannot load what it does not know, and is refused."""
    monkeypatch.setattr(module, "TOOLS", [entry for entry in module.TOOLS if entry[0] in (tool, "onnxruntime")][::-1])
    text = '<domain: "mmcv", opset_import: ["": 11]> Twice (a) => (b) { b = Add (a, a) }'
    model.graph.node[3].input[0] = "twice"
    model.graph.node.insert(3, helper.make_node("Twice", ["same"], ["twice"], domain="mmcv"))
    model.opset_import.append(helper.make_opsetid("mmcv", 1))
    model.functions.append(onnx.parser.parse_function(text))
    model.ir_version = 8
    found = simplify(model, feeds, agree)
    assert found.tool == tool and found.rejected[0][0] == "onnxruntime"
    assert [node.op_type for node in found.model.graph.node] == ["Relu", "Twice", "Mul"]
    assert list(found.model.functions) == list(model.functions) and found.model.ir_version >= 8
    assert {entry.domain for entry in found.model.opset_import} == {"", "mmcv"}


BROKEN = {
    "wrong numbers": ("model.graph.node[1].op_type = 'Neg'\n" + GOOD, "is wrong with x 1x3x4: y differs"),
    "an exception": ("raise ValueError('cannot fold this')", "ValueError: cannot fold this"),
    "a crash": ("os.kill(os.getpid(), 11)", "SIGSEGV"),
    "nothing written": ("", "no readable result"),
    "half a file": ("open(target, 'wb').write(open(source, 'rb').read()[:-40])", ""),
    "no valid model": ("model.graph.node[2].op_type = 'Nonsense'\n" + GOOD, "does not load"),
    "another input": ("model.graph.input[0].name = model.graph.node[1].input[0] = 'z'\n" + GOOD, "its inputs are"),
    "another type": ("model.graph.output[0].type.tensor_type.elem_type = 7\n" + GOOD, "its type"),
    "a fixed axis": (
        "model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 4\n" + GOOD,
        "axis 2 (width) became 4",
    ),
    "weights as inputs": (
        "model.graph.input.append(onnx.helper.make_tensor_value_info('two', 1, []))\n" + GOOD,
        "its inputs are",
    ),
    "another opset": ("model.opset_import[0].version = 13\n" + GOOD, "changed the opset from 11 to 13"),
    "a foreign operator": (
        "model.graph.node[1].domain = 'com.microsoft'\nmodel.opset_import.add(domain='com.microsoft', version=1)\n"
        + GOOD,
        "uses operators of com.microsoft",
    ),
    "right at the export shape alone": (
        "model.graph.node[2].op_type = 'Reshape'\nmodel.graph.node[2].input.append('shape')\n"
        "model.graph.initializer.append(onnx.helper.make_tensor('shape', 7, [3], [1, 3, 4]))\n" + GOOD,
        "does not run with x 1x3x7",
    ),
}


@pytest.mark.parametrize("body, reason", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_result_is_refused_and_the_next_tool_is_used(monkeypatch, tmp_path, model, feeds, body, reason):
    plant(monkeypatch, tmp_path, body, GOOD)
    lines = []
    found = simplify(model, feeds, agree, lines.append)
    assert found.tool == "tool1"
    assert [name for name, _ in found.rejected] == ["tool0"]
    assert reason in found.rejected[0][1]
    assert len(lines) == 1 and "tool0 is not used" in lines[0]


def test_renamed_axes_are_given_their_names_back(monkeypatch, tmp_path, model, feeds):
    plant(monkeypatch, tmp_path, "model.graph.output[0].type.tensor_type.shape.dim[2].dim_param = 'unk_1'\n" + GOOD)
    assert simplify(model, feeds, agree).model.graph.output[0].type.tensor_type.shape.dim[2].dim_param == "width"


def test_a_count_that_is_always_the_same_keeps_its_name(monkeypatch, tmp_path, model, feeds):
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "num_dets"
    plant(monkeypatch, tmp_path, "model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 3\n" + GOOD)
    found = simplify(model, feeds, agree)
    assert found.tool == "tool0"
    axes = [dim.dim_param or dim.dim_value for dim in found.model.graph.output[0].type.tensor_type.shape.dim]
    assert axes == ["batch", "num_dets", "width"]


def test_the_first_tool_is_at_hand_before_its_file_is_and_is_used_once(monkeypatch, tmp_path, model, feeds):
    started = tmp_path / "started"
    body = f"open({str(started)!r}, 'a').write('x'); sys.stdin.read(); onnx.save(onnx.load(source), target)"
    script = tmp_path / "tool.py"
    script.write_text(f"import onnx, sys\nsource, target = sys.argv[1:]\n{body}")
    monkeypatch.setattr(module, "TOOLS", [("tool", (sys.executable, str(script)))])
    with module.Workshop() as workshop:
        until = time.monotonic() + 60
        while not started.exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert simplify(model, feeds, agree, workshop=workshop).tool == "tool"
    assert started.read_text() == "x"


def test_a_tool_at_hand_is_gone_with_the_workshop(monkeypatch, tmp_path):
    script = tmp_path / "tool.py"
    script.write_text("import time\ntime.sleep(600)")
    monkeypatch.setattr(module, "TOOLS", [("tool", (sys.executable, str(script)))])
    with pytest.raises(ValueError), module.Workshop() as workshop:
        process = workshop._early["tool"]._process
        assert process.poll() is None
        raise ValueError("the trace failed")
    assert process.poll() is not None and not os.path.exists(workshop._folder.name)


def test_what_is_at_work_is_told_and_given_up_by_the_size_of_the_model(monkeypatch, tmp_path, model, feeds):
    plant(monkeypatch, tmp_path, "raise SystemExit(3)", GOOD)
    told, limits = [], []
    run = module.Workshop.run
    monkeypatch.setattr(module.Workshop, "run", lambda *args: limits.append(args[-1]) or run(*args))
    simplify(model, feeds, agree, started=told.append)
    model.graph.node.extend(onnx.helper.make_node("Relu", ["x"], [f"more_{number}"]) for number in range(5000))
    simplify(model, feeds, agree)
    assert told == ["tool0", "tool1"] and 60 < limits[0] < 70 and 400 < limits[2] < 500


def test_an_axis_of_which_nothing_was_said_may_become_a_number(monkeypatch, tmp_path, model, feeds):
    model.graph.output[0].type.tensor_type.shape.dim[1].Clear()
    plant(monkeypatch, tmp_path, "model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 3\n" + GOOD)
    found = simplify(model, feeds, agree)
    assert found.tool == "tool0"
    axes = [dim.dim_param or dim.dim_value for dim in found.model.graph.output[0].type.tensor_type.shape.dim]
    assert axes == ["batch", 3, "width"]


def test_without_a_tool_that_works_the_model_stays(monkeypatch, tmp_path, model, feeds):
    plant(monkeypatch, tmp_path, "raise SystemExit(3)", "os.abort()")
    lines = []
    found = simplify(model, feeds, agree, lines.append)
    assert found.tool is None and found.model == model
    assert [reason for _, reason in found.rejected] == ["exit status 3", "it died from SIGABRT"]
    assert "not simplified" in lines[-1]


def test_a_tool_that_hangs_is_given_up_with_its_children(monkeypatch, tmp_path, model, feeds):
    body = f"""
    import subprocess
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open({str(tmp_path / "pids")!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
    time.sleep(60)
    """
    plant(monkeypatch, tmp_path, body)
    found = simplify(model, feeds, agree, timeout=10)  # a busy machine starts a Python in seconds
    assert found.rejected == [("tool0", "no result after 10 s")]
    for pid in (tmp_path / "pids").read_text().split():
        for _ in range(100):
            if not _runs(int(pid)):
                break
            time.sleep(0.05)
        assert not _runs(int(pid))


def _runs(pid):
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_nothing_is_left_in_the_temporary_folder(monkeypatch, tmp_path, model, feeds):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path / "temporary"))
    plant(monkeypatch, tmp_path, "os.abort()", GOOD)
    simplify(model, feeds, agree)

    def interrupted(expected, found):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simplify(model, feeds, interrupted)
    assert os.listdir(tmp_path / "temporary") == []


def test_a_model_that_does_not_run_is_an_error(model):
    with pytest.raises(ExportError, match="does not run in ONNX Runtime"):
        simplify(model, [{"x": np.zeros((1, 5, 4), np.float32)}], agree)


def test_nodes_of_subgraphs_count(model):
    branch = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["z"]), helper.make_node("Relu", ["z"], ["out"])], "branch", [], []
    )
    node = helper.make_node("If", ["condition"], ["q"], then_branch=branch, else_branch=branch)
    model.graph.node.append(node)
    assert count_nodes(model) == 4 + 1 + 2 * 2


def test_file_size(tmp_path):
    (tmp_path / "file").write_bytes(bytes(1536))
    assert file_size(tmp_path / "file") == "1.5 KiB"
    assert file_size(onnx.ModelProto()) == "0 B"
