"""CARAFE (content-aware reassembly of features) in plain torch."""

import torch

from .gradients import gradients
from .registry import operator


def _reassemble(
    features: torch.Tensor, masks: torch.Tensor, kernel_size: int, group_size: int, scale_factor: int
) -> torch.Tensor:
    """Every output pixel is a sum over the window around its source pixel, weighted by its own mask.

    (N, C, H, W) features and (N, group_size * kernel_size ** 2, sH, sW) masks -> (N, C, sH, sW).
    """
    batch, channels, height, width = features.shape
    scale, reach = scale_factor, (kernel_size - 1) // 2
    # Every source pixel stands for scale x scale output pixels: two axes of length 1 beside those of the mask.
    padded = torch.nn.functional.pad(features, (reach,) * 4)
    padded = padded.view(batch, group_size, channels // group_size, *padded.shape[2:])
    weights = masks.view(batch, group_size, kernel_size**2, 1, height, scale, width, scale)
    output: torch.Tensor = features.new_zeros(())
    for index in range(kernel_size**2):
        row, column = divmod(index, kernel_size)
        window = padded[..., row : row + height, column : column + width]
        output = output + window[:, :, :, :, None, :, None] * weights[:, :, index]
    return output.reshape(batch, channels, height * scale, width * scale)


def _backward(
    top_grad: torch.Tensor,
    features: torch.Tensor,
    masks: torch.Tensor,
    bottom_grad: torch.Tensor,
    mask_grad: torch.Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    attributes = (kernel_size, group_size, scale_factor)
    grads = gradients(lambda one, two: _reassemble(one, two, *attributes), (features, masks), top_grad)
    bottom_grad.add_(grads[0])
    mask_grad.add_(grads[1])


@operator
def carafe_naive_forward(
    features: torch.Tensor,
    masks: torch.Tensor,
    output: torch.Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Reassemble features at a higher resolution.

    Args:
        features: (N, C, H, W).
        masks: (N, group_size * kernel_size ** 2, H * scale_factor, W * scale_factor).
        output: (N, C, H * scale_factor, W * scale_factor), filled.
        kernel_size: side of the window, odd.
        group_size: channels are split into this many groups, each with masks of its own.
        scale_factor: of the resolution.
    """
    output.copy_(_reassemble(features, masks, kernel_size, group_size, scale_factor))


@operator
def carafe_naive_backward(
    top_grad: torch.Tensor,
    features: torch.Tensor,
    masks: torch.Tensor,
    bottom_grad: torch.Tensor,
    mask_grad: torch.Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Gradients of the features and the masks (both added); shapes as in the forward."""
    _backward(top_grad, features, masks, bottom_grad, mask_grad, kernel_size, group_size, scale_factor)


@operator
def carafe_forward(
    features: torch.Tensor,
    masks: torch.Tensor,
    rfeatures: torch.Tensor,
    routput: torch.Tensor,
    rmasks: torch.Tensor,
    output: torch.Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """As :func:`carafe_naive_forward`; ``rfeatures`` is filled with the features, which the backward gets no other way.

    ``routput`` and ``rmasks``, where the compiled kernel puts transposed copies, are not used.
    """
    rfeatures.copy_(features)
    output.copy_(_reassemble(features, masks, kernel_size, group_size, scale_factor))


@operator
def carafe_backward(
    top_grad: torch.Tensor,
    rfeatures: torch.Tensor,
    masks: torch.Tensor,
    rtop_grad: torch.Tensor,
    rbottom_grad_hs: torch.Tensor,
    rbottom_grad: torch.Tensor,
    rmask_grad: torch.Tensor,
    bottom_grad: torch.Tensor,
    mask_grad: torch.Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Gradients of the features and the masks (both added), from what :func:`carafe_forward` put into ``rfeatures``."""
    _backward(top_grad, rfeatures, masks, bottom_grad, mask_grad, kernel_size, group_size, scale_factor)
