"""Multi-scale deformable attention in plain torch."""

from typing import Sequence, Tuple

import torch

from .gradients import gradients
from .registry import operator


def _attend(
    value: torch.Tensor, locations: torch.Tensor, weights: torch.Tensor, shapes: Sequence[Tuple[int, int]]
) -> torch.Tensor:
    """Sum, over levels and points, of what lies at a place of a level's map, weighted.

    (N, K, heads, D) values, (N, Q, heads, L, P, 2) places, (N, Q, heads, L, P) weights -> (N, Q, heads * D).
    """
    batch, _, heads, dims = value.shape
    queries, points = locations.shape[1], locations.shape[4]
    grids = (2 * locations - 1).permute(0, 2, 3, 1, 4, 5).flatten(0, 1)  # (N * heads, L, Q, P, 2)
    samples = []
    for level, part in enumerate(value.split([height * width for height, width in shapes], 1)):
        maps = part.permute(0, 2, 3, 1).reshape(batch * heads, dims, *shapes[level])
        samples.append(torch.nn.functional.grid_sample(maps, grids[:, level], align_corners=False))
    weights = weights.permute(0, 2, 3, 1, 4).reshape(batch * heads, 1, len(shapes), queries, points)
    attended = (torch.stack(samples, 2) * weights).sum((2, 4))  # (N * heads, D, Q)
    return attended.view(batch, heads * dims, queries).transpose(1, 2)


@operator
def ms_deform_attn_forward(
    value: torch.Tensor,
    value_spatial_shapes: torch.Tensor,
    value_level_start_index: torch.Tensor,
    sampling_locations: torch.Tensor,
    attention_weights: torch.Tensor,
    im2col_step: int,
) -> torch.Tensor:
    """Deformable attention over L feature maps.

    Args:
        value: (N, K, heads, D), the flattened maps one after the other.
        value_spatial_shapes: (L, 2), height and width of each.
        value_level_start_index: not used: it follows from the shapes.
        sampling_locations: (N, Q, heads, L, P, 2), columns before rows, 0 to 1 across a map.
        attention_weights: (N, Q, heads, L, P).
        im2col_step: not used: how the compiled kernel splits the batch.

    Returns:
        (N, Q, heads * D)
    """
    shapes = value_spatial_shapes.tolist()
    return _attend(value, sampling_locations, attention_weights, shapes).contiguous()


@operator
def ms_deform_attn_backward(
    value: torch.Tensor,
    value_spatial_shapes: torch.Tensor,
    value_level_start_index: torch.Tensor,
    sampling_locations: torch.Tensor,
    attention_weights: torch.Tensor,
    grad_output: torch.Tensor,
    grad_value: torch.Tensor,
    grad_sampling_loc: torch.Tensor,
    grad_attn_weight: torch.Tensor,
    im2col_step: int,
) -> None:
    """Gradients of value, places and weights (all added); shapes as in :func:`ms_deform_attn_forward`."""
    shapes = value_spatial_shapes.tolist()
    inputs = (value, sampling_locations, attention_weights)
    grads = gradients(lambda one, two, three: _attend(one, two, three, shapes), inputs, grad_output)
    for total, grad in zip((grad_value, grad_sampling_loc, grad_attn_weight), grads):
        total.add_(grad)
