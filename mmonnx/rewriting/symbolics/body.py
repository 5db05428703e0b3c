"""Writes the body of an operator in ONNX's text form, value by value."""

from typing import Any, Callable, Dict, List, Sequence, Tuple, Union

Number = Union[int, float]
Operand = Union["Value", Number, Sequence[Number]]
Dim = Union["Value", int]


class Value:
    """One value of a body. Arithmetic with it writes nodes: ``int`` stands for int64, ``float`` for float32."""

    def __init__(self, body: "Body", name: str) -> None:
        self._body, self.name = body, name

    def __add__(self, other: Operand) -> "Value":
        return self._body.op("Add", self, other)

    def __sub__(self, other: Operand) -> "Value":
        return self._body.op("Sub", self, other)

    def __rsub__(self, other: Operand) -> "Value":
        return self._body.op("Sub", other, self)

    def __mul__(self, other: Operand) -> "Value":
        return self._body.op("Mul", self, other)

    def __truediv__(self, other: Operand) -> "Value":
        return self._body.op("Div", self, other)

    def __neg__(self) -> "Value":
        return self._body.op("Neg", self)

    def __lt__(self, other: Operand) -> "Value":
        return self._body.op("Less", self, other)

    def __gt__(self, other: Operand) -> "Value":
        return self._body.op("Greater", self, other)

    def __and__(self, other: "Value") -> "Value":
        return self._body.op("And", self, other)

    def __or__(self, other: "Value") -> "Value":
        return self._body.op("Or", self, other)

    def __invert__(self) -> "Value":
        return self._body.op("Not", self)


class Body:
    """The text of a function under construction.

    Args:
        name: type of the operator.
        opset: opset of the default domain, which decides how some operators are written.
        inputs: names of the inputs.
        domain: of the operator.
    """

    def __init__(self, name: str, opset: int, inputs: Sequence[str], domain: str = "mmcv") -> None:
        self.opset = opset
        self._head = f'<domain: "{domain}", opset_import: ["": {opset}]>\n{name} ({", ".join(inputs)})'
        self._lines: List[str] = []
        self._number = 0
        self._constants: List[Dict[str, Value]] = [{}]  # of the function, and of each loop that is being written
        self.inputs = [Value(self, one) for one in inputs]

    def text(self, *outputs: Value) -> str:
        """The whole function, with these outputs."""
        # An input cannot be an output, nor one value two of them.
        named = [self.op("Identity", value) for value in outputs]
        lines = "\n".join(f"    {line}" for line in self._lines)
        return f"{self._head} => ({', '.join(value.name for value in named)})\n{{\n{lines}\n}}\n"

    def op(self, kind: str, *inputs: Operand, outputs: int = 1, **attributes: Any) -> Any:
        """Write a node; its output, or a list of them if there are several."""
        names = [self._operand(value).name for value in inputs]
        results = [self._new() for _ in range(outputs)]
        settings = ", ".join(f"{key} = {_attribute(value)}" for key, value in attributes.items())
        target = ", ".join(value.name for value in results)
        self._lines.append(f"{target} = {kind}{f' <{settings}>' if settings else ''} ({', '.join(names)})")
        return results[0] if outputs == 1 else results

    def constant(self, value: Union[Number, Sequence[Number]]) -> Value:
        """A scalar, or a vector of a list; int64 of ``int``, float32 of ``float``."""
        many = isinstance(value, (list, tuple))
        numbers: List[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
        kind = "int64" if all(isinstance(number, int) for number in numbers) else "float"
        text = f"{kind}{f'[{len(numbers)}]' if many else ''} {{{', '.join(_number(kind, n) for n in numbers)}}}"
        for known in self._constants:
            if text in known:
                return known[text]
        result = self._new()
        self._lines.append(f"{result.name} = Constant <value = {text}> ()")
        self._constants[-1][text] = result
        return result

    def size(self, value: Value, axis: int) -> Value:
        """(1,) int64, the length of an axis."""
        return self.op("Gather", self.op("Shape", value), [axis])

    def dims(self, *dims: Dim) -> Value:
        """A shape, of numbers and of (1,) int64 values."""
        numbers = [dim for dim in dims if isinstance(dim, int)]
        if len(numbers) == len(dims):
            return self.constant(numbers)
        parts = [dim if isinstance(dim, Value) else self.constant([dim]) for dim in dims]
        return self.op("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]

    def reshape(self, value: Value, *dims: Dim) -> Value:
        """In ONNX's way: 0 keeps an axis, -1 (never of an empty tensor) takes the rest."""
        return self.op("Reshape", value, self.dims(*dims))

    def unsqueeze(self, value: Value, *axes: int) -> Value:
        """New axes of length 1."""
        if self.opset < 13:
            return self.op("Unsqueeze", value, axes=axes)
        return self.op("Unsqueeze", value, axes)

    def squeeze(self, value: Value, *axes: int) -> Value:
        """Without these axes of length 1."""
        if self.opset < 13:
            return self.op("Squeeze", value, axes=axes)
        return self.op("Squeeze", value, axes)

    def reduce(self, kind: str, value: Value, *axes: int) -> Value:
        """``ReduceSum``, ``ReduceMax`` and the like over some axes, which vanish."""
        if self.opset < (13 if kind == "ReduceSum" else 18):
            return self.op(kind, value, axes=axes, keepdims=0)
        return self.op(kind, value, axes, keepdims=0)

    def slice(self, value: Value, axis: int, start: Dim, end: Dim) -> Value:
        """A part of one axis."""
        return self.op("Slice", value, self.dims(start), self.dims(end), [axis])

    def column(self, value: Value, index: int, axis: int = 1) -> Value:
        """One place of an axis, which vanishes."""
        return self.op("Gather", value, index, axis=axis)

    def stack(self, *values: Value, axis: int) -> Value:
        """Values side by side along a new axis."""
        return self.op("Concat", *(self.unsqueeze(value, axis) for value in values), axis=axis)

    def range(self, size: Dim) -> Value:
        """int64 0, 1, ... up to a number or a (1,) value."""
        if isinstance(size, int):
            return self.constant(list(range(size)))
        return self.op("Range", 0, self.squeeze(size, 0), 1)

    def cast(self, value: Value, kind: str) -> Value:
        """As ``float``, ``int32``, ``int64`` or ``bool``."""
        return self.op("Cast", value, to={"float": 1, "int32": 6, "int64": 7, "bool": 9}[kind])

    def loop(
        self,
        trips: Value,
        states: Sequence[Tuple[str, Value]],
        step: Callable[..., Sequence[Any]],
        scans: int = 0,
    ) -> List[Value]:
        """Repeat a step.

        Args:
            trips: int64 scalar, how often.
            states: what goes from turn to turn, each with its type in ONNX's text form (``float[]``: of any shape).
            step: gets the number of the turn and the states; returns the next states, what each turn leaves behind,
                with types, and, where not every turn is taken, whether to go on (a bool scalar).
            scans: how many values each turn leaves behind.

        Returns:
            The last states, then the values left behind, turns along a new first axis.
        """
        outer, self._lines = self._lines, []
        self._constants.append({})
        turn, going = self._new(), self._new()
        current = [self._new() for _ in states]
        following, left, *further = step(turn, *current)
        again = further[0] if further else self.op("Identity", going)
        following, left = list(following), [(kind, self.op("Identity", value)) for kind, value in left]
        lines, self._lines = self._lines, outer
        self._constants.pop()
        kinds = [kind for kind, _ in states]
        given = [f"int64 {turn.name}", f"bool {going.name}"] + [f"{k} {v.name}" for k, v in zip(kinds, current)]
        made = [f"bool {again.name}"] + [f"{k} {v.name}" for k, v in [*zip(kinds, following), *left]]
        inner = "\n".join(f"        {line}" for line in lines)
        graph = f"step ({', '.join(given)}) => ({', '.join(made)}) {{\n{inner}\n    }}"
        start = self.cast(self.constant(1), "bool")
        results = [self._new() for _ in range(len(states) + scans)]
        inputs = ", ".join(value.name for value in [trips, start, *(value for _, value in states)])
        self._lines.append(f"{', '.join(value.name for value in results)} = Loop <body = {graph}> ({inputs})")
        return results

    def _operand(self, value: Any) -> Value:
        return value if isinstance(value, Value) else self.constant(value)

    def _new(self) -> Value:
        self._number += 1
        return Value(self, f"v{self._number}")


def _number(kind: str, number: Number) -> str:
    return str(int(number)) if kind == "int64" else repr(float(number))


def _attribute(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_attribute(one) for one in value)}]"
    return _number("int64" if isinstance(value, int) else "float", value)
