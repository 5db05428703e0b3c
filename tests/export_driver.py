"""Exports that are ended by a signal: ``python export_driver.py FOLDER`` prints how each ended, as JSON.

Each export is a fork of this process, which has everything imported. It stops at a stage, and gets its signal there.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

from mmonnx import cli
from mmonnx.graph import simplifier as simplify
from mmonnx.support import atomic
from mmonnx.terminal.report import Report

MODEL = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 400, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""
STAGES = ["load", "trace", "run", "simplify", "simplifier runs", "check", "verify", "write", "last step"]
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
OLD = b"what was there before"
_PATIENCE = 120.0


def command(stage):
    """The arguments of an export that comes to a stage."""
    more = ["--simplify"] if stage.startswith("simplif") else ["--verify"] if stage == "verify" else []
    return ["export", "killed_model:make", "--shape", "16", "--output-file", "x.onnx", *more]


def stopping(stage):
    """Patches with which an export tells that it has come to a stage, and waits there."""

    def stop(*arguments, **keywords):
        Path("../ready").write_text("")
        time.sleep(_PATIENCE)

    stages = Report.stage

    @contextlib.contextmanager
    def staged(self, name):
        with stages(self, name) as told:
            if name == stage:
                stop()
            yield told

    class Waited(subprocess.Popen):
        def wait(self, timeout=None):
            return stop() if timeout else super().wait()

    if stage == "simplifier runs":
        return mock.patch.object(simplify.subprocess, "Popen", Waited)
    if stage == "last step":
        return mock.patch.object(atomic.os, "replace", stop)
    return mock.patch.object(Report, "stage", staged)


def fork(folder, run):
    """Run a function in a fork whose current folder is ``folder``; its process."""
    child = os.fork()
    if child:
        return child
    status = 99
    try:
        os.chdir(str(folder))
        tempfile.tempdir = str(folder.parent / "tmp")
        null = os.open(str(folder.parent / "told"), os.O_WRONLY | os.O_CREAT)
        os.dup2(null, 1), os.dup2(null, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            status = run()
        except SystemExit as left:
            status = left.code
    finally:
        os._exit(status)


def wait(child):
    """The exit status of a fork, negative for a signal."""
    status = os.waitpid(child, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def place(root, name):
    """A folder to export into, where a file is already, beside one for temporary files."""
    folder = root / name / "out"
    folder.mkdir(parents=True)
    (folder.parent / "tmp").mkdir()
    (folder / "x.onnx").write_bytes(OLD)
    return folder


def ended(root, stage, number):
    """End an export at a stage, and export again into the same folder if it was killed outright."""
    folder = place(root, f"{stage} {number}")

    def run():
        with stopping(stage):
            return cli.main(command(stage))

    child = fork(folder, run)
    deadline = time.monotonic() + _PATIENCE
    while not (folder.parent / "ready").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child, number)
    found = {"stage": stage, "signal": int(number), "status": wait(child), **state(folder)}
    if number == signal.SIGKILL:
        found["again"] = wait(fork(folder, lambda: cli.main(command("write"))))
        found["left"] = sorted(os.listdir(str(folder)))
    return found


def state(folder):
    """What lies in a folder, and in that for temporary files."""
    told = folder.parent / "told"
    return {
        "ready": (folder.parent / "ready").exists(),
        "files": sorted(os.listdir(str(folder))),
        "old": (folder / "x.onnx").read_bytes() == OLD,
        "temporary": sorted(os.listdir(str(folder.parent / "tmp"))),
        "told": told.read_text() if told.exists() else "",
        "simplifiers": simplifiers(folder.parent),
    }


def simplifiers(folder):
    """How many processes work on files in a folder."""
    found = 0
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += (
                str(folder).encode() in entry.read_bytes()
                and os.path.basename(simplify._WORKER).encode() in entry.read_bytes()
            )
    return found


def on_a_full_disk(root, stage, size):
    """An export, or a prediction, where no file can become larger than ``size`` bytes."""
    folder = place(root, f"full {stage}")

    def run():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return cli.main(command(stage))

    return {"stage": stage, "status": wait(fork(folder, run)), **state(folder)}


def both_at_once(root):
    """Two exports to one file, each of which comes to its end only when the other one does."""
    folder = place(root, "both")

    def run():
        replace = os.replace

        def together(source, target):
            Path(f"../{os.getpid()}").write_text("")
            deadline = time.monotonic() + _PATIENCE
            while len(list(Path("..").glob("[0-9]*"))) < 2 and time.monotonic() < deadline:
                time.sleep(0.001)
            replace(source, target)

        with mock.patch.object(atomic.os, "replace", together):
            return cli.main(command("write"))

    children = [fork(folder, run) for _ in range(2)]
    return {"status": [wait(child) for child in children], **state(folder)}


def main():
    root = Path(sys.argv[1])
    (root / "killed_model.py").write_text(MODEL)
    sys.path.insert(0, str(root))
    first = place(root, "first")
    os.chdir(str(first))
    with contextlib.redirect_stdout(sys.stderr):
        assert cli.main(command("verify")) == 0  # imports what an export needs
    found = {"ended": [ended(root, stage, number) for stage in STAGES for number in SIGNALS]}
    found["full"] = [on_a_full_disk(root, stage, 20000) for stage in ("write", "simplify")]
    found["both"] = both_at_once(root)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
