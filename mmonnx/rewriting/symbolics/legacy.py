"""Symbolics of ordinary operators that old versions of torch export wrongly or not at all."""

import importlib
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator

from ...environment import compat

Symbolic = Callable[..., Any]


def div(g: Any, self: Any, other: Any, rounding_mode: Any = None) -> Any:
    """``torch.div``, with the rounding that torch 1.8 has but does not export."""
    opset9 = importlib.import_module("torch.onnx.symbolic_opset9")
    rounding = None if rounding_mode is None else _constant(rounding_mode)
    if rounding is None:
        return opset9.true_divide(g, self, other)
    if rounding != "trunc":
        raise NotImplementedError(f"div with rounding_mode {rounding!r} cannot be exported on this torch")
    return g.op("Div", self, other)  # of integers: ONNX rounds to zero


def _constant(value: Any) -> Any:
    """The string that a constant of the graph holds, None for None."""
    node = value.node()
    return (
        node.s("value") if node.kind() in ("prim::Constant", "onnx::Constant") and node.hasAttribute("value") else None
    )


SYMBOLICS: Dict[str, Symbolic] = {"div": div}


@contextmanager
def legacy_symbolics(opset: int) -> Iterator[None]:
    """Have the exporter use these where it lacks them; what was registered before comes back at the end."""
    registry = compat.legacy_symbolic_registry(opset)
    if registry is None:
        yield
        return
    before = {name: registry.get(name) for name in SYMBOLICS}
    registry.update(SYMBOLICS)
    try:
        yield
    finally:
        for name, function in before.items():
            if function is None:
                del registry[name]
            else:
                registry[name] = function
