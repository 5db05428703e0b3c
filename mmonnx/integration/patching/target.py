"""What is patched: an installed package, or a checkout."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence

from ...support import InputError
from .series import ANY, CHECKOUT, UNCOMPILED

_VERSION = re.compile(r"^__version__\s*=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)
_TOOLS = "tools/"


@dataclass(frozen=True)
class Target:
    """One package on the disk.

    Attributes:
        package: its name.
        root: the folder that the package's folder is in.
        version: by its own version.py.
    """

    package: str
    root: Path
    version: str

    @property
    def title(self) -> str:
        """Name, version and place, for messages."""
        return f"{self.package} {self.version} in {self.root}"

    @property
    def is_checkout(self) -> bool:
        """Whether it is a source tree: one with a setup.py, and not a folder of installed packages."""
        return (self.root / "setup.py").is_file() and not any(self.root.glob(f"{self.package}*.dist-info"))

    @property
    def is_compiled(self) -> bool:
        """Whether operators lie in it that were compiled; whether they load is not asked."""
        return any(path.suffix in (".so", ".pyd") for path in (self.root / self.package).glob("_ext.*"))

    def is_a(self, kind: str) -> bool:
        """Whether it is of a kind that a patch is for."""
        return {
            ANY: True,
            CHECKOUT: self.is_checkout,
            UNCOMPILED: not self.is_checkout and not self.is_compiled,
        }[kind]

    @property
    def record_path(self) -> Path:
        """Where the record of what was applied lies."""
        return self.root / self.package / "mmonnx-patches.json"

    def locate(self, path: str) -> Path:
        """The place of a file that a patch names, whether or not there is one.

        Args:
            path: relative to the root of a checkout. An installed package keeps the tools in a folder of its own.
        """
        places = [self.root / path]
        if path.startswith(_TOOLS):
            places.append(self.root / self.package / ".mim" / path)
        if not self.is_checkout:  # `tools` in a folder of installed packages is somebody else's
            places.reverse()
        return next((place for place in places if place.is_file()), places[0])


def find_targets(names: Sequence[str], root: Optional[Path], required: bool) -> List[Target]:
    """The packages that are there.

    Args:
        names: of the packages to look for.
        root: a checkout; the installed packages if None.
        required: whether each one has to be there.

    Raises:
        InputError: the root is not a folder, none of the packages is there, or a required one is not.
    """
    if root is not None and not root.is_dir():
        raise InputError(f"--root '{root}' is not a folder", "a checkout", "give the folder that holds the package's")
    found = []
    where = "installed" if root is None else f"in '{root}'"
    for name in names:
        folder = root if root is not None else _installed(name)
        if folder is not None and (folder / name / "version.py").is_file():
            found.append(Target(name, folder.resolve(), _version(folder / name / "version.py")))
        elif required:
            raise InputError(f"{name} is not {where}", f"{name} with its version.py", "check --package and --root")
    if not found:
        raise InputError(f"none of {', '.join(names)} is {where}", "one of them", "give --root, or install it")
    return found


def _installed(package: str) -> Optional[Path]:
    """The folder that an importable package is in; the package is not imported."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent.parent if spec is not None and spec.origin else None


def _version(path: Path) -> str:
    match = _VERSION.search(path.read_text(encoding="utf-8", errors="replace"))
    if not match:
        raise InputError(f"'{path}' names no version", "__version__ = '...'", "check that it is the package's own")
    return match.group(1)
