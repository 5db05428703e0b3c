"""Several files written as one: all of them, or none."""

import contextlib
from pathlib import Path
from typing import Dict, Iterator, List, Optional

from ...support import InputError, check_writable, replacing


def write_all(changes: Dict[Path, Optional[bytes]]) -> None:
    """Write or remove several files, in the order given. If one of them fails, all are as before.

    Args:
        changes: by path, the new content; None where the file is to go.

    Raises:
        InputError: a file or its folder cannot be written.
    """
    for path in changes:
        check_writable(path)
    before = {path: path.read_bytes() if path.exists() else None for path in changes}
    with _taking_back(before) as begun:
        for path, content in changes.items():
            begun.append(path)
            _put(path, content)


@contextlib.contextmanager
def _taking_back(before: Dict[Path, Optional[bytes]]) -> Iterator[List[Path]]:
    """Give a list to note each file in that is touched; if the block fails, put these back."""
    begun: List[Path] = []
    try:
        yield begun
    except BaseException as error:
        for path in reversed(begun):
            _put(path, before[path])
        if isinstance(error, OSError):
            raise InputError(
                f"'{begun[-1]}' cannot be written ({error.strerror or error})",
                "room on the disk and write access",
                "make room or change the permissions; every file is as before",
            ) from error
        raise


def _put(path: Path, content: Optional[bytes]) -> None:
    """Make one file what it has to be; what is so already is left alone."""
    if content is None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    elif not path.exists() or path.read_bytes() != content:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
