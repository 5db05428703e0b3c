"""Stand-ins for ``torch.jit``: modules and functions that are compiled already, inside of what is traced."""

from typing import Any, Dict, List, Sequence

import torch

from ....environment import compat
from ..compiled import with_conversions
from ..context import ExportContext
from ..registry import rewrite


@rewrite("torch._C.ScriptMethod.__call__")
def method(context: ExportContext, original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    """Have a compiled module in a trace as a function of its weights: the tracer follows no module that is an argument.

    What is compiled keeps its branches and loops: they become ``If`` and ``Loop``.
    """
    if not torch.jit.is_tracing():
        return original(self, *args, **kwargs)
    graph, weights = compat.frozen_graph(self)
    arguments = _arguments(self.name, self.schema.arguments[1:], args, kwargs)
    return _called(context, self.name, graph, [*arguments, *weights])


@rewrite("torch._C.ScriptFunction.__call__")
def function(context: ExportContext, original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    """As :func:`method`, of a function; one that is a call of this very kind goes into the trace as it is."""
    if not torch.jit.is_tracing() or self in context.compiled:
        return original(self, *args, **kwargs)
    graph = self.graph.copy()
    torch._C._jit_pass_onnx_function_substitution(graph)
    torch._C._jit_pass_inline(graph)
    return _called(context, self.name, graph, _arguments(self.name, self.schema.arguments, args, kwargs))


def _called(context: ExportContext, name: str, graph: Any, arguments: List[Any]) -> Any:
    compiled = torch._C._create_function_from_graph(name, with_conversions(graph))
    context.compiled.append(compiled)
    return compiled(*arguments)


def _arguments(name: str, known: Sequence[Any], args: Sequence[Any], kwargs: Dict[str, Any]) -> List[Any]:
    """All of a compiled call's arguments in their order, those that are not given too."""
    left = known[len(args) :]
    unknown = [one for one in kwargs if one not in [argument.name for argument in left]]
    if len(args) > len(known) or unknown:
        raise TypeError(f"{name} takes {', '.join(one.name for one in known)}; not these arguments")
    missing = [one.name for one in left if one.name not in kwargs and not one.has_default_value()]
    if missing:
        raise TypeError(f"{name} is called without {missing[0]!r}")
    return [*args, *(kwargs.get(one.name, one.default_value) for one in left)]
