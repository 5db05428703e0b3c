"""docs/serving.md: its commands fit together, and its client gets the file's own answers from what the server has."""

import re
import shlex
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import tiny_files

from mmonnx import cli
from mmonnx.runtime import Detector, Session

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
TEXT = PAGE.partition("## Many machines")[0]  # runtime/test_ray.py has the rest
COMMANDS = [line for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.M | re.S) for line in block.splitlines()]
(CLIENT,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)
FILE = "work_dirs/demo/faster_rcnn_digits.onnx"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the commands leave where the file of the text is, and a photograph that fills its input."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / FILE).parent.mkdir(parents=True)
    tiny_files.detector(FILE, placed=False)
    cv2.imwrite("photo.jpg", np.random.RandomState(0).randint(0, 255, (48, 64, 3)).astype(np.uint8))
    for command in COMMANDS:
        words = shlex.split(command)
        assert words[0] != "mmonnx" or cli.main(words[1:]) == 0
    return tmp_path


def test_its_commands_fit_together(folder):
    assert [shlex.split(command)[0] for command in COMMANDS] == ["mmonnx", "docker", "curl", "mmonnx", "kubectl"]
    docker = shlex.split(COMMANDS[1])
    given, inside = docker[docker.index("-v") + 1].replace("$PWD", str(folder)).split(":")
    assert docker[-1] == f"--model-repository={inside}"
    name = re.search("/v2/models/(.*)/config", COMMANDS[2])[1]
    assert (Path(given) / name / "config.pbtxt").exists() and Path(COMMANDS[4].split()[-1]).exists()
    assert docker[docker.index("-p") + 1].startswith(re.search(r"localhost:(\d+)", COMMANDS[2])[1])


def test_its_client_gets_the_answers_of_the_file(folder, monkeypatch):
    client = ModuleType("tritonclient.http")
    client.InferInput, client.InferenceServerClient = Input, Server
    monkeypatch.setitem(sys.modules, "tritonclient", SimpleNamespace(http=client))
    monkeypatch.setitem(sys.modules, "tritonclient.http", client)
    names = {}
    exec(CLIENT, names)
    assert (names["found"].dets == Detector(FILE)("photo.jpg").dets).all() and len(names["found"].labels) == 3


class Input:
    def __init__(self, name, shape, kind):
        self.name, self.shape, self.kind = name, tuple(shape), kind

    def set_data_from_numpy(self, value):
        assert value.shape == self.shape and (value.dtype, self.kind) == (np.float32, "FP32")
        self.value = value


class Server:
    """Answers by the file in the repository, as the server that the text starts does."""

    def __init__(self, address):
        assert address == "localhost:8000"

    def infer(self, name, inputs):
        session = Session(Path("repository") / name / "1" / "model.onnx")
        found = session.run({one.name: one.value for one in inputs})
        return SimpleNamespace(as_numpy=found.get)
