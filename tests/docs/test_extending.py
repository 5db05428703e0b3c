"""docs/extending.md: its example is run, with the rewrite and without."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n# (\S+)\n(.*?)^```", TEXT, re.M | re.S)


def run(folder, script):
    for name, block in BLOCKS:
        (folder / name).write_text(block)
    (folder / "script.py").write_text(script)
    command = [sys.executable, "-W", "ignore", "script.py"]
    streams = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return subprocess.run(command, cwd=str(folder), **streams)


def test_the_example_exports_and_agrees(tmp_path):
    done = run(tmp_path, dict(BLOCKS)["export_rows.py"])
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "rows.onnx").is_file()


def test_without_the_rewrite_the_file_disagrees_and_is_not_written(tmp_path):
    script = dict(BLOCKS)["export_rows.py"].replace("import row_rewrites\n", "")
    done = run(tmp_path, script)
    assert done.returncode != 0 and not (tmp_path / "rows.onnx").exists(), done.stdout
