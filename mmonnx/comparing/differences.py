"""When two tensors differ, and when two lists of answers do."""

from typing import Dict, List, Optional, Sequence

import numpy as np

from .reference import FINE, Expected

Arrays = Dict[str, np.ndarray]

MARGIN = 4.0
"""How many times as far as ONNX Runtime's own further runs are from its first one a float may be, beside its share."""
_CHOICE = 0.1
"""The share of its magnitude from which on a further run differs by a choice, not by roundings."""
_NO_VALUE = 1e6
"""What is greater stands for no value, as -1e9 in a mask does, and says nothing of a tensor's magnitude."""
_UNKNOWN = 0.1
"""The share of rows that no run of ONNX Runtime's gives, up to which they are choices that came out otherwise."""
_WIDE = 8
"""The last axis up to which it is that of rows, as of boxes and of what was selected, also where it is one of two."""
_MOST = 5000
"""Rows, beyond which lists are not compared as sets."""


def tensor_differs(expected: Expected, found: np.ndarray, share: float = FINE.share) -> Optional[str]:
    """In what a tensor differs, in a line; None for the same.

    Integers and bools are the same exactly. Where roundings alone change places or choices, as in sorted lists, most
    rows have to be those that one of ONNX Runtime's own runs gives, wherever.
    """
    value = expected.value
    if not is_steady(expected):
        return _rows_unknown(expected, found, share)
    if value.shape != found.shape:
        return f"shape {found.shape} for {value.shape}"
    if value.dtype.kind != "f":
        wrong = int((value != found).sum())
        return f"{wrong} of {value.size} differ" if wrong else None
    allowed = share * _magnitude(value) + MARGIN * _spread(expected)
    gaps = _gaps(value, found)
    over = ~(gaps <= np.maximum(allowed, share * np.abs(np.where(np.isfinite(value), value, 0.0))))
    if not over.any():
        return None
    most = gaps[over].max()
    return f"{int(over.sum())} of {value.size} differ, by up to {most:.2g} where {allowed:.2g} is allowed"


def _rows_unknown(expected: Expected, found: np.ndarray, share: float) -> Optional[str]:
    """How many rows are in no run of ONNX Runtime's, where these are too many; None for maps and long lists."""
    known = [expected.value, *expected.again]
    if found.ndim < 2 or found.shape[-1:] != expected.value.shape[-1:] or found.dtype.kind not in "fi":
        return None
    width = found.shape[-1] if found.ndim == 3 or found.shape[-1] <= _WIDE else 1  # of a list, its elements
    rows = found.reshape(-1, width).astype(np.float64) if width else np.zeros((0, 1))
    others = np.concatenate([run.reshape(-1, width).astype(np.float64) for run in known]) if width else rows
    if not 0 < len(rows) <= _MOST or len(others) > _MOST * len(known):
        return None
    allowed = max(share * _magnitude(expected.value), 1e-12) if found.dtype.kind == "f" else 0.5
    unknown = sum(not bool((np.abs(others - row).max(1) <= allowed).any()) for row in rows)
    return f"{unknown} of {len(rows)} rows are in none of its runs" if unknown > _UNKNOWN * len(rows) else None


def is_steady(expected: Expected) -> bool:
    """Whether roundings alone make no other tensor of it."""
    value = expected.value
    if any(again.shape != value.shape for again in expected.again):
        return False
    if value.dtype.kind != "f":
        return all(np.array_equal(again, value) for again in expected.again)
    return _spread(expected) <= _CHOICE * max(_magnitude(value), 1e-12)


def _spread(expected: Expected) -> float:
    """How far the further runs are from the first one."""
    return max((float(_gaps(expected.value, again).max(initial=0.0)) for again in expected.again), default=0.0)


def _gaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far values are apart, 0 for two of what is no number."""
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        return np.where(same, 0.0, np.abs(one.astype(np.float64) - other))


def _magnitude(value: np.ndarray) -> float:
    sizes = np.abs(value[np.isfinite(value)]).astype(np.float64)
    values = sizes[sizes < _NO_VALUE]
    return float((values if values.size else sizes).max(initial=0.0))


def answers_differ(expected: Dict[str, Expected], found: Arrays) -> Dict[str, str]:
    """What of a file's outputs differs: by the name of an output, or by the names of all that make a list's rows.

    The rows of a list (outputs beside ``labels`` that have its first two axes) are compared as sets for each picture: a
    row that one side alone has is no difference where ONNX Runtime's own further runs have it, or lack it.
    """
    listed = _listed(expected)
    differences = {name: tensor_differs(one, found[name]) for name, one in expected.items() if name not in listed}
    if listed:
        alone = {name: tensor_differs(expected[name], found[name]) for name in listed}
        steady = all(is_steady(expected[name]) for name in listed)
        if not steady or any(alone.values()):
            differences[", ".join(listed)] = _rows_differ({name: expected[name] for name in listed}, found)
    return {name: text for name, text in differences.items() if text}


def by_chance(expected: Dict[str, Expected]) -> List[str]:
    """The outputs that depend on roundings altogether, but for rows of a list."""
    listed = _listed(expected)
    return [name for name, one in expected.items() if name not in listed and not is_steady(one)]


def _listed(expected: Dict[str, Expected]) -> List[str]:
    """The outputs that make the rows of a list, which ``labels`` is one of."""
    if "labels" not in expected or expected["labels"].value.ndim != 2:
        return []
    shape = expected["labels"].value.shape
    names = [name for name, one in expected.items() if one.value.shape[:2] == shape]
    return names if len(names) > 1 else []


def _rows_differ(expected: Dict[str, Expected], found: Arrays) -> Optional[str]:
    """How many rows have no counterpart, in a line; None if all have one."""
    values = {name: one.value for name, one in expected.items()}
    again = [{name: one.again[run] for name, one in expected.items()} for run in range(len(expected["labels"].again))]
    pictures = {len(one["labels"]) for one in (values, found)}
    shapes = {name: found[name].shape[:2] for name in values}
    if len(pictures) > 1 or len(set(shapes.values())) > 1:
        return f"shapes {', '.join(str(found[name].shape) for name in values)}"
    allowed = {name: FINE.share * max(_magnitude(value), 1.0) for name, value in values.items()}
    missing = extra = total = 0
    for picture in range(len(values["labels"])):
        ours, theirs = _rows(values, picture, allowed), _rows(found, picture, allowed)
        others = [_rows(run, picture, allowed) for run in again if picture < len(run["labels"])]
        if max(len(ours), len(theirs)) > _MOST or ours.shape[1] != theirs.shape[1]:
            return f"{len(theirs)} rows for {len(ours)}"
        total += len(ours)
        missing += sum(_lacks(theirs, row) and not any(_lacks(other, row) for other in others) for row in ours)
        extra += sum(_lacks(ours, row) and all(_lacks(other, row) for other in others) for row in theirs)
    if not missing and not extra:
        return None
    return f"{missing} of {total} rows are missing, {extra} are too many"


def _rows(outputs: Arrays, picture: int, allowed: Dict[str, float]) -> np.ndarray:
    """(n, k) the rows of one picture that are no padding, in units of what they may differ by."""
    labels = outputs["labels"][picture]
    columns = [_flat(outputs[name][picture]) / (1.0 if name == "labels" else unit) for name, unit in allowed.items()]
    return np.concatenate(columns, 1)[labels >= 0]


def _flat(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(len(rows), int(np.prod(rows.shape[1:]))).astype(np.float64)


def _lacks(rows: np.ndarray, row: Sequence[float]) -> bool:
    """Whether a row is not among others; labels are whole numbers, and so never within 1 of each other."""
    return not len(rows) or not bool((np.abs(rows - row).max(1) < 1.0).any())
