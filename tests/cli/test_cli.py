"""The command line: what it takes, and how it refuses what it cannot take."""

import contextlib
import gc
import subprocess
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from models import small_config

from mmonnx import cli

MOBILENET = "mmcls::mobilenet_v2/mobilenet-v2_8xb32_in1k.py"
SMALL = ["--shape", "64", "64"]


@pytest.fixture
def refused(tmp_path, capfd, monkeypatch):
    """Run a command that must be refused: one line on stderr, status 2, nothing written."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, output="out/x.onnx"):
        before = sorted(tmp_path.rglob("*"))
        capfd.readouterr()
        status = cli.main(["export", *map(str, arguments), "--output-file", str(output), "--simplify", "--verify"])
        text = capfd.readouterr()
        lines = [line for line in text.err.splitlines() if line.startswith("mmonnx: error: ")]
        assert status == 2 and len(lines) == 1, text
        assert "Traceback" not in text.err + text.out
        assert sorted(tmp_path.rglob("*")) == before
        return lines[0]

    return run


@pytest.mark.parametrize(
    "config,words",
    [
        ("none.py", "config 'none.py' does not exist"),
        ("mmdet::faster_rcnn/none.py", "is not in the installed mmdet"),
        ("mmnone::x/y.py", "names package 'mmnone'"),
        (".", "is not a file"),
    ],
)
def test_a_missing_config(refused, config, words):
    assert words in refused(config)


@pytest.mark.parametrize(
    "text,words",
    [
        ("model = dict(type=", "cannot be read"),
        ("1 / 0", "ZeroDivisionError"),
        ("optimizer = dict(type='SGD')", "has no model.type"),
        ("model = dict(type='NoSuchModel')", "has model type 'NoSuchModel'"),
        ("_base_ = './gone.py'", "cannot be read"),
        ("model = 3", "has no model.type"),
    ],
)
def test_a_broken_config(refused, tmp_path, text, words):
    config = tmp_path / "broken.py"
    config.write_text(text + "\n")
    assert words in refused(config)


def test_a_codebase_that_cannot_be_imported_is_told_where_a_model_is_of_nobody(refused, tmp_path, monkeypatch):
    config = tmp_path / "own.py"
    config.write_text("model = dict(type='NoSuchModel')\n")
    assert "cannot be imported" not in refused(config)
    monkeypatch.setitem(sys.modules, "mmcls.models", None)
    assert "'NoSuchModel', and mmcls.models cannot be imported (ModuleNotFoundError" in refused(config)


@pytest.mark.parametrize("name", ["scripted.pt", "weights.pth", "model.onnx", "config"])
def test_a_file_of_another_kind_in_the_place_of_a_config(refused, tmp_path, name):
    config = tmp_path / name
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(config))
    found = refused(config)
    assert f"config '{config}' is not a config" in found and "torch.jit.load" in found


def test_a_missing_truncated_or_foreign_checkpoint(refused, tmp_path):
    good = tmp_path / "good.pth"
    torch.save({"state_dict": {"backbone.conv1.conv.weight": torch.zeros(32, 3, 3, 3)}}, good)
    assert "does not exist" in refused(MOBILENET, tmp_path / "none.pth", *SMALL)

    truncated = tmp_path / "truncated.pth"
    truncated.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    assert "is truncated, or not a checkpoint" in refused(MOBILENET, truncated, *SMALL)

    text = tmp_path / "text.pth"
    text.write_text("this is no checkpoint")
    assert "is truncated, or not a checkpoint" in refused(MOBILENET, text, *SMALL)

    empty = tmp_path / "empty.pth"
    empty.write_bytes(b"")
    assert "is truncated, or not a checkpoint" in refused(MOBILENET, empty, *SMALL)

    foreign = tmp_path / "foreign.pth"
    torch.save({"state_dict": {"encoder.weight": torch.zeros(3)}}, foreign)
    assert "has no key of this model" in refused(MOBILENET, foreign, *SMALL)

    no_weights = tmp_path / "no_weights.pth"
    torch.save({"epoch": 3}, no_weights)
    assert "holds no weights" in refused(MOBILENET, no_weights, *SMALL)

    shape = tmp_path / "shape.pth"
    torch.save({"state_dict": {"backbone.conv1.conv.weight": torch.zeros(7, 3, 3, 3)}}, shape)
    assert "another shape" in refused(MOBILENET, shape, *SMALL)
    assert "given twice" in refused(MOBILENET, good, "--checkpoint", good)


@pytest.mark.skipif(sys.version_info < (3, 9), reason="torch before 1.13 reads every checkpoint the unsafe way")
def test_a_checkpoint_that_would_run_code_is_not_read(refused, tmp_path):
    class Runs:
        def __reduce__(self):
            return Path.touch, (tmp_path / "it-ran",)

    evil = tmp_path / "evil.pth"
    torch.save({"state_dict": {"backbone.conv1.conv.weight": torch.zeros(32, 3, 3, 3)}, "meta": Runs()}, evil)
    assert "--trust-checkpoint" in refused(MOBILENET, evil, *SMALL)
    assert not (tmp_path / "it-ran").exists()


def test_an_unreadable_image(refused, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG not really")
    empty = tmp_path / "empty.jpg"
    empty.write_bytes(b"")
    assert "does not exist" in refused(MOBILENET, "--test-img", tmp_path / "none.png")
    for image in (broken, empty):
        assert "cannot be read" in refused(MOBILENET, "--test-img", image)
        assert "cannot be read" in refused(MOBILENET, "--input-img", image)


def test_an_unwritable_output(refused, tmp_path):
    (tmp_path / "a-file").write_text("")
    assert "a-file" in refused(MOBILENET, output=tmp_path / "a-file" / "x.onnx")
    assert "is a folder" in refused(MOBILENET, output=tmp_path)
    assert "cannot be written" in refused(MOBILENET, output="/proc/none/x.onnx")


@pytest.mark.parametrize("opset", ["1", "10", "99", "eleven"])
def test_an_unknown_opset(refused, opset):
    assert opset in refused(MOBILENET, "--opset-version", opset)


@pytest.mark.parametrize("shape", [["0"], ["-3", "4"], ["1", "2", "3"], ["a", "b"], ["1.5"], ["99999", "99999"]])
def test_a_wrong_shape(refused, shape):
    assert "--shape" in refused(MOBILENET, "--shape", *shape)


def test_other_wrong_arguments(refused):
    assert "--batch 0" in refused(MOBILENET, "--batch", "0")
    assert "unrecognized" in refused(MOBILENET, "--no-such-flag")
    assert "has no '='" in refused(MOBILENET, "--cfg-options", "model")
    assert "device" in refused(MOBILENET, "--device", "quantum")


def test_a_checkpoint_and_overrides_reach_the_file(tmp_path, capfd):
    """The whole command with every flag that works together; deprecated ones warn and change nothing."""
    config = small_config(MOBILENET, tmp_path, {"model.backbone.widen_factor": 0.25, "model.head.in_channels": 1280})
    image = tmp_path / "image.png"
    cv2.imwrite(str(image), np.random.RandomState(0).randint(0, 255, (50, 80, 3), np.uint8))
    status = cli.main(
        ["export", config, "--output_file", "x.onnx", "--work-dir", str(tmp_path / "work"), "--verify", "--show"]
        + ["--shape", "96", "64", "--batch", "3", "--opset-version", "12", "--cfg-options", "model.head.num_classes=7"]
        + ["--input-img", str(image), "--test-img", str(image), "--mean", "1", "2", "3", "--dataset", "coco"]
    )
    text = capfd.readouterr().out
    assert status == 0, text
    model = onnx.load(str(tmp_path / "work" / "x.onnx"))
    assert model.opset_import[0].version == 12
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [3, 3, 96, 64]
    assert [dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim] == [3, 7]
    assert len(model.graph.input) == 1
    assert "--mean is deprecated" in text and "--dataset is deprecated" in text
    assert "Conv" in text  # --show prints the graph
    assert list((tmp_path / "work" / "x_show").glob("*.png"))


def test_raw_outputs_without_post_processing(tmp_path, capfd):
    config = small_config("mmdet::retinanet/retinanet_r18_fpn_1x_coco.py", tmp_path)
    output = tmp_path / "raw.onnx"
    arguments = ["export", config, "--output-file", str(output), "--shape", "96", "128", "--skip-postprocess"]
    assert cli.main([*arguments, "--dynamic-export", "--simplify", "--verify"]) == 0, capfd.readouterr()
    assert [value.name for value in onnx.load(str(output)).graph.output] == [f"output_{i}" for i in range(10)]


def test_the_tool_of_upstreams_name_is_the_same_command():
    tool = Path(__file__).parents[2] / "tools" / "pytorch2onnx.py"
    done = subprocess.run([sys.executable, str(tool), "--help"], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    flags = "--checkpoint --input-img --test-img --show --output-file --output_file --opset-version --dataset --mean "
    flags += "--std --verify --simplify --shape --cfg-options --dynamic-export --skip-postprocess --device --show-dir "
    for flag in (flags + "--batch --work-dir").split():
        assert flag in done.stdout, flag


MINE, THEIRS = "my_plugin.heads", "mmdet.models"


@pytest.mark.parametrize(("wanted", "told"), [(True, [MINE]), (False, [THEIRS, MINE])])
def test_warnings_of_upstreams_code_are_hidden_and_those_of_the_users_told(recwarn, wanted, told):
    from mmonnx.cli import parsers

    with parsers._quiet(wanted):
        for module in (THEIRS, MINE):
            warnings.warn_explicit(module, FutureWarning, f"{module}.py", 1, module)
    assert [str(found.message) for found in recwarn] == told


@pytest.mark.parametrize("arguments", [["inspect", "--help"], ["inspect", "missing.onnx"]])
def test_the_collector_of_garbage_is_left_as_it_was(arguments, capsys):
    before = gc.get_threshold()
    with contextlib.suppress(SystemExit):
        cli.main(arguments)
    assert gc.get_threshold() == before
