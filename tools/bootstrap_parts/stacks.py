"""The stacks, and the lock files that pin them."""

import re
import sys
from pathlib import Path
from platform import machine
from typing import Dict, List, NamedTuple, Tuple

Version = Tuple[int, int]


class Stack(NamedTuple):
    """What makes up a stack; a later lock file's section stands in for an earlier one's of the same title."""

    locks: Tuple[str, ...]
    pythons: Tuple[Version, ...]
    venv: str
    disk_gb: int


RECENT = ((3, 12), (3, 11), (3, 10), (3, 9))
STACKS = {
    "default": Stack(("default.txt", "members.txt", "ray.txt"), RECENT, ".venv", 8),
    "compiled": Stack(("default.txt", "members.txt", "compiled.txt"), RECENT, ".venv-compiled", 8),
    "classic": Stack(("classic.txt",), ((3, 8),), ".venv-classic", 5),
    "openmmlab2": Stack(("default.txt", "openmmlab2.txt", "texts.txt"), RECENT[:-1], ".venv-openmmlab2", 7),
    # The rows of the matrix that are no stack of their own (tools/matrix.py).
    "torch1.8": Stack(("classic.txt", "torch1.8.txt"), ((3, 8),), ".venv-torch1.8", 4),
    "torch1.10": Stack(("classic.txt", "torch1.10.txt"), ((3, 8),), ".venv-torch1.10", 4),
    "torch1.13": Stack(("classic.txt", "torch1.13.txt"), ((3, 8),), ".venv-torch1.13", 5),
    "torch2.1": Stack(("default.txt", "torch2.1.txt"), ((3, 11),), ".venv-torch2.1", 7),
    "mmdet3.0": Stack(("default.txt", "openmmlab2.txt", "mmdet3.0.txt"), ((3, 11),), ".venv-mmdet3.0", 7),
    "onedl": Stack(("default.txt", "openmmlab2.txt", "onedl.txt"), RECENT[:-1], ".venv-onedl", 7),
    "newest": Stack(("default.txt",), ((3, 12),), ".venv-newest", 7),
}


class Failure(Exception):
    """Something is in the way: what it is, the way out, and the exit status."""

    def __init__(self, what: str, way_out: str, status: int = 1) -> None:
        super().__init__(what)
        self.what, self.way_out, self.status = what, way_out, status


class Section(NamedTuple):
    """One step's worth of a lock file: its title, the names its line shows, the pins that hold on this machine."""

    title: str
    shown: List[str]
    pins: Dict[str, str]

    def describe(self) -> str:
        shown = ", ".join(f"{name} {self.pins[name]}" for name in self.shown)
        rest = len(self.pins) - len(self.shown)
        return f"{self.title}: {shown}" + (f" and {rest} more" if rest else "")


def marker_holds(marker: str, python: Version, platform: str = sys.platform) -> bool:
    """Whether the clauses of a lock file's marker, joined with ``and``, all hold."""
    for clause in filter(None, marker.split(" and ")):
        match = re.match(r'\s*(python_version|sys_platform|platform_machine)\s*(==|>=|<)\s*"([^"]+)"\s*$', clause)
        if not match:
            raise ValueError(f"no marker of a lock file: {clause!r}")
        name, operator, value = match.groups()
        if name != "python_version":
            holds = operator == "==" and value == (platform if name == "sys_platform" else machine())
        else:
            wanted = tuple(int(part) for part in value.split("."))
            holds = {"==": python == wanted, ">=": python >= wanted, "<": python < wanted}[operator]
        if not holds:
            return False
    return True


def read_locks(paths: List[Path], python: Version, platform: str = sys.platform) -> List[Section]:
    """The sections of the lock files that have pins for a Python on a platform, in order, with these."""
    sections: Dict[str, Section] = {}
    for path in paths:
        section = None
        for line in path.read_text(encoding="utf-8").splitlines():
            heading = re.match(r"# \[(.+)\] (.+)", line)
            if heading:
                section = Section(heading.group(1), heading.group(2).split(), {})
                sections[section.title] = section
            elif line and not line.startswith("#"):
                pin, _, marker = line.partition(";")
                if marker_holds(marker, python, platform):
                    name, _, version = pin.strip().partition("==")
                    section.pins[name] = version
    return [section for section in sections.values() if section.pins]
