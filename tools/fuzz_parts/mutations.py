"""Damage: to bytes of any kind, to text, and to the parts of an ONNX model."""

import random
from typing import Callable, List

import onnx

HOSTILE_NUMBERS = (0, 1, -1, 2, 31, 255, 65536, 2**31 - 1, 2**31, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63))
HOSTILE_WORDS = ("", "None", "nan", "inf", "-1", "1e999", "[", "(((", "'", '"', "\\", "\n", "\x1b[31m", "é", "9" * 5000)
OUTSIDE = ("../secret.bin", "/etc/passwd", "link.bin", "linked/secret.bin", "a/../../secret.bin")
LOCATIONS = (*OUTSIDE, "missing.bin", ".", "")
"""External data that nobody should read; ``link.bin`` and ``linked`` are links that lead out of the folder."""

_TYPES = tuple(onnx.TensorProto.DataType.values())


def bytes_damaged(rng: random.Random, data: bytes) -> bytes:
    """Cut it, flip bits, swap, zero, repeat or insert a part; now and then nothing."""
    changed = bytearray(data)
    if not changed:
        return b""
    where, length = rng.randrange(len(changed)), rng.choice((1, 2, 4, 16, 256, 4096))
    kind = rng.randrange(8)
    if kind == 0:
        del changed[where:]
    elif kind == 1:
        for _ in range(rng.choice((1, 1, 2, 8, 64))):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        other = rng.randrange(len(changed))
        changed[where : where + length], changed[other : other + length] = (
            changed[other : other + length],
            changed[where : where + length],
        )
    elif kind == 3:
        changed[where : where + length] = bytes(len(changed[where : where + length]))
    elif kind == 4:
        changed[where:where] = changed[where : where + length]
    elif kind == 5:
        changed[where:where] = bytes(rng.randrange(256) for _ in range(length))
    elif kind == 6:
        del changed[where : where + length]
    return bytes(changed)


def text_damaged(rng: random.Random, text: str) -> str:
    """Put a hostile number or word in the place of one or more words; or cut the text, or repeat or drop a line."""
    if rng.random() < 0.2:
        return text[: rng.randrange(len(text) + 1)]
    if rng.random() < 0.2:
        lines = text.splitlines()
        where = rng.randrange(len(lines))
        lines[where : where + 1] = rng.choice(([], [lines[where]] * 2, [rng.choice(lines)]))
        return "\n".join(lines)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = [place for place, letter in enumerate(text) if letter.isalnum()]
        if not places:
            return text
        start = rng.choice(places)
        end = start
        while start > 0 and (text[start - 1].isalnum() or text[start - 1] in "_."):
            start -= 1
        while end < len(text) and (text[end].isalnum() or text[end] in "_."):
            end += 1
        text = text[:start] + hostile_word(rng) + text[end:]
    return text


def hostile_word(rng: random.Random) -> str:
    """A number or a word that a program may trip over."""
    return str(rng.choice(HOSTILE_NUMBERS)) if rng.random() < 0.5 else rng.choice(HOSTILE_WORDS)


def model_damaged(rng: random.Random, data: bytes) -> bytes:
    """Damage an ONNX file: its bytes, or some parts of what they mean."""
    if rng.random() < 0.3:
        return bytes_damaged(rng, data)
    if rng.random() < 0.02:
        return data + nested_bytes(rng.choice((20, 40, 1000, 20000)))
    model = onnx.load_model_from_string(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if model.graph.node and model.graph.input and model.graph.output:
            rng.choice(MODEL_MUTATIONS)(rng, model)
    return model.SerializeToString()


def nested_bytes(depth: int) -> bytes:
    """The field of a model's graph, with a graph in an attribute of its node, and so on."""
    data = b""
    for _ in range(depth):
        for key in (0x32, 0x2A, 0x0A):  # of the graph in the attribute, of the attribute, of the node
            data = bytes([key]) + _varint(len(data)) + data
    return b"\x3a" + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _dims(rng: random.Random, model: onnx.ModelProto) -> None:
    value = rng.choice([*model.graph.input, *model.graph.output])
    dims = value.type.tensor_type.shape.dim
    if dims and rng.random() < 0.7:
        rng.choice(dims).dim_value = rng.choice(HOSTILE_NUMBERS)
    else:
        dims.add().dim_param = hostile_word(rng)


def _tensor_dims(rng: random.Random, model: onnx.ModelProto) -> None:
    if model.graph.initializer:
        tensor = rng.choice(model.graph.initializer)
        if tensor.dims and rng.random() < 0.7:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(HOSTILE_NUMBERS)
        else:
            tensor.dims.append(rng.choice(HOSTILE_NUMBERS))


def _tensor_content(rng: random.Random, model: onnx.ModelProto) -> None:
    if model.graph.initializer:
        tensor = rng.choice(model.graph.initializer)
        tensor.raw_data = bytes_damaged(rng, tensor.raw_data) if rng.random() < 0.7 else b""


def _tensor_type(rng: random.Random, model: onnx.ModelProto) -> None:
    if model.graph.initializer:
        rng.choice(model.graph.initializer).data_type = rng.choice((*_TYPES, 99, -1))


def _value_type(rng: random.Random, model: onnx.ModelProto) -> None:
    value = rng.choice([*model.graph.input, *model.graph.output])
    value.type.tensor_type.elem_type = rng.choice((*_TYPES, 99, -1))


def _value_kind(rng: random.Random, model: onnx.ModelProto) -> None:
    value = rng.choice([*model.graph.input, *model.graph.output])
    if rng.random() < 0.5:
        value.type.sequence_type.elem_type.tensor_type.elem_type = rng.choice(_TYPES)
    else:
        value.ClearField("type")


def _names(rng: random.Random, model: onnx.ModelProto) -> None:
    node = rng.choice(model.graph.node)
    names = rng.choice((node.input, node.output))
    known = [name for other in model.graph.node for name in other.output]
    if names:
        names[rng.randrange(len(names))] = rng.choice((rng.choice(known), hostile_word(rng)))


def _operator(rng: random.Random, model: onnx.ModelProto) -> None:
    node = rng.choice(model.graph.node)
    node.op_type = rng.choice([other.op_type for other in model.graph.node] + OPERATORS)
    if rng.random() < 0.2:
        node.domain = rng.choice(("", "mmcv", "com.microsoft", "ai.onnx.ml", hostile_word(rng)))


def _attribute(rng: random.Random, model: onnx.ModelProto) -> None:
    nodes = [node for node in model.graph.node if node.attribute]
    if not nodes:
        return
    item = rng.choice(rng.choice(nodes).attribute)
    kind = rng.randrange(4)
    if kind == 0:
        item.i = rng.choice(HOSTILE_NUMBERS)
    elif kind == 1 and item.ints:
        item.ints[rng.randrange(len(item.ints))] = rng.choice(HOSTILE_NUMBERS)
    elif kind == 2:
        item.type = rng.choice(tuple(onnx.AttributeProto.AttributeType.values()))
    else:
        item.name = hostile_word(rng)


def _nodes(rng: random.Random, model: onnx.ModelProto) -> None:
    where = rng.randrange(len(model.graph.node))
    kind = rng.randrange(3)
    if kind == 0 and len(model.graph.node) > 1:
        del model.graph.node[where]
    elif kind == 1:
        model.graph.node.add().CopyFrom(model.graph.node[where])
    else:
        node = onnx.NodeProto()
        node.CopyFrom(model.graph.node[where])
        model.graph.node[where].CopyFrom(rng.choice(model.graph.node))


def _grown(rng: random.Random, model: onnx.ModelProto) -> None:
    """A node that makes an enormous tensor of a tiny one, in front of the first node's input."""
    enormous = rng.choice((10**5, 10**9, 2**40, 2**62))
    size = onnx.helper.make_tensor("grown_size", onnx.TensorProto.INT64, [1], [enormous])
    model.graph.initializer.append(size)
    kind = rng.choice(("ConstantOfShape", "Expand", "Tile", "Range"))
    if kind == "ConstantOfShape":
        node = onnx.helper.make_node(kind, ["grown_size"], ["grown"])
    elif kind == "Range":
        for name, number in (("grown_from", 0), ("grown_step", 1)):
            model.graph.initializer.append(onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [], [number]))
        model.graph.node.insert(0, onnx.helper.make_node("Squeeze", ["grown_size"], ["grown_to"]))
        node = onnx.helper.make_node(kind, ["grown_from", "grown_to", "grown_step"], ["grown"])
        model.graph.node.insert(1, node)
        return
    else:
        model.graph.initializer.append(onnx.helper.make_tensor("grown_one", onnx.TensorProto.FLOAT, [1], [1.0]))
        node = onnx.helper.make_node(kind, ["grown_one", "grown_size"], ["grown"])
    model.graph.node.insert(0, node)
    if rng.random() < 0.5:
        model.graph.output[0].name = "grown"


def _opset(rng: random.Random, model: onnx.ModelProto) -> None:
    kind = rng.randrange(3)
    if kind == 0 and model.opset_import:
        model.opset_import[0].version = rng.choice(HOSTILE_NUMBERS)
    elif kind == 1:
        model.ir_version = rng.choice(HOSTILE_NUMBERS)
    else:
        del model.opset_import[:]


def _metadata(rng: random.Random, model: onnx.ModelProto) -> None:
    if model.metadata_props:
        entry = rng.choice(model.metadata_props)
        if rng.random() < 0.8:
            entry.value = text_damaged(rng, entry.value) if any(map(str.isalnum, entry.value)) else hostile_word(rng)
        else:
            entry.key = hostile_word(rng)


def _external(rng: random.Random, model: onnx.ModelProto) -> None:
    """Let a tensor be in another file: outside of the folder, missing, too short, or at a place that is not there."""
    if not model.graph.initializer:
        return
    tensor = rng.choice(model.graph.initializer)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    del tensor.external_data[:]
    entries = {"location": rng.choice((*LOCATIONS, "beside.bin", "beside.bin"))}
    if rng.random() < 0.6:
        entries["offset"] = str(rng.choice((0, 0, 4096, *HOSTILE_NUMBERS)))
    if rng.random() < 0.6:
        entries["length"] = rng.choice((str(rng.choice((0, 4, 4096, *HOSTILE_NUMBERS))), hostile_word(rng)))
    for key, value in entries.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def _copies(rng: random.Random, model: onnx.ModelProto) -> None:
    """Duplicate names of what has to have a name of its own."""
    group = rng.choice((model.graph.input, model.graph.output, model.graph.initializer, model.graph.value_info))
    if group:
        group.add().CopyFrom(rng.choice(group))


def _removed(rng: random.Random, model: onnx.ModelProto) -> None:
    group = rng.choice((model.graph.input, model.graph.output, model.graph.initializer, model.graph.node))
    if group:
        del group[rng.randrange(len(group)) :]


def _nested(rng: random.Random, model: onnx.ModelProto) -> None:
    """A graph inside a graph inside a graph."""
    graph = onnx.helper.make_graph([], "deep", [], [])
    for _ in range(rng.choice((1, 5, 20))):
        graph = onnx.helper.make_graph([onnx.helper.make_node("If", ["c"], ["d"], then_branch=graph)], "deep", [], [])
    model.graph.node.add().CopyFrom(graph.node[0])


def _function(rng: random.Random, model: onnx.ModelProto) -> None:
    """A local function, now and then one that calls itself."""
    name = rng.choice([node.op_type for node in model.graph.node])
    function = model.functions.add()
    function.name, function.domain = name, rng.choice(("", "mmcv", "own"))
    function.node.add(op_type=name, domain=function.domain)
    model.graph.node[0].domain = function.domain


OPERATORS: List[str] = ["Loop", "Scan", "If", "Range", "Resize", "Reshape", "Split", "Pad", "Tile", "OneHot", "TopK"]
MODEL_MUTATIONS: List[Callable[[random.Random, onnx.ModelProto], None]] = [
    _dims,
    _tensor_dims,
    _tensor_content,
    _tensor_type,
    _value_type,
    _value_kind,
    _names,
    _operator,
    _attribute,
    _nodes,
    _grown,
    _opset,
    _metadata,
    _metadata,
    _external,
    _external,
    _copies,
    _removed,
    _nested,
    _function,
]
