"""Kinds of faults as data: a name, what it plants, and where it finds places for it."""

from dataclasses import dataclass
from typing import Callable, Dict, Iterator, NamedTuple

import onnx

from .graphs import Graph


class Place(NamedTuple):
    """Where a fault can be planted, in words, and what plants it in a graph."""

    where: str
    plant: Callable[[Graph], None]


Finder = Callable[[Graph], Iterator[Place]]


@dataclass(frozen=True)
class Kind:
    """A kind of faults in a file.

    Attributes:
        name: a short one, by which it can be asked for.
        plants: what is wrong in the file then.
        find: the places in a graph.
        first: whether it comes before the others: no fault of these kinds may ever pass again.
    """

    name: str
    plants: str
    find: Finder
    first: bool = False


KINDS: Dict[str, Kind] = {}


def kind(name: str, plants: str, first: bool = False) -> Callable[[Finder], Finder]:
    """Register a function that finds the places of a kind."""

    def register(find: Finder) -> Finder:
        assert name not in KINDS, name
        KINDS[name] = Kind(name, plants, find, first)
        return find

    return register


def planted(graph: Graph, place: Place) -> onnx.ModelProto:
    """A copy of the model with the fault; the graph that is given is not changed."""
    copy = graph.copy()
    place.plant(copy)
    return copy.model
