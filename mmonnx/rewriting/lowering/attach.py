"""Nodes of mmcv's operators, each with its body in the same file, for runtimes that do not know them."""

from typing import Any, Dict, List, Sequence, Tuple

import onnx

from ...graph import opset_of, walk_nodes
from ...support import ExportError
from ..symbolics import MMCV, Function, attributes_of, find_function
from .inline import Bodies

Attributes = Dict[str, Any]
Variant = Tuple[Attributes, str]


def attach_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give the file a function for each of mmcv's operators in it; the model that is given is not changed.

    A file has one function a type. Where the attributes of its nodes make several bodies, that function looks at its
    own attributes, and calls the body (``TYPE_1``, ``TYPE_2``, ...) that is theirs. ONNX has overloads for this, but
    ONNX Runtime 1.19 takes the last of them for every node and says nothing.

    Raises:
        ExportError: standard operators cannot tell the nodes of a type apart, or cannot do what one asks for.
    """
    opset = opset_of(model)
    bodies = Bodies(opset)
    found: Dict[str, List[Variant]] = {}
    used: Dict[str, Function] = {}
    for node in walk_nodes(model.graph):
        function = find_function(node)
        if function is None or function.domain != MMCV:
            continue
        used[function.name] = function
        attributes = attributes_of(node)
        variants = found.setdefault(function.name, [])
        if all(attributes != known for known, _ in variants):
            variants.append((attributes, bodies.name(function, node)))
    if not found:
        return model
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    protos = {proto.name: proto for proto in bodies.protos(MMCV)}
    for name, variants in found.items():
        if len({body for _, body in variants}) == 1:
            proto = protos.pop(variants[0][1])
            proto.name = name
            whole.functions.append(proto)
        else:
            whole.functions.append(_choosing(name, variants, protos[variants[0][1]], opset))
    whole.functions.extend(protos.values())
    whole.ir_version = max(whole.ir_version, 8)
    return whole


def _choosing(name: str, variants: Sequence[Variant], like: onnx.FunctionProto, opset: int) -> onnx.FunctionProto:
    """The function of a type that calls the body of a node's attributes."""
    differing = [key for key, value in variants[0][0].items() if any(other.get(key) != value for other, _ in variants)]
    telling = [key for key in differing if not isinstance(variants[0][0][key], str)]
    keys = [tuple(str(attributes.get(key)) for key in telling) for attributes, _ in variants]
    if len(set(keys)) < len(keys):
        text = next(key for key in differing if key not in telling)
        values = ", ".join(repr(attributes[text]) for attributes, _ in variants)
        raise ExportError(
            f"{MMCV}::{name} has nodes that differ in '{text}' alone ({values})",
            "a difference that standard operators can read",
            "export with --custom-ops none",
        )
    lines: List[str] = []
    for key in telling:
        lines += _read(key, [attributes[key] for attributes, _ in variants])
    for number, (attributes, _) in enumerate(variants[:-1]):
        lines += _compare(number, {key: attributes[key] for key in telling})
    inputs, outputs = ", ".join(like.input), list(like.output)
    head = f'<domain: "{MMCV}", opset_import: ["": {opset}, "{MMCV}": 1]>\n{name} <{", ".join(telling)}> ({inputs})'
    lines += _branch([body for _, body in variants], 0, inputs, outputs, outputs)
    return onnx.parser.parse_function(f"{head} => ({', '.join(outputs)})\n{{\n" + "\n".join(lines) + "\n}")


def _branch(bodies: Sequence[str], number: int, inputs: str, outputs: Sequence[str], made: Sequence[str]) -> List[str]:
    """The lines that make values named ``made`` by the body whose condition holds, the last if none does."""
    results = ", ".join(made)
    if number == len(bodies) - 1:
        return [f"{results} = {MMCV}.{bodies[number]} ({inputs})"]
    taken, other = ([f"{one}_{kind}_{number}" for one in outputs] for kind in ("taken", "other"))
    inner = " ".join(_branch(bodies, number + 1, inputs, outputs, other))
    return [
        f"{results} = If (is_{number}) <then_branch = then_{number} () => ({', '.join(taken)}) "
        f"{{ {', '.join(taken)} = {MMCV}.{bodies[number]} ({inputs}) }}, "
        f"else_branch = else_{number} () => ({', '.join(other)}) {{ {inner} }}>"
    ]


def _read(key: str, values: Sequence[Any]) -> List[str]:
    """Lines that make a tensor ``read_KEY`` of an attribute, with what opset 11 has: it knows no constant of one."""
    if isinstance(values[0], float):  # LeakyRelu of -1 is the slope, negative
        return [
            f"minus_{key} = Constant <value = float {{-1.0}}> ()",
            f"read_{key} = LeakyRelu <alpha: float = @{key}> (minus_{key})",
        ]
    if isinstance(values[0], int):  # the place of the one in the last row of a matrix with a moved diagonal
        rows = 1 + max(0, -min(values))
        columns = rows + max(0, max(values))
        return [
            f"size_{key} = Constant <value = int64[2] {{{rows}, {columns}}}> ()",
            f"blank_{key} = ConstantOfShape (size_{key})",
            f"ones_{key} = EyeLike <k: int = @{key}> (blank_{key})",
            f"last_{key} = Constant <value = int64 {{{rows - 1}}}> ()",
            f"row_{key} = Gather <axis = 0> (ones_{key}, last_{key})",
            f"place_{key} = ArgMax <axis = 0, keepdims = 0> (row_{key})",
            f"read_{key} = Sub (place_{key}, last_{key})",
        ]
    # the shape of a tensor whose shape it is
    return [f"shaped_{key} = RandomUniform <shape: ints = @{key}> ()", f"read_{key} = Shape (shaped_{key})"]


def _compare(number: int, attributes: Attributes) -> List[str]:
    """Lines that make a bool ``is_NUMBER``: whether what was read is these attributes."""
    lines, parts = [], []
    for key, value in attributes.items():
        name = f"{key}_{number}"
        lines.append(f"want_{name} = Constant <value = {_constant(value)}> ()")
        lines.append(f"same_{name} = Equal (read_{key}, want_{name})")
        if isinstance(value, (list, tuple)):
            lines.append(f"ones_{name} = Cast <to = 1> (same_{name})")
            lines.append(f"all_{name} = ReduceMin <keepdims = 0> (ones_{name})")
            lines.append(f"same_{name}_all = Cast <to = 9> (all_{name})")
            name += "_all"
        parts.append(f"same_{name}")
    for place, part in enumerate(parts[1:], 1):
        before = parts[0] if place == 1 else f"both_{number}_{place - 1}"
        lines.append(f"both_{number}_{place} = And ({before}, {part})")
    last = parts[0] if len(parts) == 1 else f"both_{number}_{len(parts) - 1}"
    return [*lines, f"is_{number} = Identity ({last})"]


def _constant(value: Any) -> str:
    if isinstance(value, float):
        return f"float {{{-value!r}}}"  # read negative
    if isinstance(value, int):
        return f"int64 {{{value}}}"
    return f"int64[{len(value)}] {{{', '.join(str(one) for one in value)}}}"
