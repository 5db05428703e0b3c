"""A model that takes pictures as they are: its test pipeline as nodes of the graph, and its boxes in their pixels."""

from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Set, Tuple

import numpy as np
import onnx
from onnx import TensorProto, helper

from ..runtime import IMAGE_SIZE, ORIGINAL_SIZE, reading_alone, split_pipeline
from ..support import InputError
from .functions import opset_of, walk_nodes
from .writing import Writer

Step = Dict[str, Any]
INPUT = "input"
_INSIDE, _DETS = "preprocess/", "dets/of_input"
_TASKS = ("detection", "classification", "semantic segmentation")
"""Of what files can take pictures that they resize; others have answers that would have to be resized back."""


class _State(NamedTuple):
    """An image on its way; sizes are tensors (1,) int64.

    Attributes:
        image: the tensor, (N, 3, H, W).
        height, width: its sides.
        inner: (height, width) of the picture in it; the rest is padding.
        resized: (height, width) that the whole picture was resized to.
        floats: whether its values need not be whole.
    """

    image: str
    height: str
    width: str
    inner: Tuple[str, str]
    resized: Tuple[str, str]
    floats: bool = False


def with_picture_input(
    model: onnx.ModelProto, steps: Sequence[Step], task: str, resize: bool, limits: str
) -> Tuple[onnx.ModelProto, List[Step]]:
    """The model with an input (N, H, W, 3) uint8, and the steps of its pipeline that stay outside.

    Args:
        model: with an input ``input`` (N, 3, H, W); it is not changed.
        steps: its test pipeline, see ``runtime.pipeline``.
        task: what it is for, see ``runtime.Description``.
        resize: take the picture in any size; else as the steps in front of the normalization make it.
        limits: what boxes may reach, see ``runtime.Description.box_limits``.

    Raises:
        InputError: a step cannot be written in the graph, or the answers cannot be brought to the picture.
    """
    outside, inside = reading_alone(steps) if resize else split_pipeline(steps)
    if resize and task not in _TASKS:
        raise InputError(
            f"a file for {task} does not resize pictures itself", f"one for {', '.join(_TASKS)}", "leave resize out"
        )
    writer = Writer(_INSIDE, opset_of(model))
    state, before = _begin(writer, model)
    for step in inside:
        if step["type"] not in _STEPS:
            what = step.get("what") or step["type"]
            raise InputError(
                f"the test pipeline has a step ({what}) that is not written in the graph",
                ", ".join(_STEPS),
                "leave --with-preprocess out",
            )
        state = _STEPS[step["type"]](writer, step, state)
    return _joined(model, writer, state, before, resize, limits), outside


def _begin(writer: Writer, model: onnx.ModelProto) -> Tuple[_State, Tuple[str, str]]:
    """The picture as floats, (N, 3, H, W), and its height and width."""
    if not _takes_colour(model):
        raise InputError("the model does not take images of three channels", "one that does", "leave the option out")
    shape = writer.op("Shape", INPUT)
    height, width = (writer.op("Gather", shape, writer.constant([axis], np.int64)) for axis in (1, 2))
    image = writer.op("Transpose", writer.op("Cast", INPUT, to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    size = height, width
    return _State(image, height, width, size, size), size


def _takes_colour(model: onnx.ModelProto) -> bool:
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name == INPUT:
            return len(dims) == 4 and dims[1].dim_value == 3
    return False


def _resize(writer: Writer, step: Step, state: _State) -> _State:
    if step["interpolation"] != "bilinear" or step["backend"] != "cv2" or step["rule"] not in _SIZES:
        what = f"{step['rule']}, {step['interpolation']}, {step['backend']}"
        raise InputError(
            f"the test pipeline resizes in a way ({what}) that is not written in the graph",
            f"bilinear by OpenCV, by {', '.join(_SIZES)}",
            "give --with-preprocess normalize, and resize outside",
        )
    height, width = _SIZES[step["rule"]](writer, step, state.height, state.width)
    make = _resized_floats if state.floats else _resized_bytes
    image = make(writer, state, height, width)
    return _State(image, height, width, (height, width), (height, width), state.floats)


def _resized_floats(writer: Writer, state: _State, height: str, width: str) -> str:
    batch = writer.op("Gather", writer.op("Shape", state.image), writer.constant([0, 1], np.int64))
    sizes = writer.op("Concat", batch, height, width, axis=0)
    how = dict(mode="linear", coordinate_transformation_mode="half_pixel")
    none = writer.constant([], np.float32)
    return writer.op("Resize", state.image, none, none, sizes, **how)


def _resized_bytes(writer: Writer, state: _State, height: str, width: str) -> str:
    """Whole numbers of whole numbers, by the arithmetic that OpenCV has for bytes: shares of 2048, cut off in between.

    A share that is rounded otherwise moves some pixels by one level, which is enough to move a detection.
    """
    image = writer.op("Cast", state.image, to=TensorProto.INT32)
    columns, shares = _shares(writer, state.width, width)
    parts = [writer.op("Gather", image, place, axis=3) for place in columns]
    rows = _divided(writer, writer.op("Add", *map(partial(writer.op, "Mul"), parts, shares)), 16)
    lines, shares = _shares(writer, state.height, height)
    inputs, attributes = writer.axes(1)
    tall = [writer.op("Unsqueeze", share, *inputs, **attributes) for share in shares]
    parts = [writer.op("Gather", rows, place, axis=2) for place in lines]
    parts = [_divided(writer, writer.op("Mul", *pair), 65536) for pair in zip(parts, tall)]
    total = writer.op("Add", writer.op("Add", *parts), writer.constant(2, np.int32))
    return writer.op("Cast", _divided(writer, total, 4), to=TensorProto.FLOAT)


def _shares(writer: Writer, before: str, after: str) -> Tuple[List[str], List[str]]:
    """Of each pixel of a side the two that it lies between, (n,) int64, and 2048 times their shares, (n,) int32."""
    zero, one = writer.constant(0, np.int64), writer.constant(1, np.int64)
    inputs, attributes = writer.axes(0)
    places = writer.op("Range", zero, writer.op("Squeeze", after, *inputs, **attributes), one)
    half = writer.constant(0.5, np.float64)
    scale = writer.op("Div", _double(writer, before), _double(writer, after))
    centre = writer.op("Sub", writer.op("Mul", writer.op("Add", _double(writer, places), half), scale), half)
    centre = writer.op("Cast", centre, to=TensorProto.FLOAT)
    first = writer.op("Floor", centre)
    share = writer.op("Sub", centre, first)
    last = writer.op("Sub", writer.op("Cast", before, to=TensorProto.FLOAT), writer.constant(1, np.float32))
    low = writer.constant(0, np.float32)
    next_ = writer.op("Add", first, writer.constant(1, np.float32))
    pair = [_whole(writer, writer.op("Min", writer.op("Max", each, low), last)) for each in (first, next_)]
    unit, steps = writer.constant(1, np.float32), writer.constant(2048, np.float32)
    shares = [writer.op("Round", writer.op("Mul", each, steps)) for each in (writer.op("Sub", unit, share), share)]
    return pair, [writer.op("Cast", each, to=TensorProto.INT32) for each in shares]


def _divided(writer: Writer, name: str, by: int) -> str:
    """Cut off: the numbers are not negative."""
    return writer.op("Div", name, writer.constant(by, np.int32))


def _double(writer: Writer, name: str) -> str:
    return writer.op("Cast", name, to=TensorProto.DOUBLE)


def _whole(writer: Writer, name: str) -> str:
    """Cut off, as Python's ``int``."""
    return writer.op("Cast", name, to=TensorProto.INT64)


def _within(writer: Writer, step: Step, height: str, width: str) -> Tuple[str, str]:
    """As large as fits; Python's own arithmetic, which is of float64."""
    if "least" in step:
        raise InputError("a shorter side of at least so much is not written in the graph", "none", "resize outside")
    sides = _double(writer, height), _double(writer, width)
    long, short = writer.op("Max", *sides), writer.op("Min", *sides)
    target = [writer.constant([one(step["size"])], np.float64) for one in (max, min)]
    factor = writer.op("Min", writer.op("Div", target[0], long), writer.op("Div", target[1], short))
    half = writer.constant([0.0 if step.get("rounding") == "down" else 0.5], np.float64)
    found = [_whole(writer, writer.op("Add", writer.op("Mul", side, factor), half)) for side in sides]
    return found[0], found[1]


def _exact(writer: Writer, step: Step, height: str, width: str) -> Tuple[str, str]:
    return writer.constant([step["size"][0]], np.int64), writer.constant([step["size"][1]], np.int64)


def _by_side(writer: Writer, step: Step, height: str, width: str) -> Tuple[str, str]:
    """One side becomes so long, and the other one what goes with it."""
    side = writer.constant([step["size"][0]], np.int64)

    def other(one: str, fixed: str) -> str:
        product = _double(writer, writer.op("Mul", side, one))
        return _whole(writer, writer.op("Div", product, _double(writer, fixed)))

    by_width, by_height = (other(height, width), side), (side, other(width, height))
    if step["rule"] in ("width", "height"):
        return by_width if step["rule"] == "width" else by_height
    pair = (width, height) if step["rule"] == "short" else (height, width)
    chosen = writer.op("Less", *pair)
    found = [writer.op("Where", chosen, *each) for each in zip(by_width, by_height)]
    return found[0], found[1]


_SIZES: Dict[str, Callable[..., Tuple[str, str]]] = {
    "within": _within,
    "exact": _exact,
    **dict.fromkeys(("short", "long", "width", "height"), _by_side),
}


def _crop(writer: Writer, step: Step, state: _State) -> _State:
    """The middle; where it begins is rounded as Python does it, a half to the even number."""
    if step.get("padding") is not None:
        raise InputError("a crop that is resized is not written in the graph", "a plain one", "resize outside")
    zero, two = (writer.constant([value], np.float64) for value in (0.0, 2.0))
    sides: List[str] = []
    starts: List[str] = []
    ends: List[str] = []
    for have, want in zip((state.height, state.width), step["size"]):
        side, wanted = _double(writer, have), writer.constant([want], np.float64)
        gap = writer.op("Div", writer.op("Sub", side, wanted), two)
        start = writer.op("Max", zero, writer.op("Round", gap))
        end = writer.op("Min", side, writer.op("Add", start, wanted))
        starts, ends = [*starts, _whole(writer, start)], [*ends, _whole(writer, end)]
        sides.append(_whole(writer, writer.op("Sub", end, start)))
    corners = [writer.op("Concat", *each, axis=0) for each in (starts, ends)]
    image = writer.op("Slice", state.image, *corners, writer.constant([2, 3], np.int64))
    return _State(image, sides[0], sides[1], (sides[0], sides[1]), state.resized, state.floats)


def _normalize(writer: Writer, step: Step, state: _State) -> _State:
    image = state.image
    if step.get("unit"):
        image = writer.op("Div", image, writer.constant(255.0, np.float32))
    if step["to_rgb"]:
        image = writer.op("Gather", image, writer.constant([2, 1, 0], np.int64), axis=1)
    mean, std = (np.asarray(step[name], np.float32).reshape(1, -1, 1, 1) for name in ("mean", "std"))
    image = writer.op("Sub", image, writer.constant(mean, np.float32))
    if step.get("divided"):
        image = writer.op("Div", image, writer.constant(std, np.float32))
    else:
        image = writer.op("Mul", image, writer.constant(1 / std.astype(np.float64), np.float32))
    return state._replace(image=image, floats=True)


def _pad(writer: Writer, step: Step, state: _State) -> _State:
    """Right and below."""
    if step.get("centred") or step.get("mode") or "bits" in step:
        raise InputError(
            "the test pipeline pads in a way that is not written in the graph",
            "padding right and below",
            "leave --with-preprocess out",
        )
    sides = state.height, state.width
    if step.get("square"):
        wanted = [_whole(writer, writer.op("Max", *(_double(writer, side) for side in sides)))] * 2
    elif "size" in step:
        wanted = [writer.constant([side], np.int64) for side in step["size"]]
    else:
        divisor, more = (writer.constant([value], np.int64) for value in (step["divisor"], step["divisor"] - 1))
        wanted = [writer.op("Mul", writer.op("Div", writer.op("Add", one, more), divisor), divisor) for one in sides]
    below, right = (writer.op("Sub", *pair) for pair in zip(wanted, sides))
    pads = writer.op("Concat", writer.constant([0] * 6, np.int64), below, right, axis=0)
    # a single value is that of the first channel alone, as OpenCV has it
    values = step["value"] if np.ndim(step["value"]) else [step["value"], 0.0, 0.0]
    if len(set(values)) == 1:
        image = writer.op("Pad", state.image, pads, writer.constant(values[0], np.float32))
    else:
        places = [writer.constant([channel], np.int64) for channel in range(3)]
        channels = [writer.op("Gather", state.image, place, axis=1) for place in places]
        filled = [writer.constant(value, np.float32) for value in values]
        image = writer.op("Concat", *(writer.op("Pad", *one) for one in zip(channels, [pads] * 3, filled)), axis=1)
    inner = (wanted[0], wanted[1]) if step.get("counts") else state.inner
    return state._replace(image=image, height=wanted[0], width=wanted[1], inner=inner)


_STEPS: Dict[str, Callable[[Writer, Step, _State], _State]] = {
    "resize": _resize,
    "crop": _crop,
    "normalize": _normalize,
    "pad": _pad,
    "float": lambda writer, step, state: state._replace(floats=True),
    "left out": lambda writer, step, state: state,
}


def _joined(
    model: onnx.ModelProto, writer: Writer, state: _State, before: Tuple[str, str], resize: bool, limits: str
) -> onnx.ModelProto:
    """The model behind these nodes: what it was told of the picture is computed, and boxes are scaled back."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    told = {value.name for value in graph.input}
    known = {INPUT: state.image}
    if IMAGE_SIZE in told:
        known[IMAGE_SIZE] = _floats(writer, state.inner)
    if resize and ORIGINAL_SIZE in told:
        known[ORIGINAL_SIZE] = _floats(writer, before)
    computed = set(known)
    scaled = resize and any(value.name == "dets" for value in graph.output)
    if scaled:
        known["dets"] = _DETS
    for node in walk_nodes(graph):
        node.input[:] = [known.get(name, name) for name in node.input]
        if scaled:
            node.output[:] = [known.get(name, name) for name in node.output]
    _take_away(graph, computed)
    tail = Writer("dets/", opset_of(model))
    if scaled:
        _scale_back(tail, state, before, IMAGE_SIZE in told, limits)
    nodes = [*writer.nodes, *graph.node, *tail.nodes]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*writer.constants, *tail.constants])
    dims: List[Any] = ["batch", "height", "width", 3] if resize else _dims(model)
    graph.input.insert(0, helper.make_tensor_value_info(INPUT, TensorProto.UINT8, dims))
    del graph.value_info[:]
    return result


def _dims(model: onnx.ModelProto) -> List[Any]:
    """(N, H, W, 3) of an input (N, 3, H, W)."""
    value = next(one for one in model.graph.input if one.name == INPUT)
    dims = [dim.dim_value or dim.dim_param or None for dim in value.type.tensor_type.shape.dim]
    return [dims[0], dims[2], dims[3], 3]


def _floats(writer: Writer, size: Sequence[str]) -> str:
    return writer.op("Cast", writer.op("Concat", *size, axis=0), to=TensorProto.FLOAT)


def _take_away(graph: onnx.GraphProto, names: Set[str]) -> None:
    """Inputs of these names, and their defaults."""
    for field in (graph.input, graph.initializer):
        kept = [one for one in field if one.name not in names]
        del field[:]
        field.extend(kept)


def _scale_back(writer: Writer, state: _State, before: Tuple[str, str], told: bool, limits: str) -> None:
    """Boxes of the input in pixels of the picture, as ``runtime.in_picture`` has them."""
    four, zero = writer.constant([0, 1, 2, 3], np.int64), writer.constant(0.0, np.float32)
    boxes = writer.op("Gather", _DETS, four, axis=2)
    rest = writer.op("Slice", _DETS, *(writer.constant([value], np.int64) for value in (4, 9, 2)))
    if limits == "origin":
        boxes = writer.op("Max", boxes, zero)
    elif limits == "image" and not told:  # where the file does not know where padding begins
        boxes = writer.op("Min", writer.op("Max", boxes, zero), _floats(writer, state.inner[::-1] * 2))
    sides = zip(state.resized[::-1], before[::-1])
    shares = [writer.op("Div", *(_double(writer, one) for one in pair)) for pair in sides]
    scale = writer.op("Cast", writer.op("Concat", *shares, *shares, axis=0), to=TensorProto.FLOAT)
    writer.op("Concat", writer.op("Div", boxes, scale), rest, axis=2)
    writer.nodes[-1].output[0] = "dets"
