"""The two halves of a convolution that is computed at some positions only."""

import torch

from .registry import operator


@operator
def masked_im2col_forward(
    im: torch.Tensor,
    mask_h_idx: torch.Tensor,
    mask_w_idx: torch.Tensor,
    col: torch.Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Collect the windows of M output positions.

    Args:
        im: (1, C, H, W).
        mask_h_idx: (M,) int64, rows.
        mask_w_idx: (M,) int64, columns.
        col: (C * kernel_h * kernel_w, M), filled.
        kernel_h: rows of the window.
        kernel_w: columns of the window.
        pad_h: rows of zeros above and below.
        pad_w: columns of zeros left and right.
    """
    padded = torch.nn.functional.pad(im[0], (pad_w, pad_w, pad_h, pad_h))
    rows = mask_h_idx + torch.arange(kernel_h, device=im.device)[:, None, None]
    columns = mask_w_idx + torch.arange(kernel_w, device=im.device)[None, :, None]
    col.copy_(padded[:, rows, columns].reshape(col.shape))


@operator
def masked_col2im_forward(
    col: torch.Tensor,
    mask_h_idx: torch.Tensor,
    mask_w_idx: torch.Tensor,
    im: torch.Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Put results (channels, M) at their M positions of ``im`` (1, channels, height, width); the rest stays."""
    im[0, :, mask_h_idx, mask_w_idx] = col
