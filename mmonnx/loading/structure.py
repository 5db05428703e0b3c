"""Inputs and outputs of any structure as flat lists of named tensors, and back."""

import dataclasses
from typing import Any, Dict, Iterator, List, Mapping, Tuple

import torch


def named_tensors(value: Any, name: str) -> Dict[str, torch.Tensor]:
    """The tensors of a nest of tuples, lists, dicts and dataclasses, in order; what is no tensor is left out.

    Args:
        value: the nest.
        name: of a tensor that stands alone; parts get their keys, or numbers (``output_0``) behind it.

    Returns:
        The tensors by name. A list of one element is that element: the results of one image have plain names.
    """
    found: Dict[str, torch.Tensor] = {}
    for parts, tensor in _walk(value, ()):
        known = "_".join(map(str, parts)) if parts and isinstance(parts[0], str) else "_".join([name, *map(str, parts)])
        while known in found:
            known += "_"
        found[known] = tensor
    return found


def _walk(value: Any, parts: Tuple[Any, ...]) -> Iterator[Tuple[Tuple[Any, ...], torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield parts, value
        return
    for key, item in _items(value):
        yield from _walk(item, parts + key)


def _items(value: Any) -> List[Tuple[Tuple[Any, ...], Any]]:
    """The parts of a container, each with what it adds to the name; none of anything else."""
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, Mapping)):
        return [((field.name,), getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        return [((str(key),), item) for key, item in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [((key,), item) for key, item in zip(value._fields, value)]
    if isinstance(value, (list, tuple)):
        if len(value) == 1:
            return [((), value[0])]
        # a list of results: their keys first, the number of the image behind them
        return [item for number, one in enumerate(value) for item in _numbered(number, one)]
    return []


def _numbered(number: int, value: Any) -> List[Tuple[Tuple[Any, ...], Any]]:
    if isinstance(value, Mapping):
        return [((str(key), number), item) for key, item in value.items()]
    return [((number,), value)]


def refilled(value: Any, tensors: Iterator[torch.Tensor]) -> Any:
    """The same nest of tuples, lists and dicts with other tensors in the places of its tensors."""
    if isinstance(value, torch.Tensor):
        return next(tensors)
    if isinstance(value, Mapping):
        return {key: refilled(item, tensors) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(refilled(item, tensors) for item in value))
    if isinstance(value, (list, tuple)):
        return type(value)(refilled(item, tensors) for item in value)
    return value
