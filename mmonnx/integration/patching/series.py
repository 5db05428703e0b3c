"""The patches that come with mmonnx, and which of them are for which version."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Tuple

from ...environment import version_tuple
from ...support import InputError, patch_root
from .diff import Diff, parse

ANY, CHECKOUT, UNCOMPILED = KINDS = ("", "checkout", "uncompiled")
"""What a patch may be for: any package; one with files that are not installed, as setup.py; an installed one without
compiled operators."""


@dataclass(frozen=True)
class Patch:
    """One patch of the series.

    Attributes:
        name: of its file in ``patches/``, for example ``mmdet/verify.diff``; the folder is the package.
        first, last: the versions that it is for, both included.
        kind: of the packages that it is for, one of ``KINDS``.
        diff: what it changes.
        digest: SHA-256 of its file.
    """

    name: str
    first: str
    last: str
    kind: str
    diff: Diff
    digest: str

    @property
    def package(self) -> str:
        """The package that it is for."""
        return self.name.split("/")[0]

    @property
    def versions(self) -> str:
        """The versions that it is for, for messages."""
        return f"{self.first} - {self.last}" if self.first != self.last else self.first

    def covers(self, version: str) -> bool:
        """Whether it is for a version."""
        return version_tuple(self.first) <= version_tuple(version) <= version_tuple(self.last)


def read_series(root: Optional[Path] = None) -> Tuple[Patch, ...]:
    """All patches, in the order in which they are applied.

    Args:
        root: the folder of the patches; the project's own if None.

    Raises:
        InputError: a file is missing or broken.
    """
    root = root or patch_root()
    patches: List[Patch] = []
    for number, line in enumerate(_read(root / "series").decode("utf-8").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        kind = words[3] if len(words) > 3 else ANY
        if len(words) not in (3, 4) or kind not in KINDS or "/" not in words[0]:
            raise InputError(
                f"{root / 'series'} is broken at line {number}", "PACKAGE/FILE FIRST LAST", "install mmonnx again"
            )
        content = _read(root / words[0])
        diff = parse(content.decode("utf-8"), str(root / words[0]))
        patches.append(Patch(words[0], words[1], words[2], kind, diff, digest(content)))
    return tuple(patches)


def packages(series: Tuple[Patch, ...]) -> List[str]:
    """The packages that the series has patches for, in its order."""
    return list(dict.fromkeys(patch.package for patch in series))


def digest(content: bytes) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", "a patch", "install mmonnx again") from error
