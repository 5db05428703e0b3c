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
