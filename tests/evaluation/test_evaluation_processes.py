"""Several processes share a set out: the same results, in the dataset's order, told once."""

import contextlib
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from crowds import wait_for
from sample_sets import CLASSIFIER, make_imagenet_set, weights_of, write_config

from mmonnx import cli
from mmonnx.evaluation import EvaluationSettings, evaluate
from mmonnx.evaluation.distributed import Processes, gathered, joined, merged
from mmonnx.loading import LoadOptions
from mmonnx.pipeline import ExportSettings, export
from mmonnx.support.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
TOOL = str(ROOT / "tools" / "test_onnx.py")
NUM = 7  # no multiple of two
STREAMS = ("out", "err")


class Setup:
    def __init__(self, folder):
        self.config = write_config(CLASSIFIER, make_imagenet_set(folder / "set", NUM), folder / "config.py")
        self.file = str(folder / "file.onnx")
        checkpoint = weights_of(CLASSIFIER)
        export(ExportSettings(CLASSIFIER, checkpoint, output_file=self.file, load=LoadOptions(dynamic_batch=True)))
        self.alone = evaluate(EvaluationSettings(self.config, self.file, ["accuracy"], batch_size=2))
        self.arguments = [self.config, self.file, "--eval", "accuracy", "--batch-size", "2", "--workers", "0"]

    def check(self, path, text):
        """The results of several processes."""
        assert text.count("accuracy_top-1") == 1 and text.count("in 2 processes") == 1, text
        with open(str(path), "rb") as file:
            found = pickle.load(file)
        np.testing.assert_allclose(found["class_scores"], np.stack(self.alone.results), atol=1e-5)
        assert found["accuracy_top-1"] == pytest.approx(self.alone.scores["accuracy_top-1"])


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(tmp_path_factory.mktemp("processes"))


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def test_two_processes_of_torchs_launcher(setup, tmp_path):
    new = hasattr(torch.distributed, "run") or (Path(torch.__file__).parent / "distributed" / "run.py").is_file()
    launcher = ["torch.distributed.run"] if new else ["torch.distributed.launch", "--use_env"]
    command = ["-m", *launcher, "--nproc_per_node=2", "--master_port", free_port(), TOOL, *setup.arguments]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    streams = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    command = [sys.executable, *command, "--launcher", "pytorch", "--out", str(tmp_path / "r.pkl")]
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, timeout=600, **streams)
    assert done.returncode == 0, done.stderr
    setup.check(tmp_path / "r.pkl", done.stdout)


def slurm(rank, size=2, **more):
    names = dict(SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank), SLURM_NTASKS=str(size), SLURM_NODELIST="localhost")
    return {**names, **more}


def in_two_processes(arguments, folder):
    """Run the command in two forks, which need not import all of it again: status, output and errors of each."""
    port, forks = free_port(), []
    for rank in (0, 1):
        forks.append(multiprocessing.get_context("fork").Process(target=command, args=(arguments, folder, rank, port)))
        forks[-1].start()
    wait_for(forks)
    return [
        (fork.exitcode, *((folder / f"{rank}.{name}").read_text() for name in STREAMS))
        for rank, fork in enumerate(forks)
    ]


def command(arguments, folder, rank, port):
    os.environ.update(slurm(rank, MASTER_PORT=port))
    status, stack = 1, contextlib.ExitStack()
    streams = [stack.enter_context((folder / f"{rank}.{name}").open("w")) for name in STREAMS]
    stack.enter_context(contextlib.redirect_stdout(streams[0]))
    stack.enter_context(contextlib.redirect_stderr(streams[1]))
    try:
        status = cli.main(["test", *arguments])
    except SystemExit as stop:
        status = stop.code
    stack.close()
    os._exit(status)


def test_two_processes_of_slurm(setup, tmp_path):
    arguments = [*setup.arguments, "--launcher", "slurm", "--out", str(tmp_path / "r.pkl")]
    first, second = in_two_processes(arguments, tmp_path)
    assert first[0] == second[0] == 0, (first, second)
    assert second[1:] == ("", "")
    setup.check(tmp_path / "r.pkl", first[1])


def test_an_error_of_one_process_ends_all_and_is_told_once(setup, tmp_path):
    listed = (Path(setup.config).parent / "set" / "val.txt").read_text().splitlines()
    (tmp_path / "val.txt").write_text("\n".join([listed[0], "none.png 1", *listed[2:]]))  # an image of the second one
    more = ["--cfg-options", f"data.test.ann_file={tmp_path / 'val.txt'}", "--out", str(tmp_path / "r.pkl")]
    first, second = in_two_processes([*setup.arguments, "--launcher", "slurm", *more], tmp_path)
    assert first[0] == 2 and first[2].count("mmonnx: error: an image of the test set") == 1, first
    assert second[1:] == ("", "") and not (tmp_path / "r.pkl").exists()

    missing = [setup.config, "none.onnx", *setup.arguments[2:], "--launcher", "slurm"]
    first, second = in_two_processes(missing, tmp_path)
    assert first[0] == second[0] == 2 and "'none.onnx' does not exist" in first[2] and second[2] == ""


def test_a_share_is_every_nth_image_and_they_are_put_in_order_again():
    for count in (0, 1, 2, 7):
        parts = [list(Processes(rank, 3).share(count)) for rank in range(3)]
        assert merged(parts, count) == list(range(count))
    assert gathered("part", Processes()) == ["part"]


def test_each_process_has_a_gpu_of_its_own_and_its_part_of_the_cores(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    processes = Processes(rank=3, size=4, local_rank=3)
    assert processes.device("cuda") == "cuda:1" and processes.device("cpu") == "cpu" and processes.threads() == 2
    assert Processes().device("cuda") == "cuda" and Processes().threads() is None


@pytest.mark.parametrize(
    "launcher, environment, words",
    [
        ("pytorch", {}, "RANK is ''"),
        ("pytorch", {"RANK": "0", "WORLD_SIZE": "two"}, "WORLD_SIZE is 'two'"),
        ("slurm", {}, "SLURM_PROCID is ''"),
        ("slurm", slurm(0, SLURM_NODELIST="node[1-2]", PATH=""), "the first of 'node[1-2]' is not known"),
    ],
)
def test_a_process_that_no_launcher_has_started_is_refused(monkeypatch, launcher, environment, words):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=words.replace("[", r"\[")), joined(launcher):
        pass
