"""docs/extending.md: its examples are run, with the stand-in and without."""

import re
import subprocess
import sys
from pathlib import Path

import onnx

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n# (\S+)\n(.*?)^```", TEXT, re.M | re.S)


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
