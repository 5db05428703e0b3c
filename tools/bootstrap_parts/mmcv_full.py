"""mmcv-full compiled for one Python and one torch, and kept outside the checkout."""

import os
import re
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, List

from bootstrap_parts.interpreters import Interpreter
from bootstrap_parts.stacks import Failure
from bootstrap_parts.steps import Steps


def wheel_folder(python: Interpreter, torch: str, mmcv: str) -> Path:
    """The cache folder of one build of mmcv-full: its machine code fits one Python, one torch and one platform."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    tag = f"cp{python.minor[0]}{python.minor[1]}-{sys.platform}_{os.uname().machine}"
    return cache / "mmonnx" / "wheels" / f"{tag}-torch{torch}-mmcv{mmcv}"


def check_compiler(python: Interpreter) -> None:
    """Refuse before anything is installed when mmcv-full cannot be compiled here.

    Raises:
        Failure: no C++ compiler, or no headers of the Python.
    """
    other = "or do without: `make demo` and `make test` need none"
    compiler = (os.environ.get("CXX") or "c++").split()[0]
    if not shutil.which(compiler):
        raise Failure(f"no C++ compiler ({compiler}) to build mmcv-full with", f"install one (Debian: g++), {other}")
    if not python.headers:
        what = f"{python.path} has no Python.h, which the build of mmcv-full includes"
        raise Failure(what, f"install it (Debian: python3-dev), {other}")


def unpack(archive: Path, target: Path) -> None:
    """Unpack mmcv-full's source into a folder, and leave the C++ standard to torch.

    mmcv 1.7.2 asks for C++14 or 17; the headers of torch 2.14 refuse less than C++20. Without a word from mmcv, torch's
    extension builder sets what its own headers need.

    Raises:
        ValueError: the source is not the one that this was written for.
    """
    parts = target.parent / (target.name + ".parts")
    with tarfile.open(str(archive)) as source:
        source.extractall(str(parts))
    setup = next(parts.glob("*/setup.py"))
    text, changes = re.subn(r"\['-std=c\+\+1[47]'\]", "[]", setup.read_text(encoding="utf-8"))
    if not changes:
        raise ValueError(f"{archive.name}: its setup.py names no C++ standard that could be taken out")
    setup.write_text(text, encoding="utf-8")
    setup.parent.rename(target)


def build_wheel(pip: List[Any], steps: Steps, version: str, folder: Path) -> None:
    """Build mmcv-full beside the cache folder, see that it loads, and put the wheel there in one move.

    Raises:
        Failure: it does not compile, or not into something that torch can load.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".build-", dir=str(folder.parent)))
    archive, source, wheels = work / f"mmcv-full-{version}.tar.gz", work / "mmcv-full", work / "wheels"
    alone = ["--no-deps", "--no-build-isolation"]
    try:
        steps(
            f"mmcv-full {version}: compile (5 to 20 minutes, once)",
            [*pip, "download", *alone, "--no-binary", ":all:", "-d", work, f"mmcv-full=={version}"],
            lambda: unpack(archive, source),
            [*pip, "wheel", *alone, "--no-cache-dir", "-w", wheels, source],
            lambda: next(wheels.glob("mmcv_full-*.whl")),
            [*pip, "install", "--no-deps", "--find-links", wheels, "--no-index", f"mmcv-full=={version}"],
            [pip[0], "-c", "import torch, mmcv._ext"],
        )
        if not folder.exists():  # somebody else may have built the same meanwhile
            os.replace(str(wheels), str(folder))
    finally:
        shutil.rmtree(str(work), ignore_errors=True)
