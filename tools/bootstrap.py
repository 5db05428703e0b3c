#!/usr/bin/env python3
"""Make a virtual environment with one of the pinned stacks of requirements/, or say in a line what is in the way.

    python3 tools/bootstrap.py [--stack NAME] [--venv DIR] [--python EXE] [--no-compile]

One line a step, with its time; what pip says goes to work_dirs/logs/bootstrap-STACK.log. Nothing is done where the
environment is whole and its lock file unchanged; anything else in its place is built anew. Exit status: 0 ready, 1 a
step failed, 2 wrong use, 77 a stack of an older or a newer Python was asked for and there is none, or one that
has to be compiled with --no-compile. Standard library only.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Optional

from bootstrap_parts import configs
from bootstrap_parts.interpreters import SKIPPED, Interpreter, find_interpreter, probe
from bootstrap_parts.mmcv_full import build_wheel, check_compiler, wheel_folder
from bootstrap_parts.stacks import STACKS, Failure, Section, read_locks
from bootstrap_parts.steps import Steps

ROOT = Path(__file__).resolve().parent.parent
STAMP = "mmonnx-stamp.json"

UNNEEDED = (
    "opencv-python",
    "opencv-contrib-python",
    "mmcv-full",
    "chumpy",
    "cython",
    "av",
    "facexlib",
    "lmdb",
    "tensorboard",
    "imgaug",
    "lanms-neo",
    "decord",
)
"""What packages of the stacks ask for, and do without here: of OpenCV there is the headless form, and of mmcv the one
that is not compiled; mmpose's meshes, mmedit's films and faces, mmocr's trainings and DRRG, what mmaction2 reads
videos with beside OpenCV, and what xtcocotools is built with are not used."""


def stamp_of(stack: str) -> Dict[str, str]:
    """What an environment is made from; it is built anew when any of this changes (a moved checkout, too)."""
    digest = hashlib.sha256()
    for path in [*lock_files(stack), ROOT / "pyproject.toml", ROOT / "setup.py"]:
        digest.update(path.read_bytes())
    return {"stack": stack, "checkout": str(ROOT), "made from": digest.hexdigest()}


def lock_files(stack: str) -> List[Path]:
    return [ROOT / "requirements" / name for name in STACKS[stack].locks]


def is_ready(venv: Path, stack: str, asked: Optional[str]) -> bool:
    """Whether the environment is whole, made from today's lock file, and of the Python asked for, if one is."""
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    version = stamp.pop("python", None)
    pythons = [str(venv / "bin" / "python")] + ([asked] if asked else [])
    found = [probe(path) for path in pythons]
    return stamp == stamp_of(stack) and all(python and python.version == version for python in found)


def clear(venv: Path, disk_gb: int) -> None:
    """Remove what is left of an earlier environment, and see that there is room for a new one.

    Raises:
        Failure: the folder is something else, or the disk is too full.
    """
    if venv.exists():
        if not (venv / "pyvenv.cfg").exists() and any(venv.iterdir()):
            raise Failure(f"{venv} is there and is no virtual environment", "give another folder with --venv", 2)
        shutil.rmtree(str(venv))
    venv.parent.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(str(venv.parent)).free / 1e9
    if free_gb < disk_gb:
        what = f"{free_gb:.1f} GB are free in {venv.parent}, about {disk_gb} GB are needed"
        raise Failure(what, "free some, or give a folder on another disk with --venv")


def build(stack: str, venv: Path, python: Interpreter, compiles: bool = True) -> Path:
    """Build the environment step by step; its stamp comes last, so a half-built one is never taken for whole.

    Returns:
        The log of all the commands.

    Raises:
        Failure: something is in the way.
    """
    sections = read_locks(lock_files(stack), python.minor)
    pins = {name: version for section in sections for name, version in section.pins.items()}
    compiled = wheel_folder(python, pins["torch"], pins["mmcv-full"]) if "mmcv-full" in pins else None
    if compiled and not compiled.exists():
        if not compiles:
            raise Failure(f"skipped: {compiled} has no mmcv-full", "leave --no-compile out to build it once", SKIPPED)
        check_compiler(python)
    clear(venv, STACKS[stack].disk_gb)
    total = len(sections) + 2 + bool(compiled and not compiled.exists())
    steps = Steps(total, ROOT / "work_dirs" / "logs" / f"bootstrap-{stack}.log", pip_environment(venv))
    steps(f"virtual environment {display(venv)}, Python {python.version}", [python.path, "-m", "venv", venv])
    inside = venv / "bin" / "python"
    pip = [inside, "-m", "pip"]
    for section in sections:
        if section.title == configs.TITLE:
            configs.put_in(pip, steps, section, venv)
            continue
        if "mmcv-full" in section.pins and not compiled.exists():
            build_wheel(pip, steps, section.pins["mmcv-full"], compiled)
        loads = [[inside, "-c", "import torch, mmcv._ext"]] if "mmcv-full" in section.pins else []
        steps(section.describe(), install_command(pip, section, compiled), *loads)
    # The stack is complete by itself, or pip check says what the lock file forgot.
    own = [*pip, "install", "--no-deps", "--no-build-isolation", "-e", ROOT]
    steps("mmonnx, from this checkout", own, lambda: check_complete(pip))
    stamp = {**stamp_of(stack), "python": python.version}
    (venv / STAMP).write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
    return steps.log


def install_command(pip: List[object], section: Section, compiled: Optional[Path]) -> List[object]:
    """The pip command of a section: nothing but its pins, and mmcv without pip's isolation and cache.

    In an isolated build mmcv's setup.py meets a setuptools without pkg_resources; and pip's cache knows a wheel that
    it built by its Python alone, and would hand out one that was compiled for another torch.
    """
    command = [*pip, "install", "--no-deps"]
    for name, version in section.pins.items():
        command.append(f"{name}=={version}" if name != "mmcv-full" else next(compiled.glob("*.whl")))
    if "mmcv" in section.pins:
        command += ["--no-build-isolation", "--no-cache-dir"]
    return command


def check_complete(pip: List[object]) -> None:
    """Raise where ``pip check`` finds fault, but for what is named and not needed: see ``UNNEEDED``."""
    done = subprocess.run([*map(str, pip), "check"], stdout=subprocess.PIPE, text=True)
    fine = tuple(f" requires {name}, which is not installed." for name in UNNEEDED)
    left = [line for line in done.stdout.splitlines() if not line.endswith(fine)]
    if done.returncode and left:
        raise ValueError("; ".join(left))


def pip_environment(venv: Path) -> Dict[str, str]:
    """The environment of all commands: the new environment's tools first, no foreign modules, a CPU build of mmcv."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    for name in [name for name in environment if name.startswith(("FORCE_", "MMCV_"))]:
        del environment[name]
    return {
        **environment,
        "PATH": os.pathsep.join([str(venv / "bin"), os.environ.get("PATH", "")]),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        # A visible GPU would make mmcv-full's build ask for nvcc; the tests run its operators on the CPU.
        "CUDA_VISIBLE_DEVICES": "",
        "MAX_JOBS": os.environ.get("MAX_JOBS") or str(os.cpu_count() or 1),
    }


def display(path: Path) -> str:
    """A path as short as it can be said from here."""
    return os.path.relpath(str(path)) if ROOT in path.parents else str(path)


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Make a virtual environment with a pinned stack.")
    parser.add_argument("--stack", choices=sorted(STACKS), default="default")
    parser.add_argument("--venv", type=Path, help="its folder (default: .venv, or .venv-STACK)")
    parser.add_argument("--python", help="the Python to build it with (default: a suitable one is looked for)")
    parser.add_argument("--no-compile", action="store_true", help="skip a stack whose mmcv-full was not built before")
    options = parser.parse_args(arguments)
    venv = Path(os.path.abspath(str(options.venv or ROOT / STACKS[options.stack].venv)))
    asked = options.python and (shutil.which(options.python) or options.python)
    start = time.monotonic()
    try:
        if is_ready(venv, options.stack, asked):
            print(f"{display(venv)} is up to date ({options.stack} stack)")
            return 0
        log = build(options.stack, venv, find_interpreter(options.stack, asked), not options.no_compile)
    except Failure as failure:
        print(f"{failure.what}; {failure.way_out}", flush=True)
        return failure.status
    except KeyboardInterrupt:
        print("\nstopped; run this again to build it anew")
        return 130
    print(f"{display(venv)} is ready in {time.monotonic() - start:.0f} s ({options.stack} stack, log: {display(log)})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
