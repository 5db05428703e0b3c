"""Bodies, in standard operators, of the operators that mmonnx puts into a traced graph and ONNX does not have."""

import functools
import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional

import onnx

DOMAIN = "mmonnx"
MMCV = "mmcv"


@dataclass(frozen=True)
class Function:
    """One operator of the domain ``mmonnx`` or ``mmcv``.

    Attributes:
        name: its type.
        text: its body in ONNX's text form, of which ``{opset}`` stands for the opset of the file.
        domain: ``mmonnx``, or ``mmcv`` for mmcv's own operators.
        body: instead of the text, what writes it for an opset and the attributes of a node. It raises an ExportError
            that names the operator and the attribute where standard operators cannot do it.
    """

    name: str
    text: str = ""
    domain: str = DOMAIN
    body: Optional[Callable[[int, Mapping[str, Any]], str]] = None

    def source(self, opset: int, attributes: Mapping[str, Any]) -> str:
        """The body in ONNX's text form, for a file of an opset and a node with these attributes."""
        if self.body is not None:
            return self.body(opset, attributes)
        return self.text.replace("{opset}", str(opset))


FUNCTIONS: Dict[str, Function] = {}


def register(function: Function) -> Function:
    """Add an operator to the table; its file calls this once."""
    FUNCTIONS[function.name] = function
    return function


def find_function(node: onnx.NodeProto) -> Optional[Function]:
    """The operator of a node, if it is one that has a body."""
    function = all_functions().get(node.op_type)
    return function if function is not None and function.domain == node.domain else None


@functools.lru_cache(maxsize=None)
def all_functions() -> Dict[str, Function]:
    """The table by type, after every file of this folder has added its own."""
    package = __name__.rsplit(".", 1)[0]
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, package + "."):
        importlib.import_module(module.name)
    return FUNCTIONS


def attributes_of(node: onnx.NodeProto) -> Dict[str, Any]:
    """The attributes of a node by name, strings as ``str``."""
    values = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}
