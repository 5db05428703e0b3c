"""What a checkpoint's shapes say of its number of classes, where it is not the model's."""

import re
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from torch import nn

_NAME = re.compile(r"num_(\w+_)?classes$")
_MORE = (0, 1, 5)
"""What a layer has for an anchor beside the classes: nothing, the background, or a box and whether there is one."""

Shapes = Mapping[str, Tuple[Sequence[int], Sequence[int]]]


class ClassCount(NamedTuple):
    """A number of classes that a model and a checkpoint have each their own of.

    Attributes:
        key: what sets it, as in ``model.bbox_head.num_classes``.
        own: the model's.
        given: what the checkpoint's may be, the least first; of some heads of one class the shapes leave a choice.
    """

    key: str
    own: int
    given: Tuple[int, ...]


def class_counts(model: nn.Module, config: Any, wrong: Shapes) -> List[ClassCount]:
    """The numbers of classes that explain all the shapes that differ; none if they do not.

    Args:
        model: the model.
        config: the ``model`` of its config, None for a model without one.
        wrong: by key the shape that the model has, and the checkpoint's.
    """
    told: Dict[Tuple[str, int], List[Set[int]]] = {}
    for key, (own, given) in wrong.items():
        for name, count in _counts(model, config, key):
            possible = _possible(own, given, count)
            if possible:
                told.setdefault((name, count), []).append(possible)
                break
        else:
            return []
    found = []
    for (name, count), each in told.items():
        common = set.intersection(*each)
        if not common:
            return []
        found.append(ClassCount(name, count, tuple(sorted(common))))
    return found


def _possible(own: Sequence[int], given: Sequence[int], count: int) -> Set[int]:
    """The numbers of classes that make the given shape of a layer, where ``count`` makes the model's own."""
    axes = [axis for axis, pair in enumerate(zip(own, given)) if pair[0] != pair[1]]
    if len(own) != len(given) or len(axes) != 1:
        return set()
    before, after = own[axes[0]], given[axes[0]]
    found = set()
    for more in _MORE:
        times, rest = divmod(before, count + more)
        if times and not rest and after % times == 0 and after // times > more:
            found.add(after // times - more)
    return found


def _counts(model: nn.Module, config: Any, key: str) -> Iterator[Tuple[str, int]]:
    """The numbers of classes that may set the shape of a weight, with what sets them: those nearest to it first."""
    parts = key.split(".")[:-1]
    modules = dict(model.named_modules())
    for length in range(len(parts), -1, -1):
        path, node = _node(config, parts[:length])
        if config is not None and node is None:
            continue
        own = vars(modules.get(".".join(parts[:length]), model))
        for name, count in {**_numbers(own), **_numbers(node)}.items():
            yield ".".join([*path, name]), count


def _numbers(values: Any) -> Dict[str, int]:
    found = values.items() if isinstance(values, Mapping) else ()
    return {name: value for name, value in found if _NAME.match(str(name)) and isinstance(value, int) and value > 0}


def _node(config: Any, parts: Sequence[str]) -> Tuple[List[str], Optional[Any]]:
    """The part of a config that a module was built from, and its path; None where there is none.

    One part may stand for all the modules of a list.
    """
    if config is None:
        return list(parts), None
    path = ["model"]
    for part in parts:
        if isinstance(config, Mapping) and part.isdigit():
            continue
        if isinstance(config, Mapping) and part in config:
            config = config[part]
        elif isinstance(config, (list, tuple)) and part.isdigit() and int(part) < len(config):
            config = config[int(part)]
        else:
            return path, None
        path.append(part)
    return path, config
