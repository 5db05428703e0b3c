"""The files beside an ONNX file that hold its tensors: which ones it names, and whether they may be read.

The file is walked as protobuf's wire format has it: who runs a file need not have onnx, and what is refused is not
parsed first.
"""

import mmap
import os
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple, Union

from ..support import InputError, check_memory

_GRAPH = {1: "node", 5: "tensor", 15: "sparse"}
_ATTRIBUTE = {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"}
_CHILDREN: Dict[str, Dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": _GRAPH,
    "node": {5: "attribute"},
    "attribute": _ATTRIBUTE,
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""The fields of a message that can hold a tensor, by their numbers in onnx.proto."""
_DEEPEST = 100
"""Messages inside of messages that protobuf reads."""
Buffer = Union[bytes, mmap.mmap]


def check_external(path: Union[str, "os.PathLike[str]"]) -> None:
    """Refuse an ONNX file that names files outside of its folder, or more data than they hold.

    Args:
        path: the file; one that is no ONNX file at all is for others to refuse.

    Raises:
        InputError: a file is missing, no ordinary one, outside, or too short; or there is no memory for all of them.
    """
    folder = Path(path).resolve().parent
    total = 0
    for entries in external_entries(path):
        total += _check(str(path), folder, entries)
    if total:
        check_memory(total, f"the weights beside '{path}'", "give a smaller model")


def external_entries(path: Union[str, "os.PathLike[str]"]) -> Iterator[Dict[str, str]]:
    """What each tensor in another file says of it: ``location``, ``offset``, ``length``."""
    if not os.path.getsize(path):
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        stack: List[Tuple[str, int, int, int]] = [("model", 0, len(data), 0)]
        while stack:
            kind, start, end, depth = stack.pop()
            found = {}
            for number, low, high in _fields(data, start, end):
                child = _CHILDREN[kind].get(number)
                if child == "entry":
                    strings = {key: data[a:b].decode(errors="replace") for key, a, b in _fields(data, low, high)}
                    found[strings.get(1, "")] = strings.get(2, "")
                elif child and depth < _DEEPEST:
                    stack.append((child, low, high, depth + 1))
            if found:
                yield found


def _fields(data: Buffer, start: int, end: int) -> Iterator[Tuple[int, int, int]]:
    """Number, begin and end of each field of a message that has a length; it ends early where the bytes make no sense.

    What lies in a group, which no ONNX file has, counts as a part of the message itself.
    """
    place = start
    while place < end:
        key, place = _varint(data, place, end)
        kind = key & 7
        if kind == 2:
            length, place = _varint(data, place, end)
            if place + length > end:
                return
            yield key >> 3, place, place + length
            place += length
        elif kind == 0:
            _, place = _varint(data, place, end)
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        elif kind > 5:
            return


def _varint(data: Buffer, place: int, end: int) -> Tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= end:
            break
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            break
    return value, place


def _check(name: str, folder: Path, entries: Dict[str, str]) -> int:
    """Check one tensor's file; the bytes that it takes of it."""
    location = entries.get("location", "")

    def refuse(problem: str) -> InputError:
        return InputError(
            f"'{name}' has weights in {location!r}, {problem}",
            "a whole file in the folder of the model",
            "copy it there, or export the model again",
        )

    if not location or os.path.isabs(location) or ".." in Path(location).parts or "\0" in location:
        raise refuse("which is no path inside of its folder")
    file = folder / location
    if not file.is_file():
        raise refuse("which is no file" if os.path.lexists(str(file)) else "which does not exist")
    # a model's own folder may be a link, and what lies in it too, as caches of models have it: none may lead out
    if folder not in file.resolve().parents:
        raise refuse("which is a link to another folder")
    there = file.stat().st_size
    offset, length = _number(entries.get("offset", "0")), _number(entries.get("length", ""))
    length = there - offset if length is None and offset is not None else length
    if offset is None or length is None or offset + length > there or length < 0:
        raise refuse(f"of {there} bytes, which is too short, at {entries}")
    return length


def _number(text: str) -> Optional[int]:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
