"""Shapes, arguments and surroundings that make no sense; and how every refusal looks."""

import ast
import io
import os
import re
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import onnx
import pytest

from mmonnx import cli
from mmonnx.support import atomic, memory
from mmonnx.support.errors import InputError, is_out_of_memory

ROOT = Path(__file__).resolve().parents[2]
PLAIN = ["export", "fuzz_model:make", "--output-file", "new/x.onnx"]


@pytest.mark.parametrize("shape", ["0", "-32", "-32 64", "64 0", "99999 99999", "4294967296", "1 2 3", "²", "9" * 5000])
def test_shapes_that_are_none_are_refused(corpus, refused, shape):
    assert "--shape" in refused([*PLAIN, "--shape", *shape.split()])


def test_a_shape_that_is_no_multiple_of_32_is_exported(corpus, judged):
    """And gives what PyTorch gives: the detector pads nothing, and crops nothing."""
    more = ["--shape", "75", "93", "--output-file", "x.onnx", "--verify"]
    assert judged(["export", str(corpus.folder / "lenet5.py"), "--output-file", "x.onnx"]).status == 0
    assert judged(["export", "mmonnx::digits/faster_rcnn_digits.py", corpus.weights("faster_rcnn"), *more]).status == 0


@pytest.mark.parametrize("more", ["--shape 512 --batch 1000000", "--batch 1000000000", "--shape 8192 --batch 100000"])
@pytest.mark.parametrize("config", ["fuzz_model:make", "lenet5.py"])
def test_an_enormous_batch_is_refused_before_memory_is_gone(corpus, refused, config, more):
    config = config if ":" in config else str(corpus.folder / config)
    assert "of memory" in refused(["export", config, *PLAIN[2:], *more.split()])


def test_the_configs_own_enormous_shape_is_refused(corpus, refused):
    text = corpus.configs["lenet5"].replace("size=(32, 32)", "size=(99999, 99999)")
    assert "99999x99999" in refused(["export", "x.py", *PLAIN[2:]], lambda folder: (folder / "x.py").write_text(text))


def test_the_memory_of_a_container_and_of_a_shell_count(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "no.limit").write_text("max\n")
    monkeypatch.setattr(memory, "_LIMITS", [str(tmp_path / name) for name in ("memory.max", "no.limit", "none")])
    assert memory.available_memory() == 1000
    with pytest.raises(InputError, match="needs about 0.0 GiB of memory"):
        memory.check_memory(1001, "it", "do less")
    memory.check_memory(1000, "it", "do less")


def test_running_out_of_memory_is_a_refusal(monkeypatch, capsys):
    monkeypatch.setattr("mmonnx.cli.parsers._parser", lambda: (_ for _ in ()).throw(MemoryError()))
    assert cli.main(["check", "x"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    wrapped = ValueError("outer")
    wrapped.__cause__ = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
    assert is_out_of_memory(wrapped) and not is_out_of_memory(ValueError("other"))


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), OSError(28, "No space left"), KeyError("a\nb\x1b[31m")])
def test_no_traceback_without_debug(monkeypatch, capsys, error):
    """Not even of an error that nobody thought of."""

    def fail():
        raise error

    monkeypatch.setattr("mmonnx.cli.parsers._parser", fail)
    assert cli.main(["check", "x"]) == 2
    line = capsys.readouterr().err
    assert re.fullmatch(r"mmonnx: error: [^\n]+; expected [^\n]+; [^\n]+\n", line) and line[:-1].isprintable()
    with pytest.raises(type(error)):
        cli.main(["check", "x", "--debug"])


def test_a_device_is_not_replaced(refused):
    for path in ("/dev/null", "/dev/full"):
        assert "is a device" in refused([*PLAIN[:-1], path, "--shape", "16"])
        assert stat.S_ISCHR(os.stat(path).st_mode)


def test_a_name_that_is_too_long_is_refused(refused):
    assert "File name too long" in refused([*PLAIN[:-1], "x" * 300 + ".onnx", "--shape", "16"])


def test_temporary_files_are_private(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda mask: 0)
    with atomic.replacing(tmp_path / "x.onnx") as path:
        path.write_bytes(b"half")
        (private,) = (entry for entry in tmp_path.iterdir() if entry.name.startswith(".mmonnx-"))
        assert stat.S_IMODE(private.stat().st_mode) == 0o700 and private in path.parents


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path):
    (tmp_path / ".mmonnx-dead").mkdir()
    (tmp_path / ".mmonnx-dead" / "x.onnx").write_bytes(b"half")
    (tmp_path / ".mmonnx-file").write_bytes(b"somebody's")
    with atomic.replacing(tmp_path / "a.onnx") as first:
        first.write_bytes(b"a")
        with atomic.replacing(tmp_path / "b.onnx") as second:
            second.write_bytes(b"b")
    assert sorted(os.listdir(str(tmp_path))) == [".mmonnx-file", "a.onnx", "b.onnx"]


def run(*arguments, **how):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii:strict", "COLUMNS": "250"}
    command = [sys.executable, "-m", "mmonnx", *arguments]
    return subprocess.run(command, capture_output=True, env=env, **how)


def test_names_that_the_terminal_does_not_have_are_printed_all_the_same(corpus, tmp_path):
    model = onnx.load_model_from_string(corpus.models["plain"])
    model.producer_name = "né\x1b[31m"
    onnx.save(model, str(tmp_path / "x.onnx"))
    done = run("inspect", str(tmp_path / "x.onnx"))
    assert done.returncode == 0 and b"n\\xe9" in done.stdout and b"\x1b" not in done.stdout, done


def test_a_reader_that_has_enough_gets_no_traceback(corpus):
    code = "import sys; from mmonnx import cli; sys.exit(cli.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "inspect", str(corpus.folder / "detector.onnx"), "--json"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_nothing_is_downloaded(corpus, judged, monkeypatch):
    """What upstream would load for a training is left out; an address that is asked for is refused."""
    asked = []
    # Ray's poller of a test before this one lives as long as the process
    others = set(threading.enumerate()) - {threading.main_thread()}

    def refused(original):
        def ask(*given, **more):
            if threading.current_thread() in others:
                return original(*given, **more)
            asked.append(given)
            raise OSError("no network in this test")

        return ask

    monkeypatch.setattr(socket.socket, "connect", refused(socket.socket.connect))
    monkeypatch.setattr(socket, "getaddrinfo", refused(socket.getaddrinfo))
    pretrained = 'init_cfg=dict(type="Pretrained", checkpoint="https://127.0.0.1/x.pth")'
    text = corpus.configs["lenet5"].replace('type="ClsHead",', f'type="ClsHead", {pretrained},')
    text = text.replace("neck=None", 'neck=None, pretrained="open-mmlab://resnet50"')
    text += '\nload_from = "https://127.0.0.1/x.pth"\nresume_from = "s3://bucket/x.pth"\n'
    command = ["export", "x.py", "--output-file", "x.onnx"]
    assert judged(command, lambda folder: (folder / "x.py").write_text(text)).status == 0
    for address in ("https://127.0.0.1/x.pth", "open-mmlab://resnet50"):
        assert judged([*command, address], lambda folder: (folder / "x.py").write_text(text)).status == 2
    resnet = ["export", "torchvision.models:resnet18", "--shape", "32", "--output-file", "x.onnx"]
    assert judged(resnet).status == 0
    assert asked == []


NETWORK = {"socket", "urllib", "http", "requests", "ftplib", "smtplib", "aiohttp", "httpx", "webbrowser", "xmlrpc"}
ASKS = {"runtime/distributed/run.py": {"socket"}}
"""Whether somebody listens at the address of a cluster that whoever calls has given."""
SHELL = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"}


def test_no_module_opens_an_address_or_a_shell():
    for path in sorted((ROOT / "mmonnx").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            network = NETWORK - ASKS.get(path.relative_to(ROOT / "mmonnx").as_posix(), set())
            assert not network & {name.split(".")[0] for name in names if name != "urllib.parse"}, path
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                assert called not in SHELL, path
                assert not (isinstance(node.func, ast.Name) and called in ("eval", "exec")), path
                shell = [word.value for word in node.keywords if word.arg == "shell"]
                assert not shell, path


def test_onnx_runtimes_telemetry_is_off(monkeypatch, corpus):
    import onnxruntime

    from mmonnx.runtime.session import Session

    told = io.StringIO()
    monkeypatch.setattr(onnxruntime, "disable_telemetry_events", lambda: told.write("off"))
    Session(str(corpus.folder / "plain.onnx"))
    assert told.getvalue() == "off"
