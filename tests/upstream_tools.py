"""Running upstream's own tools, unchanged, with the plugin in the config."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOL = ".mim/tools/deployment/pytorch2onnx.py"
# Without mmcv's compiled operators the tools do not even start: they import mmdet before they read the config. What
# stands in for them is put in first, and mmonnx taken out again, for the config to import it.
RUN = """
import runpy, sys
import mmonnx
from mmonnx import fallback
mmonnx.disable()
fallback.ensure()
for name in [name for name in sys.modules if name == "mmonnx" or name.startswith("mmonnx.plugin")]:
    del sys.modules[name]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def tool_of(package: str) -> Path:
    """The installed package's own tool."""
    return Path(importlib.util.find_spec(package).origin).parent / TOOL


def run_tool(package: str, work: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a tool as a machine without a display or a GPU does."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MPLBACKEND")}
    environment.update(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
    command = [sys.executable, "-W", "ignore", "-c", RUN, str(tool_of(package)), *map(str, arguments)]
    streams = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return subprocess.run(command, cwd=str(work), env=environment, **streams)
