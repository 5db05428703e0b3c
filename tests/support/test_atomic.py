"""A file is replaced in one step, or not touched at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmonnx.support.atomic import check_writable, replacing
from mmonnx.support.errors import InputError

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
WRITER = """
import sys, time
from mmonnx.support.atomic import replacing
with replacing(sys.argv[1]) as path:
    path.write_text("half of")
    print("writing", flush=True)
    time.sleep(60)
"""
# Exits with 0 where the fork was ended by the signal itself, and the block went on to its end.
FORKER = """
import os, signal, sys, time
from mmonnx.support.atomic import replacing
with replacing(sys.argv[1]) as path:
    path.write_text("new")
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(tell, b"!")  # Python forgets a signal that comes while it forks
            time.sleep(30)
        finally:
            os._exit(3)
    os.read(ready, 1)
    os.kill(child, signal.SIGTERM)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGTERM, status
"""


def test_a_new_file_in_a_new_folder(tmp_path):
    target = tmp_path / "a" / "b" / "model.onnx"
    with replacing(target) as path:
        assert path.suffix == ".onnx" and not target.exists()
        path.write_bytes(b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(target.parent) == ["model.onnx"]


def test_the_old_file_stays_until_the_end(tmp_path):
    target = tmp_path / "model.onnx"
    target.write_bytes(b"old")
    target.chmod(0o640)
    with replacing(target) as path:
        path.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_the_permissions_of_a_new_file_are_the_ordinary_ones(tmp_path):
    (tmp_path / "ordinary").write_bytes(b"")
    with replacing(tmp_path / "model.onnx") as path:
        path.write_bytes(b"new")
    assert (tmp_path / "model.onnx").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_link_keeps_its_place(tmp_path):
    (tmp_path / "real.onnx").write_bytes(b"old")
    (tmp_path / "link.onnx").symlink_to(tmp_path / "real.onnx")
    with replacing(tmp_path / "link.onnx") as path:
        path.write_bytes(b"new")
    assert (tmp_path / "link.onnx").is_symlink() and (tmp_path / "real.onnx").read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("there", [True, False])
def test_a_failure_touches_nothing(tmp_path, error, there):
    target = tmp_path / "model.onnx" if there else tmp_path / "folder" / "model.onnx"
    if there:
        target.write_bytes(b"old")
    with pytest.raises(error), replacing(target) as path:
        path.write_bytes(b"half")
        raise error
    assert os.listdir(tmp_path) == (["model.onnx"] if there else [])
    assert not there or target.read_bytes() == b"old"


def test_nothing_written_is_a_failure(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"old")
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "model.onnx"):
        pass
    assert (tmp_path / "model.onnx").read_bytes() == b"old"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_ended_in_the_middle_leaves_the_old_file(tmp_path, number):
    target = tmp_path / "model.onnx"
    target.write_bytes(b"old")
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT
    )
    assert process.stdout.readline() == b"writing\n"
    process.send_signal(number)
    process.wait()
    process.stdout.close()
    assert target.read_bytes() == b"old"
    if number == signal.SIGTERM:
        assert process.returncode == 128 + signal.SIGTERM
        assert os.listdir(tmp_path) == ["model.onnx"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_that_is_ended_leaves_what_its_parent_writes(tmp_path):
    # in a process of its own: a runner of tests may handle the signal itself
    command = [sys.executable, "-c", FORKER, str(tmp_path / "model.onnx")]
    process = subprocess.run(command, env=ENVIRONMENT, timeout=60)
    assert process.returncode == 0
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_sigterm_is_as_before_afterwards(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with replacing(tmp_path / "model.onnx") as path:
        path.write_bytes(b"new")
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_writable_path_is_left_alone(tmp_path):
    check_writable(tmp_path / "new" / "folder" / "model.onnx")
    (tmp_path / "model.onnx").write_bytes(b"old")
    check_writable(tmp_path / "model.onnx")
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_unwritable_paths_are_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path, tmp_path / "file" / "model.onnx"):
        with pytest.raises(InputError):
            check_writable(path)
    with pytest.raises(InputError), replacing(tmp_path / "file" / "model.onnx"):
        pytest.fail("the block must not run")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that nobody can write to")
def test_a_folder_that_cannot_be_written_to():
    # Not one made read-only: the superuser, as whom tests run in containers, can write there.
    with pytest.raises(InputError, match="cannot be written"):
        check_writable("/proc/self/model.onnx")
    with pytest.raises(InputError, match="cannot be written"):
        check_writable("/proc/self/folder/model.onnx")


def test_a_new_file_has_the_usual_permissions_and_no_other_thread_sees_another_umask(tmp_path, monkeypatch):
    path, usual = tmp_path / "new", tmp_path / "usual"
    usual.touch()
    monkeypatch.setattr(os, "umask", None)
    with replacing(str(path)) as private:
        private.write_text("new")
        private.chmod(0o600)
    assert path.stat().st_mode == usual.stat().st_mode and not list(tmp_path.glob(".*"))
