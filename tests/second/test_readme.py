"""README's commands for OpenMMLab 2.x, on a small model."""

import shlex
from pathlib import Path

import pytest

pytest.importorskip("mmengine")

import onnx  # noqa: E402

from mmonnx import cli  # noqa: E402

README = Path(__file__).resolve().parents[2] / "README.md"
START = "mmonnx export mmdet::rtmdet/"
SMALL = ["--shape", "96", "128", "--cfg-options", "model.backbone.widen_factor=0.125"]
SMALL += ["model.neck.in_channels=[32,64,128]", "model.neck.out_channels=32", "model.bbox_head.in_channels=32"]
SMALL += ["model.bbox_head.feat_channels=32", "model.test_cfg.max_per_img=50"]


def test_the_newcomers_command_writes_a_verified_file(tmp_path, monkeypatch, capsys):
    (command,) = [line.strip() for line in README.read_text(encoding="utf-8").splitlines() if START in line]
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)[1:]
    assert cli.main([*words, *SMALL]) == 0
    told = capsys.readouterr().out
    assert "cases agree with PyTorch" in told and "1.x" not in told
    names = [value.name for value in onnx.load("rtmdet.onnx").graph.output]
    assert names == ["dets", "labels"]
