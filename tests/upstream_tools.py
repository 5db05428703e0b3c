"""Running upstream's own tools, unchanged, with the plugin in the config."""

import atexit
import functools
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mmonnx import cli

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
for name in [name for name in sys.modules if name == "mmonnx" or name.startswith("mmonnx.integration.plugin")]:
    del sys.modules[name]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def folder_of(package: str) -> Path:
    """The installed package's folder."""
    return Path(importlib.util.find_spec(package).origin).parent


def tool_of(package: str, tool: str = TOOL) -> Path:
    """The installed package's own tool."""
    return folder_of(package) / tool


def knows(package: str, text: str) -> bool:
    """Whether this release's tool has the text: an option, or a line that it prints."""
    return text in tool_of(package).read_text()


@functools.lru_cache(maxsize=None)
def fixed_mmcv() -> str:
    """A folder with a patched copy of mmcv, or nothing where its own starts.

    With mmcv before 1.7 on torch 1.13 and later the tools stop at their import of mmcv's symbolics, before they read
    the config; who has these two needs `mmonnx patch --apply --package mmcv` first.
    """
    try:
        importlib.import_module("mmcv.onnx.symbolic")
        return ""
    except ImportError:
        folder = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        shutil.copytree(str(folder_of("mmcv")), os.path.join(folder, "mmcv"))
        assert cli.main(["patch", "--apply", "--package", "mmcv", "--root", folder]) == 0
        return folder


def run_tool(
    package: str, work: Path, *arguments: object, tool: str = TOOL, first: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run a tool as a machine without a display or a GPU does; ``first`` is run before it."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MPLBACKEND")}
    paths = filter(None, [fixed_mmcv(), str(ROOT)])
    environment.update(PYTHONPATH=os.pathsep.join(paths), OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
    command = [sys.executable, "-W", "ignore", "-c", first + RUN, str(tool_of(package, tool)), *map(str, arguments)]
    streams = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return subprocess.run(command, cwd=str(work), env=environment, **streams)
