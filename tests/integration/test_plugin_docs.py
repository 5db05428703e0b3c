"""docs/plugin.md: its configs can be read and its commands work."""

import re
import shlex
from pathlib import Path

import pytest
from upstream_tools import run_tool

import mmonnx
from mmonnx import cli, fallback

pytestmark = pytest.mark.once

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "plugin.md").read_text(encoding="utf-8")
BLOCKS = {kind: re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.M | re.S) for kind in ("python", "sh")}
COMMANDS = [line for block in BLOCKS["sh"] for line in block.splitlines()]
TOOL = "python tools/deployment/pytorch2onnx.py "


def write_configs(folder):
    """The configs of the text under the names that they begin with."""
    found = [folder / block[2:].splitlines()[0] for block in BLOCKS["python"] if block.startswith("# ")]
    for path, block in zip(found, (block for block in BLOCKS["python"] if block.startswith("# "))):
        path.write_text(block)
    return found


def test_there_is_something_to_run():
    assert len(COMMANDS) == 2 and len(BLOCKS["python"]) == 3


def test_its_configs_build_what_they_name(tmp_path):
    fallback.ensure()
    from mmcv import Config
    from mmcv.runner import HOOKS
    from mmcv.utils import build_from_cfg

    classifier, training = (Config.fromfile(str(path)) for path in write_configs(tmp_path))
    assert classifier.model.backbone.type == "MobileNetV2"
    assert training.model.roi_head.bbox_roi_extractor.type == "NonZeroRoIExtractor"
    assert type(build_from_cfg(training.custom_hooks[1], HOOKS)).__name__ == "ONNXExportHook"


def test_its_python_runs():
    (block,) = [block for block in BLOCKS["python"] if not block.startswith("# ")]
    exec(block, {})
    assert mmonnx.integration.plugin._enabled


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_work(command, tmp_path, monkeypatch):
    write_configs(tmp_path)
    monkeypatch.chdir(tmp_path)
    if command.startswith(TOOL):
        done = run_tool("mmcls", tmp_path, *shlex.split(command[len(TOOL) :]))
        assert done.returncode == 0, done.stdout
    else:
        assert cli.main(shlex.split(command)[1:]) == 0
    assert len(list(tmp_path.glob("*.onnx"))) == 1
