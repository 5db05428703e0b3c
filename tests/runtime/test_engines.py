"""Files in other runtimes: a stand-in with planted faults, and the real ones where they are installed."""

import contextlib
import inspect
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from stand_in_engine import made, planted

from mmonnx.cli.commands.predict import RUNTIMES
from mmonnx.runtime import DEFAULT_RUNTIME, ENGINES, EngineError, EngineSession, Session, find_engine, large, open_model
from mmonnx.runtime.engines import EngineDeathError, child, mnn
from mmonnx.runtime.engines.signature import _of_session, signature_of
from mmonnx.support import InputError

# files alone: no stack's torch has a part in it
pytestmark = pytest.mark.once

FEEDS = {"input": np.random.RandomState(0).rand(2, 3, 5, 7).astype(np.float32)}


def agree(found, expected):
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_allclose(found[name], value, atol=1e-5)


def test_the_same_answers_in_the_types_that_the_file_declares(monkeypatch, tmp_path):
    planted(monkeypatch, apart=True)
    model = made("Sin", "Relu")
    onnx.save(model, tmp_path / "model.onnx")
    expected = Session(model).run(FEEDS)
    for source in (model, tmp_path / "model.onnx", str(tmp_path / "model.onnx")):
        session = EngineSession(source, "stand-in")
        assert session.title == "Stand-In 1.2" and session.input_names == ["input"]
        assert list(session.input_shape("input")) == ["batch", 3, "height", "width"]
        agree(session.run(FEEDS), expected)


def test_inputs_that_may_be_left_out(monkeypatch):
    planted(monkeypatch)
    model = made("Sin", optional=True)
    session, reference = EngineSession(model, "stand-in"), Session(model)
    assert session.optional_names == ["offset"] == reference.optional_names
    for more in ({}, {"offset": np.float32([-3])}):
        agree(session.run({**FEEDS, **more}), reference.run({**FEEDS, **more}))
    assert [tensor.name for tensor in model.graph.initializer] == ["weight", "zero", "offset"]


def test_what_an_export_writes_as_one_file_is_one_file(monkeypatch):
    planted(monkeypatch)
    found = []
    monkeypatch.setattr(large, "save_with_data", lambda model, path, name: found.append(name))
    for limit in (600, 300):
        monkeypatch.setattr(large, "LIMIT", limit)
        assert large.is_large(made("Sin"))
        with contextlib.suppress(EngineError):
            EngineSession(made("Sin"), "stand-in")
        assert found == (["model.onnx.data"] if large.is_over_limit(made("Sin")) else [])


def test_a_wrong_answer_stays_wrong(monkeypatch):
    planted(monkeypatch, wrong={"Sin": "Cos"})
    found = EngineSession(made("Sin"), "stand-in").run(FEEDS)
    assert not np.allclose(found["values"], Session(made("Sin")).run(FEEDS)["values"])


def test_a_death_is_told_and_the_next_run_starts_again(monkeypatch):
    planted(monkeypatch, dies=["Sin"])
    session = EngineSession(made("Sin"), "stand-in")
    for _ in range(2):
        with pytest.raises(EngineError, match=r"^Stand-In 1\.2: died from SIGFPE$"):
            session.run(FEEDS)
    monkeypatch.setenv("MMONNX_TEST_FAULTS", "{}")
    assert list(session.run(FEEDS)) == ["values", "labels"]


def test_a_runtime_that_gives_no_answer_is_killed(monkeypatch):
    planted(monkeypatch, hangs=["Sin"])
    session = EngineSession(made("Sin"), "stand-in")
    process = session._engine._process
    monkeypatch.setattr(child, "PATIENCE", 0.5)
    with pytest.raises(EngineError, match=r"^Stand-In 1\.2: gave no answer within 0\.5 s, and was killed$") as caught:
        session.run(FEEDS)
    assert isinstance(caught.value.__cause__, EngineDeathError) and process.poll() == -signal.SIGKILL
    monkeypatch.setattr(child, "PATIENCE", 600.0)
    monkeypatch.setenv("MMONNX_TEST_FAULTS", "{}")
    agree(session.run(FEEDS), Session(made("Sin")).run(FEEDS))


def test_a_runtime_that_takes_no_inputs_is_killed(monkeypatch):
    """More than a pipe holds: whoever sends it waits as well."""
    planted(monkeypatch, hangs=["Sin"])
    session = EngineSession(made("Sin"), "stand-in")
    os.kill(session._engine._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(child, "PATIENCE", 0.5)
    with pytest.raises(EngineError, match="gave no answer within"):
        session.run({"input": np.zeros((1, 3, 512, 512), np.float32)})


def test_a_child_where_there_are_no_limits_of_resources(monkeypatch, tmp_path):
    """As on Windows."""
    planted(monkeypatch, apart=True)
    (tmp_path / "resource.py").write_text("raise ImportError('no such module')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    imported = subprocess.run([sys.executable, "-c", "import resource"], stderr=subprocess.PIPE)
    assert b"no such module" in imported.stderr
    agree(EngineSession(made("Sin"), "stand-in").run(FEEDS), Session(made("Sin")).run(FEEDS))


def test_a_refusal_says_why(monkeypatch):
    planted(monkeypatch, apart=True, lacks=["Sin"])
    with pytest.raises(EngineError, match="Stand-In 1.2: no operator Sin"):
        EngineSession(made("Sin"), "stand-in")
    planted(monkeypatch, apart=True)
    session = EngineSession(made("Sin"), "stand-in")
    with pytest.raises(EngineError, match=r"Stand-In 1.2: .*\(it printed: printed by the runtime\)"):
        session.run({"input": FEEDS["input"][:, :2]})
    agree(session.run(FEEDS), Session(made("Sin")).run(FEEDS))


def test_what_is_not_installed_or_too_old(monkeypatch):
    planted(monkeypatch, apart=True, missing=True)
    with pytest.raises(InputError, match=r"stand_in is not installed; .*'stand_in'.*; install stand_in$"):
        EngineSession(made(), "stand-in")
    planted(monkeypatch, apart=True, version="0.9.1")
    with pytest.raises(InputError, match="stand_in 0.9.1 is too old; expected 1 or later; install stand_in"):
        EngineSession(made(), "stand-in")
    with pytest.raises(InputError, match="runtime 'none' is unknown; expected onnxruntime, openvino, "):
        EngineSession(made(), "none")
    monkeypatch.setenv("MMONNX_PYTHON_PPLNN", "/no/such/python")
    with pytest.raises(InputError, match="pyppl is not installed; .*No such file"):
        find_engine("pplnn").version()


def test_a_file_that_is_no_models(monkeypatch, tmp_path):
    planted(monkeypatch, lacks=["Sin"])
    onnx.save(made("Sin"), tmp_path / "model.onnx")
    with pytest.raises(InputError, match="model.onnx' cannot be loaded by Stand-In 1.2: no operator Sin; .*--target"):
        open_model(tmp_path / "model.onnx", runtime="stand-in")
    with pytest.raises(InputError, match="none.onnx' does not exist"):
        open_model(tmp_path / "none.onnx", runtime="stand-in")
    with pytest.raises(InputError, match="device 'cuda' is not available in stand-in"):
        open_model(tmp_path / "model.onnx", "cuda", runtime="stand-in")


def test_a_file_tells_the_same_with_onnx_and_without(tmp_path):
    model = made("Sin", optional=True)
    model.metadata_props.add(key="mmonnx.task", value='"raw"')
    assert signature_of(model) == _of_session(Session(model))


def test_nobody_needs_a_runtime_to_import_mmonnx():
    names = "openvino", "MNN", "pyppl", "onnx"
    check = f"import sys, mmonnx.runtime; print([name for name in {names} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", check], stdout=subprocess.PIPE).stdout.decode().strip() == "[]"


def test_the_help_names_all_runtimes():
    assert RUNTIMES.replace(" (default)", "").split(", ") == [DEFAULT_RUNTIME, *ENGINES]


@pytest.mark.parametrize("name", list(ENGINES))
def test_real_runtimes(name):
    try:
        ENGINES[name].version()
    except InputError as error:
        pytest.skip(str(error))
    model = made("Sigmoid", "Relu")
    session, reference = EngineSession(model, name), Session(model)
    for batch, height in ((2, 5), (1, 4)):
        feeds = {"input": FEEDS["input"][:batch, :, :height]}
        agree(session.run(feeds), reference.run(feeds))


def test_mnn_computes_convolutions_as_exactly_as_others():
    try:
        ENGINES["mnn"].version()
    except InputError as error:
        pytest.skip(str(error))
    draw = np.random.RandomState(0)
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 16]> g (float[1,64,48,48] x) => (float[1,64,48,48] y)'
        "{y = Conv <kernel_shape=[3,3], pads=[1,1,1,1]> (x, w)}"
    )
    weights = draw.randn(64, 64, 3, 3).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    feeds = {"x": draw.randn(1, 64, 48, 48).astype(np.float32)}
    found, expected = EngineSession(model, "mnn").run(feeds)["y"], Session(model).run(feeds)["y"]
    # of itself it is 3e-4 of the range off
    assert np.abs(found - expected).max() < 1e-5 * np.ptp(expected)


def test_the_docs_tell_of_mnn_what_its_engine_does():
    page = (Path(__file__).resolve().parents[2] / "docs" / "targets.md").read_text(encoding="utf-8")
    (made,) = re.findall(r"^manager = (.*)$", page, re.M)
    ((hint, value),) = re.findall(r"^manager\.set_hint\((\d+), (\d+)\)", page, re.M)
    source = inspect.getsource(mnn._exact_manager)
    assert f"manager = {made}\n" in source and f"set_hint(_WINOGRAD, {value})" in source
    assert int(hint) == mnn._WINOGRAD
