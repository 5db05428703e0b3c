"""Stand-ins for ``torch.jit``: modules that are compiled already, inside of what is traced."""

from typing import Any, Dict, List, Sequence

import torch

from ... import compat
from ..context import ExportContext
from ..registry import rewrite


@rewrite("torch.jit.ScriptModule._slow_forward")
def forward(context: ExportContext, original: Any, self: torch.jit.ScriptModule, *args: Any, **kwargs: Any) -> Any:
    """Have a compiled module in a trace as a function of its weights: the tracer follows no module that is an argument.

    What is compiled keeps its branches and loops: they become ``If`` and ``Loop``.
    """
    if not torch.jit.is_tracing():
        return original(self, *args, **kwargs)
    function, weights = compat.function_of(self)
    context.compiled.append(function)
    return function(*_arguments(self, args, kwargs), *weights)


def _arguments(module: torch.jit.ScriptModule, args: Sequence[Any], kwargs: Dict[str, Any]) -> List[Any]:
    """All of a compiled forward's arguments in their order, those that are not given too."""
    arguments = module.forward.schema.arguments[1:]
    unknown = [name for name in kwargs if name not in [one.name for one in arguments[len(args) :]]]
    if len(args) > len(arguments) or unknown:
        raise TypeError(f"forward takes {', '.join(one.name for one in arguments)}; not these arguments")
    left = arguments[len(args) :]
    missing = [one.name for one in left if one.name not in kwargs and not one.has_default_value()]
    if missing:
        raise TypeError(f"forward is called without {missing[0]!r}")
    return [*args, *(kwargs.get(one.name, one.default_value) for one in left)]
