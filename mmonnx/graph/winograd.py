"""Convolutions of 3x3 by Winograd's algorithm, F(4x4, 3x3), in standard operators.

Tiles of 4x4 results are computed from 6x6 inputs with 36 products of a channel by a filter, in the place of 144: a
matrix product for each of the 36, between two small linear maps. Its rounding is up to ten times as large.
"""

import math
from fractions import Fraction
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Set, Tuple

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from ..runtime import Session
from .functions import opset_of
from .parts import part, pruned
from .writing import Writer

WINOGRAD = ".winograd."
"""What the names of the nodes have that stand for a convolution."""
_KERNEL, _TILE = 3, 4
_SPAN = _TILE + _KERNEL - 1
# Beside the point at infinity. With them rounding is half of what the customary 1 and 2 give, and a quarter of it at
# its worst; the maps of tiles and of results are exact in float32.
_POINTS = [Fraction(point) for point in ("0", "5/8", "-5/8", "3/2", "-3/2")]

# Of ONNX Runtime on two cores with AVX-512, in picoseconds; ``_pays`` needs their ratios alone. docs/speed.md has them.
_PRODUCT = 3.85
"""For a product and a sum of a convolution."""
_OF_MATRIX = 5.0
"""For those of a matrix product."""
_MOVE, _FAR_MOVE, _SCATTERED = 800.0, 1650.0, 3300.0
"""For bringing a pixel of a channel into tiles and back: in what is kept near, beyond that, and in small pieces."""
_FAR = 2**25
"""Bytes of all tiles from which on they are not kept near."""
_PIECE = 32
"""Tiles of one of several images below which they are moved in small pieces."""
_WEIGHT = 40.0
"""For reading a number of the kernels' maps."""
_NODES = 250e6
"""For so many small operators in the place of one."""
_GAIN = 0.9
"""The greatest share of a convolution's time that is worth it."""


def with_winograd(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> Tuple[onnx.ModelProto, int]:
    """A model whose 3x3 convolutions are computed by Winograd's algorithm where that is faster, and how many are.

    Args:
        model: it is not changed.
        feeds: inputs by name; how large the convolutions' images are is seen by running the model on them.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    fitting = [node for node in model.graph.node if _fits(node, weights)]
    shapes = _shapes(model, {node.input[0] for node in fitting}, feeds)
    chosen = {node.output[0] for node in fitting if _pays(weights[node.input[1]].dims, shapes[node.input[0]])}
    if not chosen:
        return model, 0
    shared = Writer("winograd.", opset_of(model))
    # of rows and of columns, as one map of flattened tiles
    of_image, of_kernel, of_result = (np.kron(one, one) for one in _cook_toom())
    maps = shared.constant(of_image.reshape(-1, 1, _SPAN, _SPAN), np.float32)
    back = shared.constant(_by_columns(of_result), np.float32)
    kernels: Dict[str, str] = {}
    result, nodes = onnx.ModelProto(), []
    result.CopyFrom(model)
    for node in result.graph.node:
        if not chosen.intersection(node.output):
            nodes.append(node)
            continue
        weight = node.input[1]
        if weight not in kernels:
            kernels[weight] = shared.constant(_mapped(of_kernel, numpy_helper.to_array(weights[weight])), np.float32)
        writer = Writer(f"{node.name or node.output[0]}{WINOGRAD}", opset_of(model))
        _write(writer, node, weights, _Maps(maps, kernels[weight], back))
        nodes.extend(writer.nodes)
        result.graph.initializer.extend(writer.constants)
    result.graph.initializer.extend(shared.constants)
    written = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del result.graph.node[:]
    result.graph.node.extend(written)
    return pruned(result), len(chosen)


class _Maps(NamedTuple):
    """The names of the three linear maps of a convolution: of tiles, of its kernels, and of what comes back."""

    image: str
    kernels: str
    result: str


def _fits(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether a node is a convolution of 3x3 with a border of one pixel, step by step, of constant kernels."""
    if node.op_type != "Conv" or node.domain or not all(name in weights for name in node.input[1:] if name):
        return False
    weight = weights[node.input[1]]
    if weight.data_type != TensorProto.FLOAT or list(weight.dims[2:]) != [_KERNEL, _KERNEL]:
        return False
    given = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    ones = (given.get(name, [1, 1]) == [1, 1] for name in ("strides", "dilations"))
    plain = given.get("auto_pad", b"NOTSET") == b"NOTSET" and given.get("group", 1) == 1
    return plain and all(ones) and given.get("pads") == [1, 1, 1, 1]


def _shapes(model: onnx.ModelProto, names: Set[str], feeds: Mapping[str, np.ndarray]) -> Dict[str, List[int]]:
    """The shapes of some of the tensors that a model computes, for these inputs."""
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    ordered = sorted(names)
    shapes = [f"{name}{WINOGRAD}shape" for name in ordered]
    for name, shape in zip(ordered, shapes):
        probed.graph.node.append(onnx.helper.make_node("Shape", [name], [shape]))
    found = Session(part(probed, shapes), arena=False).run({**feeds}) if ordered else {}
    return {name: found[shape].tolist() for name, shape in zip(ordered, shapes)}


def _pays(kernels: Sequence[int], image: Sequence[int]) -> bool:
    """Whether the algorithm is estimated to take so much less time that it is worth it.

    Args:
        kernels: (K, C, 3, 3).
        image: (N, C, H, W).
    """
    filters, channels, pixels = kernels[0], kernels[1], math.prod([image[0], *image[2:]])
    tiles = image[0] * math.prod(-(-side // _TILE) for side in image[2:])
    plain = _KERNEL**2 * filters * channels * pixels * _PRODUCT
    move = _MOVE if _SPAN**2 * 4 * (filters + channels) * tiles < _FAR else _FAR_MOVE
    if image[0] > 1 and tiles < _PIECE * image[0]:
        move = _SCATTERED
    read = _SPAN**2 * filters * channels * _WEIGHT
    moved = (filters + channels) * _TILE**2 * tiles * move
    return _SPAN**2 * filters * channels * tiles * _OF_MATRIX + moved + read + _NODES < _GAIN * plain


def _cook_toom() -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The linear maps of a line: of 6 pixels (6, 6), of a kernel (6, 3), and of 6 products to 4 results (4, 6).

    A line and a kernel are polynomials; what is theirs at enough points is multiplied, and their product's coefficients
    are found again. The results are those of the transposed problem, a correlation.
    """
    factors = [math.prod(point - other for other in _POINTS if other != point) for point in _POINTS]
    powers = [[point**power for power in range(_SPAN)] for point in _POINTS]
    last = [[Fraction(int(power == degree - 1)) for power in range(degree)] for degree in (_KERNEL, _TILE)]
    of_kernel = [[value / factor for value in row[:_KERNEL]] for row, factor in zip(powers, factors)] + [last[0]]
    of_result = [row[:_TILE] for row in powers] + [last[1]]
    roots = [[other for other in _POINTS if other != point] for point in _POINTS] + [_POINTS]
    of_image = [[*_from_roots(row), *[Fraction(0)] * (_SPAN - 1 - len(row))] for row in roots]
    image, kernel, result = (np.array(rows).astype(np.float64) for rows in (of_image, of_kernel, of_result))
    return image, kernel, result.T


def _from_roots(roots: Sequence[Fraction]) -> List[Fraction]:
    """The coefficients, from the lowest, of the polynomial with these roots whose highest is 1."""
    found = [Fraction(1)]
    for root in roots:
        found = [above - root * below for above, below in zip([Fraction(0), *found], [*found, Fraction(0)])]
    return found


def _by_columns(rows: np.ndarray) -> np.ndarray:
    """The rows of a map to a flattened tile, in the order of its columns."""
    return rows.reshape(_TILE, _TILE, -1).swapaxes(0, 1).reshape(rows.shape)


def _mapped(of_kernel: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Kernels (K, C, 3, 3) as the products want them: (36, K, C)."""
    filters, channels = weight.shape[:2]
    flat = weight.astype(np.float64).reshape(filters * channels, -1)
    return (of_kernel @ flat.T).reshape(-1, filters, channels)


def _write(writer: Writer, node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto], maps: _Maps) -> None:
    """Write what gives the output of a convolution."""
    filters, channels = weights[node.input[1]].dims[:2]
    image, flat = node.input[0], _SPAN**2

    def joined(*parts: Any) -> str:
        """A shape of numbers, and of tensors (1,) or (2,)."""
        names = [part if isinstance(part, str) else writer.constant([part], np.int64) for part in parts]
        return writer.op("Concat", *names, axis=0)

    def sides(tensor: str) -> str:
        ends = writer.constant([2], np.int64), writer.constant([4], np.int64)
        return writer.op("Slice", writer.op("Shape", tensor), *ends)

    def times(sizes: str, *factors: int) -> str:
        return writer.op("Mul", sizes, writer.constant(factors, np.int64))

    size = sides(image)
    # The batch is what is left over of a shape, as it may be empty: no size of 0 beside a -1
    planes = writer.op("Reshape", image, joined(-1, 1, size))
    pads = [1, 1, _TILE, _TILE]  # as many tiles as reach over the image: (H - 1) // 4 + 1
    tiles = writer.op("Conv", planes, maps.image, kernel_shape=[_SPAN] * 2, strides=[_TILE] * 2, pads=pads)
    across = sides(tiles)
    # A batch's tiles are columns of one product for each of the 36: ONNX Runtime 1.19 has no MatMul by an empty stack
    tiles = writer.op("Reshape", tiles, joined(-1, channels, flat, writer.op("ReduceProd", across, keepdims=1)))
    tiles = writer.op("Transpose", tiles, perm=[2, 1, 0, 3])
    tiles = writer.op("Reshape", tiles, writer.constant([flat, channels, -1], np.int64))
    products = writer.op("MatMul", maps.kernels, tiles)  # (36, K, C) by (36, C, N * T)
    products = writer.op("Reshape", products, writer.constant([flat, -1], np.int64))
    results = writer.op("MatMul", maps.result, products)
    # columns beside each other first, then whole rows: two thirds of the time of DepthToSpace
    results = writer.op("Reshape", results, writer.constant([_TILE, -1, 1], np.int64))
    columns = [writer.op("Gather", results, writer.constant(column, np.int64), axis=0) for column in range(_TILE)]
    results = writer.op("Concat", *columns, axis=1)
    results = writer.op("Reshape", results, joined(_TILE, filters, -1, times(across, 1, _TILE)))
    results = writer.op("Transpose", results, perm=[2, 1, 3, 0, 4])
    results = writer.op("Reshape", results, joined(-1, filters, times(across, _TILE, _TILE)))
    writer.op("Slice", results, writer.constant([0, 0], np.int64), size, writer.constant([2, 3], np.int64))
    if len(node.input) > 2 and node.input[2]:
        bias = numpy_helper.to_array(weights[node.input[2]])[:, None, None]
        writer.op("Add", writer.nodes[-1].output[0], writer.constant(bias, bias.dtype))
    writer.nodes[-1].output[0] = node.output[0]
