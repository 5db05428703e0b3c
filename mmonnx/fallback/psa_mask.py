"""Point-wise spatial attention's masks, from relative to absolute positions, in plain torch."""

from typing import Tuple

import torch

from .registry import operator

_COLLECT = 0


def _places(
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
    device: torch.device,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """For every position of the map (rows) and every other (columns), which mask channel relates them, and if one does.

    Two (HW, H, W) tensors, int64 and bool.
    """
    rows, columns = torch.arange(h_feature, device=device), torch.arange(w_feature, device=device)
    down = rows[:, None, None, None] - rows[None, None, :, None] + half_h_mask
    across = columns[None, :, None, None] - columns[None, None, None, :] + half_w_mask
    known = (down >= 0) & (down < h_mask) & (across >= 0) & (across < w_mask)
    channel = (down * w_mask + across).masked_fill(~known, 0)
    return channel.flatten(0, 1), known.flatten(0, 1)


def _swap(output: torch.Tensor, psa_type: int, h_feature: int, w_feature: int) -> torch.Tensor:
    """Who gives and who takes are exchanged in the type that distributes."""
    if psa_type == _COLLECT:
        return output
    return output.flatten(2).transpose(1, 2).unflatten(2, (h_feature, w_feature))


@operator
def psamask_forward(
    input: torch.Tensor,
    output: torch.Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Spread masks around each position over the whole map.

    Args:
        input: (N, h_mask * w_mask, H, W).
        output: (N, H * W, H, W), filled; 0 where the mask does not reach.
        psa_type: 0 collect, 1 distribute.
        num_: N.
        h_feature: H.
        w_feature: W.
        h_mask: rows of the mask.
        w_mask: columns of the mask.
        half_h_mask: its middle row.
        half_w_mask: its middle column.
    """
    sizes = (h_feature, w_feature, h_mask, w_mask, half_h_mask, half_w_mask)
    channel, known = _places(*sizes, input.device)
    spread = input.gather(1, channel.expand(num_, *channel.shape)) * known
    output.copy_(_swap(spread, psa_type, h_feature, w_feature))


@operator
def psamask_backward(
    grad_output: torch.Tensor,
    grad_input: torch.Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Gradient of :func:`psamask_forward` by its input, added to ``grad_input``."""
    sizes = (h_feature, w_feature, h_mask, w_mask, half_h_mask, half_w_mask)
    channel, known = _places(*sizes, grad_input.device)
    grad = _swap(grad_output, psa_type, h_feature, w_feature) * known
    grad_input.scatter_add_(1, channel.expand(num_, *channel.shape), grad)
