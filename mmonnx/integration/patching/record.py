"""What was applied to a package, kept in its own folder, so that it is safe to repeat and to take back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional

from ...support import InputError, __version__
from .diff import is_inside
from .series import digest


@dataclass(frozen=True)
class PatchedFile:
    """One file that patches changed.

    Attributes:
        original: its whole text before; None if there was no such file.
        before, after: SHA-256 of its content before (None likewise) and after.
    """

    original: Optional[str]
    before: Optional[str]
    after: str

    @classmethod
    def of(cls, before: Optional[str], after: str) -> "PatchedFile":
        """What is to be kept of a change of a file's text."""
        return cls(before, _digest_of(before), digest(after.encode("utf-8")))


@dataclass(frozen=True)
class Record:
    """What was applied.

    Attributes:
        version: of the package.
        patches: SHA-256 of each patch, by name.
        files: by the path that the patches use.
    """

    version: str
    patches: Dict[str, str]
    files: Dict[str, PatchedFile]

    def dump(self) -> bytes:
        """The content of the record's file."""
        files = {path: vars(file) for path, file in self.files.items()}
        data = {"mmonnx": __version__, "version": self.version, "patches": self.patches, "files": files}
        return (json.dumps(data, indent=1) + "\n").encode("utf-8")


def read_record(path: Path) -> Optional[Record]:
    """Read a record; None if there is none.

    Raises:
        InputError: it cannot be read, or something else wrote it.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        files = {name: _patched_file(name, file) for name, file in data["files"].items()}
        return Record(str(data["version"]), {str(k): str(v) for k, v in data["patches"].items()}, files)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"'{path}' cannot be read ({type(error).__name__}: {error})",
            "the record that mmonnx patch keeps",
            "install the package or check it out again, and delete that file",
        ) from error


def _patched_file(name: str, values: Dict[str, Any]) -> PatchedFile:
    file = PatchedFile(values["original"], values["before"], values["after"])
    # What is put back must be what was there, and where it was.
    if not is_inside(name) or _digest_of(file.original) != file.before:
        raise ValueError(f"it was changed at {name}")
    return file


def _digest_of(text: Optional[str]) -> Optional[str]:
    return None if text is None else digest(text.encode("utf-8"))
