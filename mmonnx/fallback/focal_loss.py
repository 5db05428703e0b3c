"""Focal loss on sigmoid and on softmax scores."""

import torch

from .registry import operator

# As the compiled kernels: the logarithm of a probability of nothing stays finite.
_TINY = torch.finfo(torch.float32).tiny


def _log(value: torch.Tensor) -> torch.Tensor:
    return value.clamp(min=_TINY).log()


def _class_weight(weight: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """(N,) weights of the targets; what is no class (the background) counts once."""
    classes = (target >= 0) & (target < weight.numel())
    known = weight[target.clamp(0, weight.numel() - 1)]
    return torch.where(classes, known, torch.ones_like(known))


def _sigmoid(
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor,
    alpha: float,
    positive: torch.Tensor,
    negative: torch.Tensor,
) -> torch.Tensor:
    """Pick the positive or the negative term for every class, (N, C)."""
    hit = target[:, None] == torch.arange(input.shape[1], device=input.device)
    loss = -torch.where(hit, alpha * positive, (1 - alpha) * negative)
    return loss * _class_weight(weight, target)[:, None] if weight.numel() else loss


@operator
def sigmoid_focal_loss_forward(
    input: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, output: torch.Tensor, gamma: float, alpha: float
) -> None:
    """Focal loss on logits.

    Args:
        input: (N, C), logits.
        target: (N,) int64; another number than a class's means background.
        weight: (C,), of the classes, or empty.
        output: (N, C), filled.
        gamma: the exponent.
        alpha: the share of the positives.
    """
    p = input.sigmoid()
    positive, negative = (1 - p) ** gamma * _log(p), p**gamma * _log(1 - p)
    output.copy_(_sigmoid(input, target, weight, alpha, positive, negative))


@operator
def sigmoid_focal_loss_backward(
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor,
    grad_input: torch.Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Derivative of each output of the forward by its own logit, into ``grad_input`` (N, C)."""
    p = input.sigmoid()
    positive = (1 - p) ** gamma * (1 - p - gamma * p * _log(p))
    negative = p**gamma * (gamma * (1 - p) * _log(1 - p) - p)
    grad_input.copy_(_sigmoid(input, target, weight, alpha, positive, negative))


def _softmax(input: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, loss: torch.Tensor) -> torch.Tensor:
    """Zero without a label, weighted by class, (N,)."""
    loss = torch.where(target >= 0, loss, torch.zeros_like(loss))
    return loss * _class_weight(weight, target) if weight.numel() else loss


@operator
def softmax_focal_loss_forward(
    input: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, output: torch.Tensor, gamma: float, alpha: float
) -> None:
    """Focal loss on probabilities.

    Args:
        input: (N, C), after the softmax.
        target: (N,) int64; a negative one has no loss.
        weight: (C,), of the classes, or empty.
        output: (N,), filled.
        gamma: the exponent.
        alpha: a factor.
    """
    p = input.gather(1, target.clamp(min=0)[:, None])[:, 0]
    output.copy_(_softmax(input, target, weight, -alpha * (1 - p) ** gamma * _log(p)))


@operator
def softmax_focal_loss_backward(
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor,
    buff: torch.Tensor,
    grad_input: torch.Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Derivative of each output of the forward by the logits before the softmax, into ``grad_input`` (N, C)."""
    label = target.clamp(min=0)[:, None]
    p = input.gather(1, label)[:, 0]
    slope = alpha * (gamma * (1 - p) ** (gamma - 1) * p * _log(p) - (1 - p) ** gamma)
    buff.copy_(_softmax(input, target, weight, slope))
    hit = torch.zeros_like(input).scatter_(1, label, 1.0)
    grad_input.copy_(buff[:, None] * (hit - input))
