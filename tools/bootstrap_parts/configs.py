"""Configs and tools for packages whose own wheels carry none: those of a later release's wheel."""

import re
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any, List

from bootstrap_parts.stacks import Section
from bootstrap_parts.steps import Steps

TITLE = "configs"


def put_in(pip: List[Any], steps: Steps, section: Section, venv: Path) -> None:
    """Unpack ``PACKAGE/.mim/`` of each wheel that the section names into the environment's packages.

    Raises:
        Failure: a wheel cannot be had, or has none of it.
    """
    (site,) = (venv / "lib").glob("python*/site-packages")
    work = Path(tempfile.mkdtemp())
    pins = [f"{name}=={version}" for name, version in section.pins.items()]
    download = [*pip, "download", "--no-deps", "--only-binary", ":all:", "-d", work, *pins]
    try:
        steps(section.describe(), download, lambda: _unpack(sorted(work.glob("*.whl")), site))
    finally:
        shutil.rmtree(str(work), ignore_errors=True)


def _unpack(wheels: List[Path], site: Path) -> None:
    for path in wheels:
        with zipfile.ZipFile(str(path)) as wheel:
            names = [name for name in wheel.namelist() if re.match(r"[^/]+/\.mim/", name)]
            if not names:
                raise ValueError(f"{path.name} has no .mim folder")
            wheel.extractall(str(site), names)
