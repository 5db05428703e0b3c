"""Which Python to build a stack with."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, NamedTuple, Optional, Tuple

from bootstrap_parts.stacks import STACKS, Failure, Version

SKIPPED = 77  # what automake's test drivers take for "skipped"

PROBE = """
import os, sys, sysconfig
try:
    import ensurepip, venv
    able = 1
except ImportError:
    able = 0
headers = os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))
print("%d.%d.%d" % sys.version_info[:3], able, int(headers))
"""


class Interpreter(NamedTuple):
    """A Python that really runs: its path, its version, whether it can make environments and compile for itself."""

    path: str
    version: str
    venv: bool
    headers: bool

    @property
    def minor(self) -> Version:
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)


def probe(path: str) -> Optional[Interpreter]:
    """Run a Python and see what it is; None where it does not run (a version manager's shim without a version)."""
    try:
        out = subprocess.run([path, "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = out.stdout.decode(errors="replace").split()
    if out.returncode != 0 or len(words) != 3 or not re.match(r"\d+\.\d+\.\d+$", words[0]):
        return None
    return Interpreter(path, words[0], words[1] == "1", words[2] == "1")


def candidates(pythons: Tuple[Version, ...]) -> Iterator[str]:
    """Where a Python of these versions may be: the one that runs this, $PYTHON38 and the like, PATH, usual places."""
    home = Path.home()
    roots = [home / name for name in ("miniconda3", "miniforge3", "anaconda3")] + [Path("/opt"), Path("/usr/local")]
    yield sys.executable
    for major, minor in pythons:
        dotted = f"{major}.{minor}"
        yield os.environ.get(f"PYTHON{major}{minor}", "")
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            yield os.path.join(folder, f"python{dotted}")
        places = [
            (Path(os.environ.get("PYENV_ROOT") or home / ".pyenv"), f"versions/{dotted}*/bin/python"),
            (home / ".local/share/uv/python", f"cpython-{dotted}*/bin/python{dotted}"),
        ]
        places += [(root, f"{inner}bin/python{dotted}") for root in roots for inner in ("", "*/", "*/*/")]
        for place, pattern in places:
            yield from sorted(map(str, place.glob(pattern)))


def find_interpreter(stack: str, asked: Optional[str]) -> Interpreter:
    """The Python to build a stack with: the one asked for, or the first suitable one.

    Raises:
        Failure: there is none, or the one asked for is no good.
    """
    pythons = STACKS[stack].pythons
    oldest, newest = (".".join(map(str, version)) for version in (min(pythons), max(pythons)))
    wanted = oldest if oldest == newest else f"{oldest} to {newest}"
    option = f"give one with --python /path/to/python{oldest}"
    if asked:
        found = probe(asked)
        if found is None or found.minor not in pythons:
            what = f"{asked} is Python {found.version}" if found else f"{asked} is no Python that runs"
            raise Failure(f"{what}; the {stack} stack needs {wanted}", option, 2)
    else:
        tried = (probe(path) for path in candidates(pythons) if os.path.isfile(path))
        found = next((python for python in tried if python and python.minor in pythons), None)
    if found is None and len(pythons) == 1:
        raise Failure(f"skipped: no Python {wanted} on this machine for the {stack} stack", option, SKIPPED)
    if found is None:
        here = ".".join(map(str, sys.version_info[:3]))
        raise Failure(f"the {stack} stack needs Python {wanted}, and this is {here}", f"install one, or {option}")
    if not found.venv:
        package = f"python{found.minor[0]}.{found.minor[1]}-venv"
        raise Failure(f"{found.path} cannot make virtual environments", f"install its venv module (Debian: {package})")
    return found
