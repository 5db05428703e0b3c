"""Which nodes of a graph compute features from layer to layer: what may be reduced; the rest is left as it is."""

from dataclasses import dataclass
from typing import Dict, Iterator, List, Sequence, Set, Tuple

import onnx

from .kept import FEATURES, Kernels

_WEIGHTS = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}
"""The input of a layer that holds its weights."""


@dataclass(frozen=True)
class Trunk:
    """The nodes on the way of the features, by name and in the graph's order.

    Attributes:
        layers: nodes with constant weights.
        reached: those of them that features of the image reach; others compute with places and boxes.
        nodes: the layers, and what lies between two of them.
        last: the layers behind which there is no other: what predicts boxes, scores, masks.
        regional: the layers that see regions of interest, of which there are as many as proposals were kept.
        outputs: the first output of each layer.
    """

    layers: Tuple[str, ...]
    reached: Tuple[str, ...]
    nodes: Tuple[str, ...]
    last: Tuple[str, ...]
    regional: Tuple[str, ...]
    outputs: Dict[str, str]


def find_trunk(model: onnx.ModelProto) -> Trunk:
    """The trunk of a model, whose nodes have names of their own."""
    nodes = list(model.graph.node)
    constants = constants_of(model)
    reached, regional = _forward(model, nodes, constants)
    layers = [node for node in nodes if is_layer(node, constants)]
    leading = _backward(nodes, layers, constants)
    inner = {node.name for node in layers} | (leading & reached)
    return Trunk(
        layers=tuple(node.name for node in layers),
        reached=tuple(node.name for node in layers if node.name in reached),
        nodes=tuple(node.name for node in nodes if node.name in inner),
        last=tuple(node.name for node in layers if node.name not in leading),
        regional=tuple(node.name for node in layers if node.name in regional),
        outputs={node.name: node.output[0] for node in layers},
    )


def is_layer(node: onnx.NodeProto, constants: Set[str]) -> bool:
    """Whether a node has constant weights."""
    place = _WEIGHTS.get(node.op_type)
    return place is not None and not node.domain and node.input[place] in constants


def features(node: onnx.NodeProto, constants: Set[str]) -> Iterator[str]:
    """The names of the tensors by which features come into a node."""
    if node.domain or node.op_type not in FEATURES:
        return
    places: Sequence[int] = FEATURES[node.op_type] or range(len(node.input))
    for place in places:
        if place < len(node.input) and node.input[place] and node.input[place] not in constants:
            yield node.input[place]


def constants_of(model: onnx.ModelProto) -> Set[str]:
    """The names of what is the same for every image."""
    written = {node.output[0] for node in model.graph.node if node.op_type == "Constant"}
    return {tensor.name for tensor in model.graph.initializer} | written


def _forward(model: onnx.ModelProto, nodes: List[onnx.NodeProto], constants: Set[str]) -> Tuple[Set[str], Set[str]]:
    """The nodes that features of the images reach, and those of them that see regions."""
    images = {value.name for value in model.graph.input if len(value.type.tensor_type.shape.dim) > 2} - constants
    carried: Set[str] = set(images)
    of_regions: Set[str] = set()
    reached: Set[str] = set()
    regional: Set[str] = set()
    for node in nodes:
        given = set(features(node, constants)) & carried
        if not given or (_picks(node, constants) and not given & of_regions):
            continue
        reached.add(node.name)
        carried.update(node.output)
        if node.op_type == "RoiAlign" or given & of_regions:
            regional.add(node.name)
            of_regions.update(node.output)
    return reached, regional


def _picks(node: onnx.NodeProto, constants: Set[str]) -> bool:
    """Whether a node takes rows that the image itself chooses: behind it are candidates, and their boxes and scores.

    Behind the features of regions it only puts these in order.
    """
    return node.op_type in ("Gather", "GatherElements", "GatherND") and node.input[1] not in constants


def _backward(nodes: List[onnx.NodeProto], layers: List[onnx.NodeProto], constants: Set[str]) -> Set[str]:
    """The nodes whose features reach a layer."""
    wanted: Set[str] = set()
    for node in layers:
        wanted.update(features(node, constants))
    found: Set[str] = set()
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            found.add(node.name)
            wanted.update(features(node, constants))
    return found


def in_eight_bits(model: onnx.ModelProto, trunk: Trunk, kernels: Kernels, kept: Set[str]) -> List[str]:
    """The nodes that are computed in eight bits: the target's layers but those that are kept, and what joins them.

    An operator between layers is one of them if all of its features are eight bits already: nothing is gained by one
    that would have to be converted there and back.
    """
    inside, constants = set(trunk.nodes), constants_of(model)
    layers, reached = set(trunk.layers), set(trunk.reached)
    producers = {name: node for node in model.graph.node for name in node.output}
    chosen = set()
    for node in model.graph.node:
        if node.name in layers:
            fits = node.op_type in kernels.layers and node.name in reached and node.name not in kept
        else:
            given = list(features(node, constants))
            makers = [producers.get(name) for name in given]
            fits = (
                node.name in inside
                and node.op_type in kernels.between
                and bool(given)
                and all(maker is None or maker.name in chosen for maker in makers)
            )
        if fits:
            chosen.add(node.name)
    return [node.name for node in model.graph.node if node.name in chosen]
