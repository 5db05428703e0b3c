"""The registry of rewrites, and the one place where they are put in and taken out again."""

import importlib
import sys
import threading
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from torch import nn

from ...environment import Slot, StandIn, compat, dispatchers, holding, plain, standing_in
from .context import ExportContext


@dataclass(frozen=True)
class Rewrite:
    """One upstream function and what stands in for it while a model is exported.

    Attributes:
        path: dotted path of the upstream function, ``package.module.function`` or ``package.module.Class.method``; of
            what is in both generations of OpenMMLab's toolboxes, that of the first (``compat.paths_of``).
        function: the stand-in. It is called as ``function(context, original, *args, **kwargs)``.
    """

    path: str
    function: Callable[..., Any]

    @property
    def name(self) -> str:
        """The function's own name."""
        return self.path.rpartition(".")[2]


REGISTRY: Dict[str, Rewrite] = {}
_active = threading.local()


def rewrite(path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as the stand-in of the upstream function at ``path``.

    Raises:
        ValueError: the path has a stand-in already.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        if path in REGISTRY:
            raise ValueError(f"{path} is rewritten twice: {REGISTRY[path].function} and {function}")
        REGISTRY[path] = Rewrite(path, function)
        return function

    return register


def current() -> Optional[ExportContext]:
    """The context of the innermost ``rewriting`` block of this thread, None outside."""
    stack = getattr(_active, "stack", None)
    return stack[-1] if stack else None


@contextmanager
def rewriting(
    context: Optional[ExportContext] = None,
    rewrites: Optional[Dict[str, Rewrite]] = None,
    module: Optional[nn.Module] = None,
) -> Iterator[ExportContext]:
    """Replace every registered upstream function that is installed, and restore it at the end, come what may.

    Other threads go on with upstream's functions; they may open and leave such blocks of their own at any time.
    Blocks may be nested: the inner one replaces nothing again, it only brings its own context. Packages that nobody has
    imported yet are left alone, as no model can be made of them.

    Args:
        context: what the stand-ins share; a new one is made when it is None.
        rewrites: the stand-ins by path, all registered ones when it is None.
        module: the model, whose modules may hold such functions as attributes.
    """
    context = context or ExportContext()
    stack = _active.__dict__.setdefault("stack", [])
    stack.append(context)
    with ExitStack() as undo:
        undo.callback(stack.pop)
        if len(stack) == 1:
            # all are found before any is replaced: a module that is imported on the way has to get the original
            items = list((REGISTRY if rewrites is None else rewrites).values())
            undo.enter_context(standing_in(_stand_ins(items, module.modules() if module is not None else ())))
        yield context


def resolve(path: str) -> Tuple[Any, str]:
    """The owner (module or class) and the attribute name that a dotted path means.

    Raises:
        LookupError: nothing of that path is installed.
    """
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for name in parts[cut:-1]:
            owner = getattr(owner, name, None)
        if owner is not None and hasattr(owner, parts[-1]):
            return owner, parts[-1]
        break
    raise LookupError(path)


def _stand_ins(items: Sequence[Rewrite], roots: Iterable[Any]) -> List[StandIn]:
    """The stand-ins for what is installed, in every place that holds its function."""
    found = [(item, owner) for item, owner in ((item, _owner(item)) for item in items) if owner is not None]
    own = {Slot(owner, item.name) for item, owner in found}
    # what a class inherits is its base's: others that hold it do not mean this class
    originals = {id(plain(getattr(owner, item.name))): item for item, owner in found if item.name in vars(owner)}
    # a module that was imported while a dispatcher was in place may hold that
    taken = {id(one): originals[id(plain(one))] for one in dispatchers() if id(plain(one)) in originals}
    wanted, slots = {**originals, **taken}, defaultdict(list)
    for slot, value in holding(wanted, roots):
        if slot not in own:
            slots[wanted[id(value)].path].append(slot)
    return [StandIn([owner], item.name, _bound(item.function), slots[item.path]) for item, owner in found]


def _owner(item: Rewrite) -> Optional[Any]:
    """The module or class that a function is of; None if it is not installed."""
    for path in compat.paths_of(item.path):
        if path.split(".")[0] not in sys.modules:
            continue
        try:
            return resolve(path)[0]
        except LookupError:  # another release of the package
            continue
    return None


def _bound(function: Callable[..., Any]) -> Callable[..., Any]:
    """A stand-in as it is called in the place of the original."""

    def stand_in(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(current(), original, *args, **kwargs)

    return stand_in
