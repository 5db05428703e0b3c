"""Bodies, in standard operators, of the operators that mmonnx puts into a traced graph and ONNX does not have."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional

import onnx

DOMAIN = "mmonnx"


@dataclass(frozen=True)
class Function:
    """One operator of the domain ``mmonnx`` or ``mmcv``.

    Attributes:
        name: its type.
        text: its body in ONNX's text form, of which ``{opset}`` stands for the opset of the file.
        domain: ``mmonnx``, or ``mmcv`` for mmcv's own operators.
        body: instead of the text, what writes it for an opset and the attributes of a node.
    """

    name: str
    text: str = ""
    domain: str = DOMAIN
    body: Optional[Callable[[int, Mapping[str, Any]], str]] = None

    def proto(self, opset: int) -> onnx.FunctionProto:
        """The body for a file of an opset."""
        return onnx.parser.parse_function(self.text.replace("{opset}", str(opset)))


FUNCTIONS: Dict[str, Function] = {}


def register(function: Function) -> Function:
    """Add an operator to the table; its file calls this once."""
    FUNCTIONS[function.name] = function
    return function
