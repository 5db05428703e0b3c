"""docs/running.md: its commands and its Python run on the file that ``make demo`` leaves; its properties are there."""

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_files
from stand_in_engine import planted

from mmonnx import cli
from mmonnx.datasets import digits
from mmonnx.graph.inspecting import inspect
from mmonnx.support.resources import config_root

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
BLOCKS = {kind: re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.M | re.S) for kind in ("python", "sh")}
COMMANDS = [line for block in BLOCKS["sh"] for line in block.splitlines()]
FILE = "work_dirs/demo/faster_rcnn_digits.onnx"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The demo's file, quicker made, with pictures and a video by the names of the text."""
    folder = tmp_path_factory.mktemp("running")
    config = config_root() / "digits" / "faster_rcnn_digits.py"
    command = ["export", str(config), str(config.with_suffix(".pth")), "--shape", "96", "128", "--dynamic-export"]
    assert cli.main([*command, "--output-file", str(folder / FILE)]) == 0
    picture = next(sample.image for sample in digits.detection_samples("test", 9) if len(sample.labels) > 2)
    for name in ("photo.jpg", "photos/one.png", "more/deep/two.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), picture)
    tiny_files.inpaintor(folder / "deepfill.onnx")
    tiny_files.recognizer(folder / "tsn.onnx")
    (folder / "masks").mkdir()
    cv2.imwrite(str(folder / "masks" / "one.png"), np.eye(*picture.shape[:2], dtype=np.uint8))
    (folder / "films").mkdir()
    for name in ("video.mp4", "films/one.mp4"):
        writer = cv2.VideoWriter(str(folder / name), cv2.VideoWriter_fourcc(*"mp4v"), 5.0, (128, 96))
        for number in range(2):
            writer.write(np.full((96, 128, 3), 100 * number, np.uint8))
        writer.release()
    return folder


def test_there_is_something_to_run():
    assert len(COMMANDS) == 10 and len(BLOCKS["python"]) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_work(command, folder, monkeypatch):
    monkeypatch.chdir(folder)
    words = shlex.split(command)
    # of predict, --with is what goes with pictures
    for option in {"--runtime", *(() if words[1] == "predict" else ("--with",))} & set(words):
        planted(monkeypatch, name=words[words.index(option) + 1])  # the runtime itself may not be installed
    assert words[0] == "mmonnx" and cli.main(words[1:]) == 0
    written = (
        ("--html",) if words[1] == "inspect" else ("--out", "--json", "--jsonl", "--coco")
    )  # inspect prints its JSON
    for option in set(words) & set(written):
        assert (folder / words[words.index(option) + 1]).exists()


def test_its_python_runs(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names = {}
    exec(BLOCKS["python"][0], names)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(names["found"].labels) > 2 and all(line.split()[0].isdigit() for line in lines)
    assert names["picture"].shape[2] == 3


def test_it_names_every_property(folder):
    named = set(re.findall(r"`mmonnx\.(\w+)`", TEXT)) - {"runtime"}
    written = {*inspect(str(folder / FILE))["metadata"], "mmonnx.exercised"}  # the latter with --verify alone
    assert {f"mmonnx.{name}" for name in named} == written
