"""Stand-in for ``mmcv/ops/multi_scale_deform_attn.py``."""

from typing import Any

import torch

from ....symbolics import multi_scale_deformable_attn
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.multi_scale_deform_attn.multi_scale_deformable_attn_pytorch")
def multi_scale_deformable_attn_pytorch(
    context: ExportContext,
    original: Any,
    value: torch.Tensor,
    value_spatial_shapes: torch.Tensor,
    sampling_locations: torch.Tensor,
    attention_weights: torch.Tensor,
) -> torch.Tensor:
    """Attend to L levels of (N, S, heads, D) values: upstream splits them by sizes that a trace would bake in."""
    sizes = value_spatial_shapes[:, 0] * value_spatial_shapes[:, 1]
    starts = sizes.cumsum(0) - sizes
    inputs = (value, value_spatial_shapes, starts, sampling_locations, attention_weights)
    return multi_scale_deformable_attn(*inputs, by_levels=not context.capabilities.scanning_loops)
