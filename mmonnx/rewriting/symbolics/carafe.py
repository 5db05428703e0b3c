"""mmcv's CARAFE: every source pixel's window times the masks of the output pixels that it stands for."""

import torch

from ...fallback import carafe_naive_forward
from .body import Body, Value
from .operator import Operator


def _compute(
    features: torch.Tensor, masks: torch.Tensor, kernel_size: int, group_size: int, scale_factor: float
) -> torch.Tensor:
    output = features.new_zeros(features.shape[:2] + masks.shape[2:])
    carafe_naive_forward(features, masks, output, kernel_size, group_size, int(scale_factor))
    return output


def _write(body: Body, features: Value, masks: Value, kernel_size: int, group_size: int, scale_factor: float) -> Value:
    kernel, groups, scale, reach = kernel_size, group_size, int(scale_factor), kernel_size // 2
    batch, channels, height, width = (body.size(features, axis) for axis in range(4))
    share = channels / groups
    last = body.op("Transpose", body.reshape(features, batch, groups, share, height, width), perm=[0, 1, 3, 4, 2])
    padded = body.op("Pad", last, [0, 0, reach, reach, 0, 0, 0, reach, reach, 0])
    column = body.reshape(body.unsqueeze(body.range(width), 1) + body.range(kernel), -1)
    across = body.op("Gather", padded, column, axis=3)
    across = body.reshape(across, batch, groups, height + (kernel - 1), width, kernel, share)
    masks = body.reshape(masks, batch, groups, kernel, kernel, height, scale, width, scale)
    masks = body.op("Transpose", masks, perm=[2, 0, 1, 4, 6, 5, 7, 3])
    masks = body.reshape(masks, kernel, batch, groups, height, width, scale * scale, kernel)
    # One row of the window at a time: the whole window takes `kernel` times the memory for a tenth less time.
    rows = [
        body.op("MatMul", body.column(masks, row, axis=0), body.slice(across, 2, row, height + row))
        for row in range(kernel)
    ]
    total = body.reshape(sum(rows[1:], rows[0]), batch, groups, height, width, scale, scale, share)
    total = body.op("Transpose", total, perm=[0, 1, 6, 2, 4, 3, 5])
    return body.reshape(total, batch, channels, height * scale, width * scale)


_CARAFE, _NAIVE = (
    Operator(name, ["features", "masks"], _compute, _write) for name in ("MMCVCARAFE", "MMCVCARAFENaive")
)


def carafe(
    features: torch.Tensor,
    masks: torch.Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
    naive: bool = False,
) -> torch.Tensor:
    """Reassemble features at a higher resolution.

    Args:
        features: (N, C, H, W).
        masks: (N, group_size * kernel_size ** 2, H * scale_factor, W * scale_factor).
        kernel_size: side of the window, odd.
        group_size: channels are split into this many groups, each with masks of its own.
        scale_factor: of the resolution.
        naive: name the operator as mmcv names its slower kernel.

    Returns:
        (N, C, H * scale_factor, W * scale_factor)
    """
    # mmcv's symbolic has the scale as a float
    attributes = dict(kernel_size=int(kernel_size), group_size=int(group_size), scale_factor=float(scale_factor))
    return (_NAIVE if naive else _CARAFE)(features, masks, **attributes)
