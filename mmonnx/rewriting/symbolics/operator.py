"""mmcv's operators as nodes of the domain ``mmcv``, each with a body."""

from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

import torch
from torch.autograd import Function as AutogradFunction

from ...environment import compat, untraced
from .body import Body
from .functions import MMCV, Function, register


class Operator:
    """One operator of mmcv. It is called with its inputs and, by name, its attributes.

    Args:
        name: its type.
        inputs: names of its inputs.
        compute: the same in torch, called likewise.
        write: writes the body, which has the inputs, for the attributes of a node; returns the outputs.
        outputs: type and rank of each output; None for the rank of the first input.
        domain: ``mmcv``, or ``mmonnx`` for one that mmcv does not have.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[str],
        compute: Callable[..., Any],
        write: Callable[..., Any],
        outputs: Sequence[Tuple[torch.dtype, Optional[int]]] = ((torch.float32, 4),),
        domain: str = MMCV,
    ) -> None:
        self.name, self.outputs, self.compute, self.domain = name, outputs, compute, domain
        self._inputs, self._write = list(inputs), write
        register(Function(name, domain=domain, body=self.body))

    def __call__(self, *inputs: torch.Tensor, **attributes: Any) -> Any:
        """Compute it on tensors; while a model is traced, as one node."""
        return _Emit.apply(self, attributes, *inputs)

    def body(self, opset: int, attributes: Mapping[str, Any]) -> str:
        """The body, as a function in ONNX's text form."""
        body = Body(self.name, opset, self._inputs, self.domain)
        outputs = self._write(body, *body.inputs, **attributes)
        return body.text(*outputs) if isinstance(outputs, (tuple, list)) else body.text(outputs)


class _Emit(AutogradFunction):
    @staticmethod
    def forward(ctx: Any, operator: Operator, attributes: Dict[str, Any], *inputs: torch.Tensor) -> Any:
        with untraced():
            outputs = operator.compute(*inputs, **attributes)
        # The tracer has to see every output come from somewhere.
        return tuple(one.clone() for one in outputs) if len(operator.outputs) > 1 else outputs.clone()

    @staticmethod
    def symbolic(g: Any, operator: Operator, attributes: Dict[str, Any], *inputs: Any) -> Any:
        typed = {f"{key}_{_suffix(value)}": value for key, value in attributes.items()}
        results = g.op(f"{operator.domain}::{operator.name}", *inputs, outputs=len(operator.outputs), **typed)
        # Without types the exporter prints warnings of its own, past Python's.
        for value, (kind, rank) in zip(results if len(operator.outputs) > 1 else [results], operator.outputs):
            rank = inputs[0].type().dim() if rank is None else rank
            value.setType(compat.tensor_type(kind, rank))
        return results


def _suffix(value: Any) -> str:
    """How the exporter is told an attribute's type."""
    if isinstance(value, str):
        return "s"
    return "f" if isinstance(value, float) else "i"
