"""Stand-ins for ``torch.nn.functional``."""

from typing import Any

import torch
from torch.nn import functional

from ..context import ExportContext
from ..registry import rewrite


@rewrite("torch.nn.functional.adaptive_avg_pool2d")
def adaptive_avg_pool2d(context: ExportContext, original: Any, input: torch.Tensor, output_size: Any) -> torch.Tensor:
    """Pool to the size of another tensor of RoI features, which the tracer takes for an unknown one.

    Args:
        input: (K, C, H, W).
        output_size: (h, w); taken as constant only where they divide H and W, as the sizes of RoI features do.
    """
    traced = isinstance(output_size, (tuple, list, torch.Size)) and any(
        isinstance(v, torch.Tensor) for v in output_size
    )
    if not traced:
        return original(input, output_size)
    size, wanted = [int(value) for value in input.shape[2:]], [int(value) for value in output_size]
    if any(have % want for have, want in zip(size, wanted)):
        return original(input, wanted)
    kernel = [have // want for have, want in zip(size, wanted)]
    return functional.avg_pool2d(input, kernel, kernel)
