"""Which faults are planted into a model: of each kind some, chosen by the seed."""

import random
from functools import partial
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional

import onnx

from mmonnx import loading

from . import kinds as _kinds  # noqa: F401  registers them
from .configs import CONFIG_KINDS
from .configs import settings as config_settings
from .graphs import Graph
from .registry import KINDS, planted
from .subjects import Prepared, settings, traced

__all__ = ["Fault", "choose", "kind_names", "places"]


class Fault(NamedTuple):
    """A fault: its kind, where it is, and what makes the file with it, which may fail where there can be none."""

    kind: str
    where: str
    make: Callable[[], onnx.ModelProto]


def kind_names() -> List[str]:
    """The names of all kinds, those in the config included."""
    return [*KINDS, *CONFIG_KINDS]


def is_first(name: str) -> bool:
    """Whether no fault of a kind may ever pass."""
    return (KINDS.get(name) or CONFIG_KINDS[name]).first


def places(prepared: Prepared, names: Optional[Iterable[str]] = None) -> Dict[str, List[Fault]]:
    """All faults of each kind that the model has a place for, in the file and in the config."""
    graph = Graph(prepared.model, prepared.feeds)
    wanted = set(names or kind_names())
    found = {name: list(_in_file(graph, name)) for name in KINDS if name in wanted}
    if prepared.subject.is_config:
        found.update({name: list(_in_config(prepared, name)) for name in CONFIG_KINDS if name in wanted})
    return {name: faults for name, faults in found.items() if faults}


def _in_file(graph: Graph, name: str) -> Iterator[Fault]:
    for place in KINDS[name].find(graph):
        yield Fault(name, place.where, partial(planted, graph, place))


def _in_config(prepared: Prepared, name: str) -> Iterator[Fault]:
    asked = settings(prepared.subject)
    model = loading.read(asked.config, asked.load.cfg_options)[1].model
    for setting in config_settings(model, CONFIG_KINDS[name]):
        yield Fault(name, setting.where, partial(traced, prepared, setting.options))


def choose(found: Dict[str, List[Fault]], count: int, seed: int) -> List[Fault]:
    """Some of the faults: of each kind one, then of each another one, and so on; some kinds come before the others.

    Args:
        found: the faults of each kind.
        count: how many at most.
        seed: what the choice depends on, with the kinds' names, so that one kind more leaves the choice of others.
    """
    shuffled = {}
    for name, faults in found.items():
        order = list(faults)
        random.Random(f"{seed} {name}").shuffle(order)
        shuffled[name] = order
    names = sorted(shuffled, key=lambda name: (not is_first(name), random.Random(f"{seed} {name} place").random()))
    rounds = max(map(len, shuffled.values()), default=0)
    chosen = [shuffled[name][turn] for turn in range(rounds) for name in names if turn < len(shuffled[name])]
    return chosen[:count]
