"""docs/extending.md: its examples are run, with the stand-in and without."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n# (\S+)\n(.*?)^```", TEXT, re.M | re.S)


ENTRY_POINTS = re.search(r"^```\n\[project\.entry-points\.\"(.+)\"\]\n(\w+) = \"(.+)\"\n```", TEXT, re.M).groups()
EXAMPLES = {"rows": "row_rewrites", "levels": "level_symbolic"}
"""The examples, and the module of each that brings the stand-in."""


def run(folder, script):
    """Run a script beside the files of the page, in a process in which nothing is replaced yet."""
    for name, block in BLOCKS:
        (folder / name).write_text(block)
    command = [sys.executable, "-W", "ignore", "-c", script]
    streams = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    done = subprocess.run(command, cwd=str(folder), **streams)
    assert done.returncode == 0, done.stdout


def test_the_examples_export_and_agree(tmp_path):
    run(tmp_path, "".join(f"import export_{name}\n" for name in EXAMPLES))
    for name in EXAMPLES:
        model = onnx.load(str(tmp_path / f"{name}.onnx"))
        assert all(node.domain in ("", "ai.onnx") for node in model.graph.node), "standard operators alone"


def test_without_the_stand_in_no_file_is_written(tmp_path):
    lines = ["import mmonnx"]
    for name, stand_in in EXAMPLES.items():
        block = dict(BLOCKS)[f"export_{name}.py"]
        script = block.replace(f"import {stand_in}\n", "")
        assert script != block
        (tmp_path / f"{name}_alone.py").write_text(script)
        # in the trace, or by the verification
        refused = "except mmonnx.MmonnxError:"
        lines += ["try:", f"    import {name}_alone", refused, f"    print('{name} is refused')"]
        lines += ["else:", f"    raise SystemExit('{name} went through')"]
    run(tmp_path, "\n".join(lines))
    assert not list(tmp_path.glob("*.onnx"))


@pytest.fixture
def toolbox(tmp_path):
    """A folder in which the page's toolbox and its codebase are installed, with pictures that it is tested on."""
    for name, block in BLOCKS:
        (tmp_path / name).write_text(block)
    group, name, value = ENTRY_POINTS
    installed = tmp_path / "countlab_mmonnx-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: countlab-mmonnx\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
    (tmp_path / "scenes").mkdir()
    for count in (3, 12, 40):
        picture = np.random.RandomState(count).randint(0, 256, (48, 64 + count, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "scenes" / f"{count}.png"), picture)
    return tmp_path


def mmonnx(folder, *arguments, status=0, before=""):
    """What a command says that is run in a folder, after some lines of Python."""
    script = f"{before}\nimport sys\nfrom mmonnx.cli import main\nsys.exit(main({list(arguments)}))"
    command = [sys.executable, "-W", "ignore", "-c", script]
    streams = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    # installed there: Python before 3.10 finds no packages in the current folder
    paths = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(command, cwd=str(folder), env={**os.environ, "PYTHONPATH": paths}, **streams)
    assert done.returncode == status, done.stdout
    return done.stdout


def commands_of_the_codebase():
    """The two commands of the page's text."""
    text = TEXT[TEXT.index("## A codebase") :]
    return [command.split()[1:] for command in re.findall(r"`(mmonnx [^`]+)`", text) if "counter.onnx" in command]


def test_a_codebase_that_a_package_brings_is_exported_compared_drawn_and_scored(toolbox):
    export, score = commands_of_the_codebase()
    said = mmonnx(toolbox, *export)
    assert re.search(r"verify +(\d+) of \1 cases agree with PyTorch", said) and "counter (CrowdCounter)" in said
    assert list((toolbox / "shown").glob("*.png"))
    scores = mmonnx(toolbox, *score, "--show-dir", "drawn")
    assert float(re.search(r"^ *error +(\S+)", scores, re.M).group(1)) > 0
    assert len(list((toolbox / "drawn").rglob("*.png"))) == 3


def test_what_it_compares_with_refuses_a_wrong_file(toolbox):
    export, _ = commands_of_the_codebase()
    wrong = "import countlab_mmonnx as it\nforward = it.Counting.forward\n"
    wrong += "it.Counting.forward = lambda self, image: forward(self, image) * 1.001"
    said = mmonnx(toolbox, *export, status=1, before=wrong)
    assert re.search(r"counts \S+, PyTorch \S+", said) and not (toolbox / "counter.onnx").exists()


def test_a_codebase_that_cannot_be_imported_is_a_line(toolbox):
    (toolbox / "countlab_mmonnx.py").write_text("import nothing_like_it\n")
    export, _ = commands_of_the_codebase()
    said = mmonnx(toolbox, *export, status=2)
    (line,) = [line for line in said.splitlines() if "countlab" in line]
    assert "codebase 'countlab'" in line and "nothing_like_it" in line


def test_a_model_of_nobody_is_refused_with_all_whose_it_could_be(toolbox):
    (toolbox / "other.py").write_text("model = dict(type='Nothing')\n")
    said = mmonnx(toolbox, "export", "other.py", status=2)
    assert "a counter of countlab or a detector of mmdet or a classifier of mmcls" in said
