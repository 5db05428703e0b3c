"""An export that is ended at any stage, on a full disk, or at the same time as another, never leaves a broken file."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from export_driver import SIGNALS, STAGES

from mmonnx.graph.read import read_model

pytestmark = [pytest.mark.once, pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")]
TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("killed")


@pytest.fixture(scope="module")
def outcomes(root):
    env = {**os.environ, "PYTHONPATH": str(TESTS.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(TESTS / "export_driver.py"), str(root)], env=env, stdout=subprocess.PIPE)
    assert done.returncode == 0
    return json.loads(done.stdout.decode().splitlines()[-1])


@pytest.fixture(params=STAGES)
def stage(request, outcomes):
    """How the exports ended that got a signal at a stage, by the signal."""
    found = {one["signal"]: one for one in outcomes["ended"] if one["stage"] == request.param}
    assert len(found) == len(SIGNALS) and all(one["ready"] for one in found.values())
    return found


def test_a_killed_export_leaves_the_old_file_and_the_next_one_tidies_up(stage):
    found = stage[signal.SIGKILL]
    assert found["status"] == -signal.SIGKILL and found["old"]
    assert all(name == "x.onnx" or name.startswith(".mmonnx-") for name in found["files"])
    assert found["again"] == 0 and found["left"] == ["x.onnx"]


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, 130)])
def test_a_stopped_export_leaves_the_old_file_and_nothing_else(stage, number, status):
    found = stage[number]
    assert found["status"] == status and found["old"] and found["files"] == ["x.onnx"]
    assert found["temporary"] == [] and found["simplifiers"] == 0
    assert "Traceback" not in found["told"]


@pytest.mark.parametrize("number", [0, 1], ids=["write", "simplify"])
def test_a_full_disk_leaves_the_old_file_and_is_told_in_a_line(outcomes, number):
    found = outcomes["full"][number]
    assert found["status"] == 2 and found["old"] and found["files"] == ["x.onnx"] and found["temporary"] == []
    (line,) = [line for line in found["told"].splitlines() if line.startswith("mmonnx: error: ")]
    assert "File too large" in line and "make room" in line and "Traceback" not in found["told"]


def test_two_exports_to_one_file_at_once_leave_a_whole_one(outcomes, root):
    found = outcomes["both"]
    assert found["status"] == [0, 0] and found["files"] == ["x.onnx"] and found["temporary"] == []
    assert len(read_model(root / "both" / "out" / "x.onnx").graph.node) > 3
