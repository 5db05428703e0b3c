"""An export for a target: what it takes goes into the file, and what it does not take keeps the file from being."""

import json

import onnx
import pytest
from models import small_config

from mmonnx import cli
from mmonnx.graph.check import Finding

MOBILENET = "mmcls::mobilenet_v2/mobilenet-v2_8xb32_in1k.py"
SMALL = ["--shape", "64", "64", "--target", "pplnn"]


@pytest.fixture
def config(tmp_path):
    return small_config(MOBILENET, tmp_path, {"model.backbone.widen_factor": 0.25})


def test_a_classifier_for_pplnn_has_no_finding(config, tmp_path, capfd):
    output = str(tmp_path / "x.onnx")
    arguments = ["export", config, "--output-file", output, "--dynamic-export", "--simplify", "--verify", *SMALL]
    assert cli.main(arguments) == 0, capfd.readouterr()
    assert "pplnn supports every node" in capfd.readouterr().out
    assert onnx.load(output).opset_import[0].version == 11
    assert cli.main(["check", output, "--target", "pplnn", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["findings"] == []


MIXED = """
import torch
from torch import nn
from torch.nn import functional


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2)
        self.norm = nn.GroupNorm(2, 8)
        self.up = nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1, groups=2)

    def forward(self, image):
        low = self.norm(self.conv(image))
        pooled = functional.max_pool2d(image, 3, 1, 1, 2)[..., :1, :1]
        high = functional.softplus(self.up(low)) - functional.elu(-pooled[:, :1])
        large = functional.interpolate(low, high.shape[2:], mode="bilinear", align_corners=True)
        mixed = torch.einsum("bchw,bdhw->bcd", high.abs(), large)
        best, where = mixed.flatten(1).round().topk(5)
        picked = torch.gather(mixed.flatten(1), 1, where.flip(1)) % 3
        return picked, functional.log_softmax(mixed.norm(dim=1), 1), (mixed >= 1).any(2) | (best.argmin(1)[:, None] > 2)


def mixed():
    torch.manual_seed(0)
    return Mixed().eval()
"""


def test_what_pplnn_lacks_is_written_in_what_it_has(tmp_path, capfd, monkeypatch):
    (tmp_path / "mixed_model.py").write_text(MIXED, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    output = str(tmp_path / "x.onnx")
    arguments = ["export", "mixed_model:mixed", "--output-file", output, "--dynamic-export", "--verify", *SMALL]
    assert cli.main([*arguments, "--simplify"]) == 0, capfd.readouterr()
    text = capfd.readouterr().out
    assert "written in pplnn's operators" in text and "InstanceNormalization (1)" in text
    assert cli.main(["check", output, "--target", "pplnn"]) == 0


def test_a_model_with_findings_is_not_written(config, tmp_path, capfd, monkeypatch):
    findings = [Finding(f"/head/Abs_{i}", "Abs", "head", "it does not have this operator", "fix it") for i in range(5)]
    monkeypatch.setattr("mmonnx.exporting.stages.check_target", lambda model, target: findings)
    output = tmp_path / "out" / "x.onnx"
    arguments = ["export", config, "--output-file", str(output), *SMALL]
    assert cli.main(arguments) == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("mmonnx: error: ")]
    assert "Abs /head/Abs_0: it does not have this operator; fix it" in line
    assert "Abs_2" in line and "Abs_3" not in line and "And 2 more" in line and "--no-check" in line
    assert not output.parent.exists()
    assert cli.main([*arguments, "--no-check"]) == 0
    assert output.exists()
    assert "--target pplnn --no-check" in capfd.readouterr().out  # the next command


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--target", "tvm"], "target 'tvm' is unknown"),
        (["--target", "pplnn", "--opset-version", "17"], "opset 17 is not supported; expected 11 to 16"),
    ],
)
def test_wrong_arguments(config, tmp_path, capfd, arguments, words):
    assert cli.main(["export", config, "--output-file", str(tmp_path / "x.onnx"), *arguments]) == 2
    assert words in capfd.readouterr().err
    assert not (tmp_path / "x.onnx").exists()
