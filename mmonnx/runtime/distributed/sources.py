"""What a run on many machines reads: paths that all of them see, and addresses of file systems that pyarrow knows."""

import functools
import glob
import os
import re
from typing import Any, Callable, List, Sequence, Tuple
from urllib.parse import quote, unquote, urlsplit

from ...support import InputError, first_line
from ..images import IMAGES, find_sources, is_video

_PARQUET = ".parquet"


def is_address(name: str) -> bool:
    """Whether a name is an address such as ``s3://bucket/photos``, and no path."""
    return "://" in name


def absolute(name: str) -> str:
    """A name that means the same in all processes."""
    return name if is_address(name) else os.path.abspath(name)


def find_pictures(names: Sequence[str]) -> List[str]:
    """Each picture that files, folders and patterns mean, once; those of tables are left out.

    Raises:
        InputError: one of them means none, is a video, or cannot be read.
    """
    names = [name for name in names if not name.endswith(_PARQUET)]
    found = [absolute(path) for path in find_sources([name for name in names if not is_address(name)])]
    found += [address for name in names if is_address(name) for address in _at(name, _is_image, IMAGES)]
    video = next((path for path in found if is_video(path)), None)
    if video is not None:
        raise InputError(f"{video!r} is a video", "pictures, with --engine ray", "give it to predict without")
    return list(dict.fromkeys(found))


def find_tables(names: Sequence[str]) -> List[str]:
    """The Parquet files, and folders of them, that names which end in ``.parquet`` mean.

    Raises:
        InputError: one of them means none, or cannot be read.
    """
    found: List[str] = []
    for name in names:
        if name.endswith(_PARQUET) and is_address(name):
            found += _at(name, _is_table, (_PARQUET,)) if "*" in name else [name]
        elif name.endswith(_PARQUET):
            paths = sorted(glob.glob(name, recursive=True))
            if not paths:
                raise InputError(f"{name!r} does not exist", "a Parquet file, or a folder of some", "check the path")
            found += map(absolute, paths)
    return found


def content_of(address: str) -> bytes:
    """What is in a file of a file system that pyarrow knows.

    Raises:
        InputError: it cannot be read.
    """
    front, path, behind = _parts(address)
    try:
        system, root = _system(front, behind)
        with system.open_input_stream(root + path) as stream:
            return bytes(stream.read())
    except (OSError, ValueError) as error:
        raise _unreadable(address, error) from error


def check_empty(folder: str) -> None:
    """Refuse a folder, by its path or address, that has something in it.

    Raises:
        InputError: it has, or nobody can look into it.
    """
    from pyarrow import fs

    try:
        system, path = fs.FileSystem.from_uri(folder)
        there = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    except (OSError, ValueError) as error:
        raise _unreadable(folder, error) from error
    if there:
        raise InputError(f"'{folder}' has something in it", "a new folder", "give another one")


def _is_image(path: str) -> bool:
    return path.lower().endswith(IMAGES)


def _is_table(path: str) -> bool:
    return path.endswith(_PARQUET)


def _at(name: str, is_meant: Callable[[str], bool], endings: Sequence[str]) -> List[str]:
    """The addresses that one means: itself, of what lies in a folder, or of what a pattern with ``*`` matches."""
    from pyarrow import fs

    front, path, behind = _parts(name)
    fixed, star, rest = path.partition("*")
    folder = fixed.rpartition("/")[0] if star else path.rstrip("/")
    try:
        system, root = _system(front, behind)
        if not star and system.get_file_info(root + path).is_file:
            return [name]
        deep = "/" in rest or rest.startswith("*")
        entries = system.get_file_info(fs.FileSelector(root + folder or "/", recursive=deep))
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    matches = _pattern(path).fullmatch if star else is_meant
    paths = sorted(entry.path[len(root) :] for entry in entries if entry.is_file)
    found = [front + quote(one) + behind for one in paths if matches(one) and is_meant(one)]
    if not found:
        raise InputError(f"{name!r} holds nothing to read", f"files such as {', '.join(endings[:3])}", "check it")
    return found


def _pattern(path: str) -> "re.Pattern[str]":
    """A path with ``*`` for what is within a folder's or a file's name, and ``**/`` for any folders."""
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return re.compile("".join(words.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*)", path)))


def _parts(address: str) -> Tuple[str, str, str]:
    """What is in front of an address's path, the path as it is written on the disk, and what is behind it."""
    scheme, host, path, query, _ = urlsplit(address, allow_fragments=False)
    return f"{scheme}://{host}", unquote(path), f"?{query}" if query else ""


@functools.lru_cache(maxsize=32)
def _system(front: str, behind: str) -> Tuple[Any, str]:
    """A file system, and what stands in front of an address's path there, such as the name of a bucket.

    It is kept, as it asks a server where the bucket is.
    """
    from pyarrow import fs

    system, root = fs.FileSystem.from_uri(f"{front}/{behind}")
    return system, root.rstrip("/")


def _unreadable(name: str, error: Exception) -> InputError:
    return InputError(f"{name!r} cannot be read ({first_line(error)})", "an address that pyarrow reads", "check it")
