"""What each file of a package becomes: worked out in memory, before anything is written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from .apply import Mismatch, apply_diff, is_applied
from .diff import FileDiff
from .record import PatchedFile, Record, read_record
from .series import Patch, digest
from .target import Target

Changes = Dict[Path, Optional[bytes]]
"""What to write; None where the file is to go."""


@dataclass(frozen=True)
class Plan:
    """What applying or reverting does to a package.

    Attributes:
        target: the package.
        patches: that are for it.
        problems: why a patch does not fit, by name; or why a file cannot be put back, by path.
        changes: what to write, nothing if there are problems or if it is done already. The order matters: whatever
            happens on the way, the record tells of every file that is changed.
        files: how many files the patches are about.
    """

    target: Target
    patches: Tuple[Patch, ...]
    problems: Dict[str, str]
    changes: Changes
    files: int

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return not self.problems and not self.changes


def patches_for(target: Target, series: Sequence[Patch]) -> Tuple[Patch, ...]:
    """The patches that are for a package as it is."""
    return tuple(
        patch
        for patch in series
        if patch.package == target.package and patch.covers(target.version) and target.is_a(patch.kind)
    )


def plan_apply(target: Target, series: Sequence[Patch]) -> Plan:
    """What it takes to have the patches in a package, whatever part of them is there already."""
    patches = patches_for(target, series)
    record = read_record(target.record_path)
    files = _Files(target, record)
    problems = {}
    for patch in patches:
        problem = next(filter(None, (files.change(diff) for diff in patch.diff.files)), None)
        if problem:
            problems[patch.name] = problem
    patched = files.patched()
    digests = {patch.name: patch.digest for patch in patches}
    changes: Changes = {}
    wanted = Record(target.version, digests, patched)
    if record != wanted and (patched or record):
        changes[target.record_path] = wanted.dump()
    changes.update(files.changes())
    return Plan(target, patches, problems, {} if problems else changes, len(patched))


def plan_revert(target: Target, series: Sequence[Patch]) -> Plan:
    """What it takes to have every file as it was before the patches."""
    record = read_record(target.record_path)
    files = _Files(target, record)
    recorded = record.files if record else {}
    problems = {path: files.problem(path) for path in recorded if files.problem(path)}
    changes = files.changes()
    if record:
        changes[target.record_path] = None  # the last: until then it tells what is left to do
    return Plan(target, patches_for(target, series), problems, {} if problems else changes, len(recorded))


class _Files:
    """The files of a package: as they are, as they were before any patch, and as they become."""

    def __init__(self, target: Target, record: Optional[Record]) -> None:
        self._target = target
        self._recorded = record.files if record else {}
        # another version was installed over the patched one, and the record stayed
        self._stale = record is not None and record.version != target.version
        # None where there is no such file
        self._now: Dict[str, Optional[bytes]] = {}
        self._base: Dict[str, Optional[str]] = {}
        self._text: Dict[str, Optional[str]] = {}
        self._problems: Dict[str, str] = {}
        for path, file in self._recorded.items():
            self._read(path, needed=file.original is not None)

    def problem(self, path: str) -> str:
        """Why a file cannot be changed at all; empty if it can."""
        return self._problems.get(path, "")

    def change(self, diff: FileDiff) -> str:
        """Apply changes of one file to what it becomes; why that cannot be, or empty."""
        self._read(diff.path, needed=not diff.creates)
        if self.problem(diff.path):
            return self.problem(diff.path)
        try:
            self._text[diff.path] = apply_diff(self._text[diff.path], diff)
        except Mismatch as mismatch:
            if is_applied(self._text[diff.path], diff):
                return f"{self._shown(diff.path)}: it is there already, but not by mmonnx patch"
            return f"{self._shown(diff.path)}: {mismatch}"
        return ""

    def patched(self) -> Dict[str, PatchedFile]:
        """What a record has to keep."""
        return {
            path: PatchedFile.of(self._base[path], text)
            for path, text in self._text.items()
            if text is not None and text != self._base[path]
        }

    def changes(self) -> Changes:
        """What to write so that every file is what it becomes."""
        return {
            self._target.locate(path): _content(text)
            for path, text in self._text.items()
            if _content(text) != self._now[path]
        }

    def _read(self, path: str, needed: bool) -> None:
        if path in self._base or path in self._problems:
            return
        if not needed and not self._target.locate(path).exists():
            self._now[path] = self._base[path] = self._text[path] = None
            return
        text: Optional[str]
        try:
            content = self._target.locate(path).read_bytes()
            text = content.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
            self._problems[path] = f"{self._shown(path)} cannot be read: {reason}"
            return
        recorded = self._recorded.get(path)
        if recorded and digest(content) == recorded.after:
            text = recorded.original
        elif recorded and digest(content) != recorded.before and not self._stale:
            self._problems[path] = f"{self._shown(path)} was changed since the patches were applied"
            return
        self._now[path] = content
        self._base[path] = self._text[path] = text

    def _shown(self, path: str) -> str:
        place = self._target.locate(path)
        root = self._target.root
        return str(place.relative_to(root)) if root in place.parents else str(place)


def _content(text: Optional[str]) -> Optional[bytes]:
    return None if text is None else text.encode("utf-8")


def states(plan: Plan) -> List[Tuple[Patch, str]]:
    """Each patch with what applying would do: nothing ("applied"), change files ("applies"), or fail."""
    good = "applied" if plan.done else "applies"
    return [(patch, "does not apply" if patch.name in plan.problems else good) for patch in plan.patches]
