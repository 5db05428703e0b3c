"""Protobuf's text format, as far as Triton's ``model_config.proto`` needs it.

The schema itself comes with packages that whoever writes a file need not have; a test reads what this writes by it.
"""

from typing import Any, Dict, Iterator, List

Message = Dict[str, Any]


class Enum(str):
    """A name of an enumeration, which is written without quotes."""


def text_of(message: Message) -> str:
    """A message as text: fields by name, of strings, numbers, ``Enum``, messages, and lists of these."""
    return "".join(f"{line}\n" for line in _lines(message))


def _lines(message: Message) -> Iterator[str]:
    for name, value in message.items():
        values: List[Any] = value if isinstance(value, list) else [value]
        if values and all(isinstance(one, (int, float)) for one in values) and isinstance(value, list):
            yield f"{name}: [{', '.join(map(str, values))}]"
            continue
        for one in values:
            if isinstance(one, dict):
                yield f"{name} {{"
                yield from (f"  {line}" for line in _lines(one))
                yield "}"
            else:
                yield f"{name}: {one if not isinstance(one, str) or isinstance(one, Enum) else _quoted(one)}"


def _quoted(text: str) -> str:
    """A string with what is no printable ASCII as octal bytes, which every reader of the format takes."""
    plain = {ord("\n"): "\\n", ord('"'): '\\"', ord("\\"): "\\\\"}
    return '"' + "".join(plain.get(byte) or _character(byte) for byte in text.encode("utf-8")) + '"'


def _character(byte: int) -> str:
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"
