"""Stand-ins for ``torch.utils.checkpoint``, which saves memory in a training by computing twice."""

from typing import Any, Callable

from torch import nn

from ..context import ExportContext
from ..registry import rewrite

_OWN = ("use_reentrant", "preserve_rng_state", "context_fn", "determinism_check", "debug", "early_stop")
"""Arguments that are its own, and none of the function's."""


@rewrite("torch.utils.checkpoint.checkpoint")
def checkpoint(
    context: ExportContext, original: Callable[..., Any], function: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """Just the function: where a model asks for this at inference as well, the tracer writes a call of Python code."""
    return function(*args, **{name: value for name, value in kwargs.items() if name not in _OWN})


@rewrite("torch.utils.checkpoint.checkpoint_sequential")
def checkpoint_sequential(
    context: ExportContext, original: Callable[..., Any], functions: Any, segments: int, input: Any, **kwargs: Any
) -> Any:
    """All functions, one after the other."""
    for function in functions.children() if isinstance(functions, nn.Sequential) else functions:
        input = function(input)
    return input
