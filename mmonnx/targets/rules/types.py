"""Types that an operator refuses: the work is done in another one."""

from typing import Callable, Sequence

from ..conditions import TypeIs
from .base import EXACT, LIMITED, ROUNDING, Node, Result, Rule, cast, outputs

_SMALL = ("bool", "uint8", "int8", "int16")
_WHOLE = (*_SMALL, "int32", "int64")
_DOUBLE = ("float64",)
_ATTRIBUTES = {
    "CumSum": ("exclusive", "reverse"),
    "Gather": ("axis",),
    "GatherND": ("batch_dims",),
    "ArgMax": ("axis", "keepdims", "select_last_index"),
    "LeakyRelu": ("alpha",),
    **dict.fromkeys(("ReduceMax", "ReduceMin", "ReduceSum"), ("axes", "keepdims")),
    "Softmax": ("axis",),
    "Pad": ("mode",),
    "ReduceMean": ("axes", "keepdims"),
    "ReduceProd": ("axes", "keepdims"),
    "ScatterElements": ("axis", "reduction"),
    "ScatterND": ("reduction",),
    "Squeeze": ("axes",),
    "TopK": ("axis", "largest", "sorted"),
    "Transpose": ("perm",),
    "Unsqueeze": ("axes",),
}


def _in(dtype: str, data: Sequence[int] = (0,), back: bool = True) -> Callable[[Node], Result]:
    """The operator in another type.

    Args:
        dtype: that type.
        data: the inputs that have the node's type.
        back: the first output has it as well.

    """

    def write(node: Node) -> Result:
        given = [
            cast(item, dtype) if item is not None and index in data else item for index, item in enumerate(node.inputs)
        ]
        attributes = node.attributes(*_ATTRIBUTES.get(node.operator, ()))
        found = outputs(node.operator, node.output_count, *given, **attributes)
        return [cast(found[0], node[data[0]].dtype) if back else found[0], *found[1:]]

    return write


_MOVING = ("Expand", "Gather", "ReduceMax", "ReduceMin", "ReduceSum", "Slice", "Tile", "Transpose")
_OF_FLOATS = """Ceil Cos CumSum Erf Exp Floor LeakyRelu Log Pad Relu ScatterND Sigmoid Sin Softmax Sqrt Tanh TopK
ReduceMean ReduceSum"""
_OF_TWO = ("Add", "Div", "Mul", "Sub", "Pow", "MatMul")
_COMPARING = ("Equal", "Greater", "Less")

RULES = (
    *(Rule(name, _in("int64"), EXACT, (TypeIs(0, (*_SMALL, "int32")),)) for name in _MOVING),
    *(Rule(name, _in("int64", (0, 1), back=False), EXACT, (TypeIs(0, (*_SMALL, "int32")),)) for name in _COMPARING),
    Rule("Where", _in("int64", (1, 2)), EXACT, (TypeIs(1, (*_SMALL, "int32")),)),
    Rule("Where", _in("float32", (1, 2)), ROUNDING, (TypeIs(1, _DOUBLE),)),
    Rule("ScatterElements", _in("int64", (0, 2)), EXACT, (TypeIs(0, _SMALL),)),
    Rule("NonZero", _in("float32", back=False), EXACT, (TypeIs(0, _WHOLE),)),
    Rule("ArgMax", _in("float32", back=False), LIMITED, (TypeIs(0, _WHOLE),)),
    Rule("TopK", _in("float32"), LIMITED, (TypeIs(0, _WHOLE),)),
    Rule("CumSum", _in("float32"), LIMITED, (TypeIs(0, _WHOLE),)),
    Rule("GatherND", _in("float32"), LIMITED, (TypeIs(0, _WHOLE),)),
    Rule("Pad", _in("float32", (0, 2)), LIMITED, (TypeIs(0, _WHOLE),)),
    Rule("ScatterND", _in("float32", (0, 2)), LIMITED, (TypeIs(0, _WHOLE),)),
    Rule("Pow", _in("float32", (0, 1)), LIMITED, (TypeIs(0, _WHOLE),)),
    Rule("Pow", _in("float32", (1,), back=False), EXACT, (TypeIs(1, _WHOLE),)),
    Rule("MatMul", _in("float32", (0, 1)), LIMITED, (TypeIs(0, _WHOLE),)),
    *(Rule(name, _in("float32"), ROUNDING, (TypeIs(0, _DOUBLE),)) for name in _OF_FLOATS.split()),
    *(Rule(name, _in("float32", (0, 1)), ROUNDING, (TypeIs(0, _DOUBLE),)) for name in _OF_TWO),
    *(Rule(name, _in("float32", (0, 1), back=False), ROUNDING, (TypeIs(0, _DOUBLE),)) for name in _COMPARING),
)
