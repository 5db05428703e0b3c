"""What is installed, and what mmonnx works with."""

import sys
from importlib import metadata
from typing import Any, List, NamedTuple, Optional, Tuple

import torch

from ...support import InputError, command_line


def version_tuple(version: str) -> Tuple[int, ...]:
    """The leading numbers of a version, ``1.13.1+cpu`` -> (1, 13, 1)."""
    numbers = []
    for part in version.split("+")[0].split("."):
        digits = "".join(ch for ch in part if ch.isdigit())
        if not part[:1].isdigit():
            break
        numbers.append(int(digits))
    return tuple(numbers)


TORCH = version_tuple(torch.__version__)


class Range(NamedTuple):
    """The releases of a package that mmonnx works with: from ``oldest`` on, up to and without ``end`` if there is one.

    Attributes:
        names: the distributions that install the package.
        beside: what it imports beside mmcv, mmdet, mmcls and what these need; pip takes more along.
    """

    oldest: Tuple[int, ...]
    end: Optional[Tuple[int, ...]]
    names: Tuple[str, ...]
    beside: Tuple[str, ...] = ()

    def __str__(self) -> str:
        end = "" if self.end is None else f",<{_dotted(self.end)}"
        return f">={_dotted(self.oldest)}{end}"


SUPPORTED = {
    "torch": Range((1, 8), None, ("torch",)),
    "mmcv": Range((1, 3, 8), (3,), ("mmcv-full", "mmcv", "mmcv-lite", "onedl-mmcv")),
    "mmdet": Range((2, 14), (4,), ("mmdet", "onedl-mmdetection")),
    "mmcls": Range((0, 12), (1,), ("mmcls",)),
    "mmengine": Range((0, 7), (1,), ("mmengine", "mmengine-lite", "onedl-mmengine")),
    "mmpretrain": Range((1,), (2,), ("mmpretrain", "onedl-mmpretrain")),
}

MEMBERS = {
    "mmaction": Range((0, 24), (1,), ("mmaction2",), ("einops",)),
    "mmedit": Range((0, 16), (1,), ("mmedit",)),
    "mmocr": Range((0, 6), (1,), ("mmocr",), ("pyclipper", "rapidfuzz", "shapely")),
    "mmpose": Range((0, 29), (1,), ("mmpose",), ("json_tricks", "munkres<2", "xtcocotools")),
    "mmrotate": Range((0, 3, 4), (1,), ("mmrotate",), ("e2cnn",)),
    "mmseg": Range((0, 30), (1,), ("mmsegmentation",), ("prettytable", "wcwidth")),
}
"""The same of packages whose releases are of no account but to their own models: nobody else is refused for them."""


def _dotted(version: Tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def installed_version(package: str) -> Optional[str]:
    """The version of a package of ``SUPPORTED`` or ``MEMBERS``, not imported for it; None if it is not installed."""
    if package in sys.modules:
        return getattr(sys.modules[package], "__version__", None)
    for name in _range(package).names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _range(package: str) -> Range:
    return SUPPORTED[package] if package in SUPPORTED else MEMBERS[package]


def distributions(package: str) -> List[str]:
    """What to install for a package that there is none of, as pip takes it.

    Members come without what they name, of which mmcv-full and others are compiled, and replace what is there.
    """
    if package not in MEMBERS:
        return [package]
    member = MEMBERS[package]
    return ["--no-deps", f"{member.names[0]}{member}", *member.beside]


def entry_points(group: str) -> List[Any]:
    """The entry points of a group that installed packages have; Python 3.8 and 3.9 give all groups at once."""
    found: Any = metadata.entry_points()
    return list(found.select(group=group) if hasattr(found, "select") else found.get(group, ()))


def unsupported(package: str) -> Optional[str]:
    """What is wrong with the installed release of a package of these tables; None if nothing is, or there is none."""
    version, wanted = installed_version(package), _range(package)
    if version is None:
        return None
    numbers = version_tuple(version)
    if wanted.oldest <= numbers and (wanted.end is None or numbers < wanted.end):
        return None
    return f"{package} {version} is outside the range that mmonnx supports"


def check_versions() -> None:
    """Refuse packages of ``SUPPORTED`` that are too old or too new; one that is not installed is no matter here.

    Raises:
        InputError: a version lies outside of its range.
    """
    for package in SUPPORTED:
        check_version(package)


def check_version(package: str) -> None:
    """Refuse a package of ``SUPPORTED`` or ``MEMBERS`` that is too old or too new.

    Raises:
        InputError: its version lies outside of its range.
    """
    problem, wanted = unsupported(package), _range(package)
    if problem is not None:
        command = command_line("pip", "install", f"{wanted.names[0]}{wanted}")
        raise InputError(
            problem,
            f"{package}{wanted}",
            f"{command} in an environment of its own (whole sets: requirements/)",
        )


def keeps_proposals_of_the_minimum() -> bool:
    """Whether the RPN keeps proposals as small as ``min_bbox_size``, and filters none if that is 0 (mmdet 2.14)."""
    version = installed_version("mmdet")
    return version is not None and version_tuple(version) < (2, 15)
