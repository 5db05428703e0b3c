"""``KEY=VALUE`` arguments, as mmcv's ``DictAction`` reads them, for machines without mmcv."""

import re
from typing import Any, Dict, List, Mapping, Sequence

from .errors import InputError

_OPEN, _CLOSE = "[(", "])"
_WORDS = {"true": True, "false": False, "None": None}


def parse(items: Sequence[str], option: str) -> Dict[str, Any]:
    """Read arguments: numbers, ``true``, ``false``, ``None``, lists (``a,b``, ``[a,b]``), tuples (``(a,b)``), text.

    Args:
        items: ``KEY=VALUE`` each.
        option: the name of the command line's option, for messages.

    Raises:
        InputError: one has no ``=``, no key, or brackets that do not match.
    """
    found = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise InputError(f"{option} {item!r} has no '=' behind a key", "KEY=VALUE", "fix it")
        found[key] = _value(text.strip(), f"{option} {item!r}")
    return found


def texts(values: Mapping[str, Any]) -> List[str]:
    """Arguments that are read as these values, as far as such arguments can say them: ``KEY=VALUE`` each."""
    return [f"{key}={_text(value)}" for key, value in values.items()]


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        items = ",".join(map(_text, value))
        return f"({items})" if isinstance(value, tuple) else f"[{items}]"
    if isinstance(value, str) and (_scalar(value) != value or re.search(r"[][(),]", value) or value != value.strip()):
        quote = '"' if "'" in value else "'"
        return f"{quote}{value}{quote}"
    return str(value)


def _value(text: str, where: str) -> Any:
    parts = _split(text, where)
    if len(parts) > 1:
        return [_value(part, where) for part in parts if part]
    if text[:1] and text[0] in _OPEN:
        items = [_value(part, where) for part in _split(text[1:-1], where) if part]
        return tuple(items) if text[0] == "(" else items
    return _scalar(text)


def _split(text: str, where: str) -> List[str]:
    """Split at the commas that are in no bracket."""
    parts, closing = [""], []
    for letter in text:
        if letter in _OPEN:
            closing.append(_CLOSE[_OPEN.index(letter)])
        elif letter in _CLOSE and (not closing or closing.pop() != letter):
            raise InputError(f"{where} has a '{letter}' too many", "brackets that match", "fix it")
        if letter == "," and not closing:
            parts.append("")
        else:
            parts[-1] += letter
    if closing:
        raise InputError(f"{where} lacks a '{closing[-1]}'", "brackets that match", "fix it")
    return [part.strip() for part in parts]


def _scalar(text: str) -> Any:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return _WORDS.get(text if text == "None" else text.lower(), text)
