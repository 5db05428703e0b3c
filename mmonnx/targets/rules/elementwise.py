"""Operators that work element by element."""

from functools import reduce
from typing import Callable, List

import numpy as np

from ..conditions import FewerAxes, SameTwice, Shared, ShorterConstant, Stretched, SumOfConvolution, TypeIs
from .base import EXACT, ROUNDING, Node, Result, Rule, Tensor, absolute, bounded, cast, constant, like, op, where

_ARITHMETIC = ("Add", "Sub", "Mul", "Div")
_WHOLE = ("int8", "int16", "int32", "int64")


def _not(x: Tensor) -> Tensor:
    return op("Not", x)


def _computed_again(node: Node) -> Result:
    """The same tensor, as something that a runtime does not take away."""
    x = node[0]
    if node.output_count > 1 or node.given(2) is not None:  # a Dropout that may do something
        return None
    if x.dtype == "bool":
        return _not(_not(x))
    return x * 1 if x.dtype in ("float32", "int32", "int64") else None


def _either(x: Tensor, y: Tensor) -> Tensor:
    return _not(op("And", _not(x), _not(y)))


def _one_of(x: Tensor, y: Tensor) -> Tensor:
    return op("And", _either(x, y), _not(op("And", x, y)))


def _capped(x: Tensor) -> Tensor:
    """No number above 0: Exp of it cannot overflow."""
    return 0 - op("Relu", 0 - x)


def _sign(node: Node) -> Result:
    x = node[0]
    return where(op("Less", x, 0), like(x, -1), where(op("Greater", x, 0), like(x, 1), x))


def _round(node: Node) -> Result:
    # halves go to the even neighbour
    x = node[0]
    low = op("Floor", x)
    rest = x - low
    odd = low - 2 * op("Floor", low * 0.5)
    return low + where(op("Greater", rest, 0.5), like(x, 1), where(op("Equal", rest, 0.5), odd, 0))


def _whole_mod(node: Node) -> Result:
    x, y = node[0], node[1]
    rest = x - (x / y) * y  # the quotient of whole numbers is cut off: what is left has the sign of x
    if node.attribute("fmod"):
        return rest
    divisor = node.array(1)
    negative = op("Less", rest, 0)
    if divisor is not None and bool((divisor > 0).all()):
        return where(negative, rest + y, rest)
    unlike = op("And", _one_of(negative, op("Less", y, 0)), _not(op("Equal", rest, 0)))
    return where(unlike, rest + y, rest)


def _float_mod(node: Node) -> Result:
    x, y = node[0], node[1]
    ratio = x / y
    return x - where(op("Less", ratio, 0), op("Ceil", ratio), op("Floor", ratio)) * y


def _or_equal(operator: str) -> Callable[[Node], Result]:
    def write(node: Node) -> Result:
        return _either(op(operator, node[0], node[1]), op("Equal", node[0], node[1]))

    return write


def _elu_of(x: Tensor, alpha: float) -> Tensor:
    return where(op("Greater", x, 0), x, alpha * (op("Exp", _capped(x)) - 1))


def _elu(node: Node) -> Result:
    return _elu_of(node[0], node.attribute("alpha"))


def _selu(node: Node) -> Result:
    return node.attribute("gamma") * _elu_of(node[0], node.attribute("alpha"))


def _celu(node: Node) -> Result:
    x, alpha = node[0], node.attribute("alpha", 1.0)
    return where(op("Greater", x, 0), x, alpha * (op("Exp", _capped(x / alpha)) - 1))


def _softplus_of(x: Tensor) -> Tensor:
    return op("Relu", x) + op("Log", 1 + op("Exp", 0 - absolute(x)))


def _softplus(node: Node) -> Result:
    return _softplus_of(node[0])


def _softsign(node: Node) -> Result:
    return node[0] / (1 + absolute(node[0]))


def _mish(node: Node) -> Result:
    return node[0] * op("Tanh", _softplus_of(node[0]))


def _gelu(node: Node) -> Result:
    x = node[0]
    if node.attribute("approximate", "none") == "tanh":
        return 0.5 * x * (1 + op("Tanh", float(np.sqrt(2 / np.pi)) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1 + op("Erf", x * float(np.sqrt(0.5))))


def _hard_sigmoid_of(x: Tensor, alpha: float, beta: float) -> Tensor:
    return op("Clip", alpha * x + beta, 0.0, 1.0)


def _hard_sigmoid(node: Node) -> Result:
    return _hard_sigmoid_of(node[0], node.attribute("alpha"), node.attribute("beta"))


def _hard_swish(node: Node) -> Result:
    return node[0] * _hard_sigmoid_of(node[0], 1 / 6, 0.5)


def _thresholded(node: Node) -> Result:
    return where(op("Greater", node[0], node.attribute("alpha")), node[0], 0)


def _shrink(node: Node) -> Result:
    x, bias, bound = node[0], node.attribute("bias"), node.attribute("lambd")
    return where(op("Less", x, -bound), x + bias, where(op("Greater", x, bound), x - bias, 0))


def _is_nan(node: Node) -> Result:
    return _not(op("Equal", node[0], node[0]))


def _is_inf(node: Node) -> Result:
    x = node[0]
    above, below = op("Equal", x, float("inf")), op("Equal", x, float("-inf"))
    if not node.attribute("detect_negative"):
        return above
    return _either(above, below) if node.attribute("detect_positive") else below


def _tan(node: Node) -> Result:
    return op("Sin", node[0]) / op("Cos", node[0])


def _hyperbolic(sign: int) -> Callable[[Node], Result]:
    def write(node: Node) -> Result:
        up, down = op("Exp", node[0]), op("Exp", 0 - node[0])
        return 0.5 * (up + down if sign > 0 else up - down)

    return write


def _folded(operator: str) -> Callable[[Node], Result]:
    def write(node: Node) -> Result:
        return reduce(lambda first, other: where(op(operator, first, other), first, other), _all(node))

    return write


def _all(node: Node) -> List[Tensor]:
    return [node[index] for index in range(len(node.inputs))]


def _sum(node: Node) -> Tensor:
    return reduce(lambda first, other: first + other, _all(node))


def _mean(node: Node) -> Result:
    return _sum(node) / len(node.inputs)


def _whole_clip(node: Node) -> Result:
    return bounded(node[0], node.given(1), node.given(2))


def _clip_attributes(node: Node) -> Result:
    return bounded(node[0], *(node.attribute(name) if node.has(name) else None for name in ("min", "max")))


def _turned_around(node: Node) -> Result:
    return op("Greater", node[1], node[0])


def _sloped(node: Node) -> Result:
    return where(op("Less", node[0], 0), node[0] * node[1], node[0])


def _expanded(node: Node) -> Result:
    """All inputs as large as the output."""
    if any(node[index].dtype == "" for index in range(3)):
        return None
    together = cast(node[0], "float32") + cast(node[1], "float32") + cast(node[2], "float32")
    shape = op("Shape", together)
    return op("Where", *(op("Expand", node[index], shape) for index in range(3)))


def _with_a_copy(node: Node) -> Result:
    return op(node.operator, node[0], op("Mul", node[0], 1))


def _summed_apart(node: Node) -> Result:
    """Something between two sums that keeps PPLNN from adding both to one convolution."""
    return op("Add", op("Mul", node[0], 1), op("Mul", node[1], 1))


def _with_as_many_axes(node: Node) -> Result:
    given = []
    for index in (0, 1):
        rank = node.rank(index)
        missing = 4 - rank if rank is not None and rank > 1 else 0
        array = node.array(index)
        if missing and array is not None:
            given.append(constant(array.reshape([1] * missing + list(array.shape)), node[index].dtype))
        else:
            given.append(node.unsqueeze(node[index], range(missing)) if missing else node[index])
    return op(node.operator, *given)


def _with_longer_constant(node: Node) -> Result:
    array, sizes = node.array(1), node.sizes()
    length = sizes[0] if sizes else None
    if array is None or length is None:
        return None
    return op(node.operator, node[0], constant([int(array.reshape(-1)[0])] * length))


RULES = (
    Rule("Abs", lambda node: absolute(node[0])),
    Rule("Neg", lambda node: 0 - node[0]),
    Rule("Sign", _sign),
    *(Rule(name, _computed_again, EXACT, (Shared(0),)) for name in ("Dropout", "Identity")),
    Rule("Reciprocal", lambda node: 1 / node[0]),
    Rule("Round", _round),
    Rule("Mod", _whole_mod, EXACT, (TypeIs(0, _WHOLE),)),
    Rule("Mod", _float_mod, ROUNDING, (TypeIs(0, ("float32", "float64")),)),
    Rule("Or", lambda node: _either(node[0], node[1])),
    Rule("Xor", lambda node: _one_of(node[0], node[1])),
    Rule("GreaterOrEqual", _or_equal("Greater")),
    Rule("LessOrEqual", _or_equal("Less")),
    Rule("Elu", _elu, ROUNDING),
    Rule("Selu", _selu, ROUNDING),
    Rule("Celu", _celu, ROUNDING),
    Rule("Softplus", _softplus, ROUNDING),
    Rule("Softsign", _softsign, ROUNDING),
    Rule("Mish", _mish, ROUNDING),
    Rule("Gelu", _gelu, ROUNDING),
    Rule("HardSigmoid", _hard_sigmoid, ROUNDING),
    Rule("HardSwish", _hard_swish, ROUNDING),
    Rule("ThresholdedRelu", _thresholded),
    Rule("Shrink", _shrink),
    Rule("IsNaN", _is_nan),
    Rule("IsInf", _is_inf),
    Rule("Tan", _tan, ROUNDING),
    Rule("Sinh", _hyperbolic(-1), ROUNDING),
    Rule("Cosh", _hyperbolic(1), ROUNDING),
    Rule("Max", _folded("Greater"), EXACT),
    Rule("Min", _folded("Less"), EXACT),
    Rule("Sum", _sum, ROUNDING),
    Rule("Mean", _mean, ROUNDING),
    Rule("Clip", _whole_clip, EXACT, (TypeIs(0, _WHOLE),)),
    Rule("Clip", _clip_attributes),
    Rule("Less", _turned_around),
    Rule("PRelu", _sloped),
    Rule("Where", _expanded, EXACT, (Stretched((2,)),)),
    *(Rule(name, _with_a_copy, EXACT, (SameTwice(),)) for name in _ARITHMETIC),
    Rule("Add", _summed_apart, EXACT, (SumOfConvolution(),)),
    *(Rule(name, _with_as_many_axes, EXACT, (FewerAxes(),)) for name in _ARITHMETIC),
    *(Rule(name, _with_longer_constant, EXACT, (ShorterConstant(),)) for name in _ARITHMETIC),
    Rule("Relu", lambda node: bounded(node[0], 0), EXACT, (TypeIs(0, _WHOLE),)),
)
