"""The shape that each operator gives, as far as it decides whether a tensor can be empty."""

from typing import Callable, Dict, Optional, Sequence

from .sizes import Size, add, broadcast_shapes, exactly, multiply, node_cause, smallest, uncertain
from .slicing import cut, grown, shape_slice, slice_cuts
from .values import Dims, Step

Shapes = Sequence[Optional[Dims]]
Rule = Callable[[Step], Shapes]

SHAPES: Dict[str, Rule] = {}

_BROADCASTING = """Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Min Mod Mul Or PRelu Pow Sub Sum Where
Xor"""
_SAME = """Abs BatchNormalization Cast Ceil Clip Cos CumSum Dropout Elu Erf Exp Floor HardSigmoid HardSwish Identity
InstanceNormalization LayerNormalization LeakyRelu Log LogSoftmax Neg Not Reciprocal Relu Round ScatterElements
ScatterND Selu Sigmoid Sign Sin Softmax Softplus Sqrt Tanh"""
BROADCASTING, SAME = frozenset(_BROADCASTING.split()), frozenset(_SAME.split())


def shape(*operators: str) -> Callable[[Rule], Rule]:
    """Register the decorated function for these operators; it gives the dims of each output, None where unknown."""

    def register(rule: Rule) -> Rule:
        SHAPES.update(dict.fromkeys(operators, rule))
        return rule

    return register


@shape(*BROADCASTING)
def _broadcasting(step: Step) -> Shapes:
    shapes = [value.dims for value in step.inputs if value is not None]
    known = [dims for dims in shapes if dims is not None]
    return [None if not shapes or len(known) < len(shapes) else broadcast_shapes(known)]


@shape(*SAME)
def _same(step: Step) -> Shapes:
    return [step.dims(0)] * len(step.view.node.output)


@shape("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "mmcv::MMCVModulatedDeformConv2d")
def _window(step: Step) -> Shapes:
    dims = step.dims(0)
    if dims is None:
        return [None]
    return [dims[:1] + (Size(),) + tuple(_resized(size) for size in dims[2:])] * len(step.view.node.output)


@shape("DepthToSpace", "SpaceToDepth", "Resize", "Upsample")
def _resizing(step: Step) -> Shapes:
    dims = step.dims(0)
    return [None if dims is None else tuple(_resized(size) for size in dims)]


@shape("GlobalAveragePool", "GlobalMaxPool")
def _global(step: Step) -> Shapes:
    dims = step.dims(0)
    return [None if dims is None else dims[:2] + (exactly(1),) * (len(dims) - 2)]


@shape("Gemm")
def _gemm(step: Step) -> Shapes:
    left, right = step.dims(0), step.dims(1)
    if left is None or right is None:
        return [(Size(), Size())]
    return [(left[1 if step.attribute("transA", 0) else 0], right[0 if step.attribute("transB", 0) else 1])]


@shape("MatMul")
def _matmul(step: Step) -> Shapes:
    left, right = step.dims(0), step.dims(1)
    if not left or not right:
        return [None]
    ends = (left[-2:-1] if len(left) > 1 else ()) + (right[-1:] if len(right) > 1 else ())
    return [broadcast_shapes([left[:-2], right[:-2]]) + ends]


@shape("Flatten")
def _flatten(step: Step) -> Shapes:
    dims = step.dims(0)
    if dims is None:
        return [None]
    axis = step.attribute("axis", 1)
    axis = axis + len(dims) if axis < 0 else axis
    return [(multiply(dims[:axis]), multiply(dims[axis:]))]


@shape("Transpose")
def _transpose(step: Step) -> Shapes:
    dims = step.dims(0)
    if dims is None:
        return [None]
    return [tuple(dims[axis] for axis in step.attribute("perm") or reversed(range(len(dims))))]


@shape("Unsqueeze")
def _unsqueeze(step: Step) -> Shapes:
    dims, raw = step.dims(0), step.attribute("axes") or step.value(1).numbers()
    if dims is None or raw is None:
        return [None]
    rest, rank = iter(dims), len(dims) + len(raw)
    axes = [axis % rank for axis in raw]
    return [tuple(exactly(1) if axis in axes else next(rest) for axis in range(rank))]


@shape("Squeeze")
def _squeeze(step: Step) -> Shapes:
    dims = step.dims(0)
    axes = None if dims is None else step.axes(len(dims))
    if dims is None or axes is None:
        return [None]
    return [tuple(size for axis, size in enumerate(dims) if axis not in axes)]


@shape("Concat")
def _concat(step: Step) -> Shapes:
    given = [value.dims for value in step.inputs if value is not None]
    parts = [dims for dims in given if dims is not None]
    if len(parts) < len(given) or not parts or not parts[0]:
        return [None]
    axis = step.attribute("axis") % len(parts[0])
    # off the axis all parts agree; the one that can be empty says the most
    dims = [next((size for size in sizes if size.empty_if), sizes[0]) for sizes in zip(*parts)]
    dims[axis] = add([part[axis] for part in parts], step.name)
    return [tuple(dims)]


@shape("Split")
def _split(step: Step) -> Shapes:
    dims, count = step.dims(0), len(step.view.node.output)
    if dims is None:
        return [None]
    axis = step.attribute("axis", 0) % len(dims)
    sizes = step.attribute("split") or step.value(1).numbers()
    parts = [exactly(size, step.name) for size in sizes] if sizes else [_resized(dims[axis])] * count
    return [dims[:axis] + (part,) + dims[axis + 1 :] for part in parts]


@shape("Gather")
def _gather(step: Step) -> Shapes:
    dims, index = step.dims(0), step.dims(1)
    if not dims or index is None:
        return [None]
    axis = step.attribute("axis", 0) % len(dims)
    return [dims[:axis] + index + dims[axis + 1 :]]


@shape("GatherND")
def _gather_nd(step: Step) -> Shapes:
    dims, index = step.dims(0), step.dims(1)
    if dims is None or not index or index[-1].exact is None:
        return [None]
    return [index[:-1] + dims[step.attribute("batch_dims", 0) + index[-1].exact :]]


@shape("GatherElements", "mmcv::grid_sampler", "GridSample")
def _second(step: Step) -> Shapes:
    index = step.dims(1)
    if step.view.node.op_type == "GatherElements" or index is None:
        return [index]
    dims = step.dims(0)
    return [None if dims is None else dims[:2] + index[1:-1]]


@shape("Reshape")
def _reshape(step: Step) -> Shapes:
    dims, items = step.dims(0), step.value(1).elements()
    if dims is None or items is None:
        return [None]
    given = [dims[axis] if item.exact == 0 and axis < len(dims) else item for axis, item in enumerate(items)]
    explicit = [size for size in given if size.exact != -1]
    named = frozenset().union(*(size.empty_if for size in explicit))
    whole = multiply(dims)
    left = whole.empty_if - named
    low = 0 if left else max(whole.low // max(multiply(explicit).low, 1), 1)
    rest = Size(low, left or whole.causes)
    return [tuple(rest if size.exact == -1 else size for size in given)]


@shape("Expand")
def _expand(step: Step) -> Shapes:
    dims, items = step.dims(0), step.value(1).elements()
    return [None if dims is None or items is None else broadcast_shapes([dims, items])]


@shape("ConstantOfShape")
def _constant_of_shape(step: Step) -> Shapes:
    return [step.value(0).elements()]


@shape("Tile")
def _tile(step: Step) -> Shapes:
    dims, items = step.dims(0), step.value(1).elements()
    if dims is None or items is None:
        return [None]
    return [tuple(multiply(pair) for pair in zip(dims, items))]


@shape("Pad")
def _pad(step: Step) -> Shapes:
    dims, pads = step.dims(0), step.attribute("pads") or step.value(1).numbers()
    if dims is None or pads is None or step.value(3).dtype:
        return [None]
    totals = [pads[axis] + pads[axis + len(dims)] for axis in range(len(dims))]
    return [tuple(grown(size, total, step.name) for size, total in zip(dims, totals))]


@shape("Range")
def _range(step: Step) -> Shapes:
    if step.value(0).numbers() == [0] and step.value(2).numbers() == [1]:
        items = step.value(1).elements()
        return [items if items is None or len(items) == 1 else None]
    data = any(step.value(index).bound.causes for index in range(3))
    return [(uncertain(step.name) if data else Size(),)]


@shape("TopK")
def _topk(step: Step) -> Shapes:
    dims, items = step.dims(0), step.value(1).elements()
    if not dims or not items:
        return [None]
    axis = step.attribute("axis", -1) % len(dims)
    return [dims[:axis] + (smallest([dims[axis], items[0]]),) + dims[axis + 1 :]] * 2


@shape("NonZero")
def _non_zero(step: Step) -> Shapes:
    value = step.value(0)
    rank = Size() if value.rank is None else exactly(value.rank, step.name)
    found = any(value.holds)
    return [(rank, Size(1, node_cause(step.name)) if found else uncertain(step.name, value.empty_if))]


@shape("NonMaxSuppression")
def _suppression(step: Step) -> Shapes:
    scores = step.value(1)
    empty_if = step.value(0).empty_if | scores.empty_if
    threshold = step.value(4).scalar() if step.value(4).dtype else float("-inf")
    certain = threshold == float("-inf") or (threshold is not None and any(s > threshold for s in scores.holds))
    found = Size(1, node_cause(step.name)) if certain and not empty_if else uncertain(step.name, empty_if)
    return [(found, exactly(3))]


@shape("mmcv::NonMaxSuppression")
def _mmcv_suppression(step: Step) -> Shapes:
    dims = step.dims(0)  # it keeps the best box, whatever its score
    return [None if not dims else (_resized(dims[0]),)]


@shape("RoiAlign", "mmcv::MMCVRoiAlign")
def _roi_align(step: Step) -> Shapes:
    dims, rois = step.dims(0), step.dims(1)
    if dims is None or not rois:
        return [None]
    size = [exactly(step.attribute(name, 1)) for name in ("output_height", "output_width")]
    return [(rois[0], dims[1], *size)]


@shape("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceL1", "ReduceL2", "ArgMax", "ArgMin")
def _reduce(step: Step) -> Shapes:
    dims = step.dims(0)
    if dims is None:
        return [None]
    axes = step.axes(len(dims))
    if step.view.node.op_type.startswith("Arg"):
        axes = [step.attribute("axis", 0) % len(dims)]
    elif axes is None:
        if step.value(1).dtype:
            return [None]
        axes = list(range(len(dims)))
    kept = [exactly(1) if axis in axes else size for axis, size in enumerate(dims)]
    return [tuple(size for axis, size in enumerate(kept) if axis not in axes or step.attribute("keepdims", 1))]


@shape("Shape", "Size")
def _shape(step: Step) -> Shapes:
    rank = step.value(0).rank
    if step.view.node.op_type == "Size":
        return [()]
    return [(Size() if rank is None else exactly(len(range(rank)[shape_slice(step)]), step.name),)]


@shape("Slice")
def _slice(step: Step) -> Shapes:
    dims = step.dims(0)
    cuts = None if dims is None else slice_cuts(step)
    if dims is None or cuts is None:
        return [None]
    result = list(dims)
    for axis, start, end, stride in cuts:
        result[axis] = cut(dims[axis], start, end, stride, step.name)
    return [tuple(result)]


def _resized(size: Size) -> Size:
    """An axis of another size, empty if this one is."""
    return Size(min(size.low, 1), size.causes)
