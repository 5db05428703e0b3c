"""Masks by small networks whose weights a model finds for each instance (CondInst, RTMDet-Ins)."""

from typing import List, NamedTuple, Sequence, Tuple

import torch
from torch.nn import functional

from .context import ExportContext
from .rows import merge_first

_NOTHING = -1e4
"""The logit of every pixel of an instance that is not there."""


class Kernels(NamedTuple):
    """The networks of the flat detections: 1x1 convolutions with a ReLU between them.

    Attributes:
        weights: (K, P), the weights of all layers, and then their biases.
        points: (K, 2) ``(x, y)`` in pixels of the input, from which an instance sees the places.
        reach: (K,), how many pixels are one to it.
    """

    weights: torch.Tensor
    points: torch.Tensor
    reach: torch.Tensor


def dynamic_masks(
    context: ExportContext, maps: torch.Tensor, places: torch.Tensor, kernels: Kernels, widths: Sequence[int]
) -> torch.Tensor:
    """The logits of the masks of ``context.detections``, (N, D, h, w).

    Upstream copies the features for each instance and convolves them in groups, whose number a node of ONNX has to be
    told. Here the first layers of all instances of an image are one product with its features; the places enter it as
    they are, since to see them from another point is to have another bias.

    Args:
        maps: (N, C, h, w), the features of the images.
        places: (h * w, 2) ``(x, y)`` in pixels of the input.
        kernels: the first of their layers takes x, y and the features, in that order.
        widths: the channels behind each layer, 1 behind the last.
    """
    found, count = context.found, maps.shape[0]
    table = found.unflatten(torch.cat([kernels.weights, kernels.points, kernels.reach[:, None]], 1))
    params, points, reach = table[..., :-3], table[..., -3:-1], table[..., -1:].clamp(min=1)  # 0 where padded
    (weight, bias), *others = _layers(params, [int(maps.shape[1]) + 2, *widths])
    towards = weight[..., :2] / reach[..., None]  # upstream's distances are from the place to the point
    bias = bias + (towards * points[:, :, None]).sum(3, keepdim=True)
    weight = torch.cat([-towards, weight[..., 2:]], 3)
    shared = torch.cat([places.t().expand(count, -1, -1), maps.flatten(2)], 1)
    rows = weight.reshape(count, -1, int(weight.shape[3])).matmul(shared) + bias.reshape(count, -1, 1)
    rows = rows.reshape(-1, widths[0], maps.shape[2] * maps.shape[3])
    for weight, bias in others[:-1]:
        rows = merge_first(weight).matmul(rows.relu()) + merge_first(bias)
    weight, bias = others[-1]
    bias = torch.where(found.valid[..., None, None], bias, bias.new_full((1,), _NOTHING))
    rows = merge_first(weight).matmul(rows.relu()) + merge_first(bias)
    return rows.reshape(count, -1, maps.shape[2], maps.shape[3])


def _layers(params: torch.Tensor, widths: List[int]) -> List[Tuple[torch.Tensor, torch.Tensor]]:
    """Weights (N, D, out, in) and biases (N, D, out, 1) of each layer, from all in a row (N, D, P)."""
    pairs = list(zip(widths, widths[1:]))
    parts = params.split([one * other for one, other in pairs] + widths[1:], 2)
    weights, biases = parts[: len(pairs)], parts[len(pairs) :]
    return [
        (weight.reshape(weight.shape[0], -1, after, before), bias[..., None])
        for weight, bias, (before, after) in zip(weights, biases, pairs)
    ]


def enlarge_aligned(maps: torch.Tensor, factor: int) -> torch.Tensor:
    """Maps (N, C, h, w) as (N, C, factor * h, factor * w): bilinear, each value in the middle of its square.

    Upstream's ``aligned_bilinear``, which fills up the left and the upper side of the large maps; here the small ones
    get a row and a column more on each side.
    """
    if factor == 1:
        return maps
    height, width = maps.shape[2:]
    maps = functional.pad(maps, (1, 1, 1, 1), mode="replicate")
    whole = (factor * (height + 1) + 1, factor * (width + 1) + 1)
    maps = functional.interpolate(maps, size=whole, mode="bilinear", align_corners=True)
    start = factor - factor // 2
    return maps[:, :, start : start + factor * height, start : start + factor * width]
