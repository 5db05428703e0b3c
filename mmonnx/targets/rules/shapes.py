"""Operators that change shapes, and those that miss what a target wants to be told."""

import math
from typing import Dict, List, Optional, Tuple

from ..conditions import AnyRank, LeftOut, Missing
from .base import EXACT, ROUNDING, Node, Result, Rule, Tensor, constant, op, reshaped, size


def _squeezed(node: Node) -> Result:
    sizes = node.sizes()
    if sizes is None or any(number is None for number in sizes):
        return None  # what is 1 only at times
    axes = [axis for axis, number in enumerate(sizes) if number == 1]
    return node.squeeze(node[0], axes) if axes else op("Identity", node[0])


def _split_evenly(node: Node) -> Result:
    sizes, axis, count = node.sizes(), node.axis(), node.output_count
    if sizes is None or axis is None:
        return None
    length = sizes[axis]
    if length is None:
        return None
    each = math.ceil(length / count)
    return node.split(node[0], [min(each, length - each * index) for index in range(count)], axis)


def _one_axis(node: Node) -> Result:
    left, right = node.rank(0), node.rank(1)
    if left is None or right is None:
        return None
    x = node.unsqueeze(node[0], [0]) if left == 1 else node[0]
    y = node.unsqueeze(node[1], [1]) if right == 1 else node[1]
    product = op("MatMul", x, y)
    rank = max(left, right, 2)
    gone = ([rank - 2] if left == 1 else []) + ([rank - 1] if right == 1 else [])
    return node.squeeze(product, gone)


def _padded_with_zeros(node: Node) -> Result:
    return op("Pad", node[0], node[1], 0, **node.attributes("mode"))


def _space_to_depth(node: Node) -> Result:
    x, block = node[0], int(node.attribute("blocksize"))
    sizes = node.sizes()
    if sizes is None:
        return None
    channels, height, width = (size(x, axis) for axis in (1, 2, 3))
    parts = reshaped(x, size(x, 0), channels, height / block, block, width / block, block)
    turned = op("Transpose", parts, perm=[0, 3, 5, 1, 2, 4])
    return reshaped(turned, size(x, 0), channels * block * block, height / block, width / block)


def _depth_to_space(node: Node) -> Result:
    x, block = node[0], int(node.attribute("blocksize"))
    if node.sizes() is None:
        return None
    channels, height, width = (size(x, axis) for axis in (1, 2, 3))
    rest = channels / (block * block)
    if node.attribute("mode") == "CRD":
        parts, perm = reshaped(x, size(x, 0), rest, block, block, height, width), [0, 1, 4, 2, 5, 3]
    else:
        parts, perm = reshaped(x, size(x, 0), block, block, rest, height, width), [0, 3, 4, 1, 5, 2]
    turned = op("Transpose", parts, perm=perm)
    return reshaped(turned, size(x, 0), rest, height * block, width * block)


def _flat(node: Node) -> Result:
    rank, axis = node.rank(), int(node.attribute("axis", 1))
    if rank is None:
        return None
    axis = axis + rank if axis < 0 else axis
    rows = constant([1])
    for other in range(axis):
        rows = size(node[0], other) if other == 0 else rows * size(node[0], other)
    return reshaped(node[0], rows, -1)


def _einsum(node: Node) -> Result:
    terms, result = _terms(node)
    if terms is None:
        return None
    labels, x = terms[0], node[0]
    for index, other in enumerate(terms[1:], 1):
        later = set("".join(terms[index + 1 :])) | set(result)
        labels, x = _pair(node, labels, x, other, node[index], later)
    labels, x = _summed(node, labels, x, set(result))
    return op("Transpose", x, perm=[labels.index(label) for label in result]) if labels != result else x


def _terms(node: Node) -> Tuple[Optional[List[str]], str]:
    """The letters of each input's axes and of the output's; none where a letter stands twice for one tensor."""
    left, arrow, right = node.attribute("equation").replace(" ", "").partition("->")
    terms = left.split(",")
    if not arrow:
        found = "".join(terms)
        right = "".join(sorted(label for label in set(found) if found.count(label) == 1 and label.isalpha()))
        right = "..." + right if "..." in left else right
    letters = [chr(code) for code in range(0x100, 0x180)]  # for the axes behind the dots
    most, ranks = 0, []
    for index, term in enumerate(terms):
        rank = node.rank(index)
        if rank is None:
            return None, ""
        ranks.append(rank - len(term.replace("...", "")))
        most = max(most, ranks[-1] if "..." in term else 0)
    if any("..." in term and count != most for term, count in zip(terms, ranks)):
        return None, ""  # axes that are repeated
    dots = "".join(letters[:most])
    terms, right = [term.replace("...", dots) for term in terms], right.replace("...", dots)
    if any(len(set(term)) < len(term) for term in terms):
        return None, ""
    return terms, right


def _summed(node: Node, labels: str, x: Tensor, kept: "set[str]") -> Tuple[str, Tensor]:
    """Without the axes that nobody asks for any more."""
    gone = [axis for axis, label in enumerate(labels) if label not in kept]
    return "".join(label for label in labels if label in kept), node.reduce("ReduceSum", x, gone, keepdims=0)


def _pair(node: Node, left: str, x: Tensor, right: str, y: Tensor, later: "set[str]") -> Tuple[str, Tensor]:
    """The product of two, summed over what is in both and not asked for later, as one MatMul."""
    left, x = _summed(node, left, x, later | set(right))
    right, y = _summed(node, right, y, later | set(left))
    both = [label for label in left if label in right and label in later]
    over = [label for label in left if label in right and label not in later]
    rows = [label for label in left if label not in right]
    columns = [label for label in right if label not in left]
    lengths: Dict[str, Tensor] = {}
    for labels, tensor in ((right, y), (left, x)):
        lengths.update({label: size(tensor, axis) for axis, label in enumerate(labels)})
    first = _grouped(x, left, lengths, both, rows, over)
    second = _grouped(y, right, lengths, both, over, columns)
    found = [*both, *rows, *columns]
    product = op("MatMul", first, second)
    if not found:
        return "", node.squeeze(product, [0, 1, 2])
    return "".join(found), reshaped(product, *(lengths[label] for label in found))


def _grouped(x: Tensor, labels: str, lengths: Dict[str, Tensor], *groups: List[str]) -> Tensor:
    """With one axis for each group of letters."""
    order = [label for group in groups for label in group]
    if order != list(labels):
        x = op("Transpose", x, perm=[labels.index(label) for label in order])
    return reshaped(x, *(_length(lengths, group) for group in groups))


def _length(lengths: Dict[str, Tensor], group: List[str]) -> Tensor:
    found = constant([1])
    for index, label in enumerate(group):
        found = lengths[label] if index == 0 else found * lengths[label]
    return found


RULES = (
    Rule("Squeeze", _squeezed, EXACT, (Missing("axes", 1),)),
    Rule("Split", _split_evenly, EXACT, (Missing("split", 1),)),
    Rule("MatMul", _one_axis, ROUNDING, (AnyRank(1),)),
    Rule("Pad", _padded_with_zeros, EXACT, (LeftOut(2),)),
    Rule("SpaceToDepth", _space_to_depth),
    Rule("DepthToSpace", _depth_to_space),
    Rule("Flatten", _flat),
    Rule("Einsum", _einsum, ROUNDING),
)
