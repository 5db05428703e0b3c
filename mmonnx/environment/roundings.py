"""PyTorch's own inference as it is when its sums round otherwise."""

import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Callable, Iterator

import torch
from torch import nn
from torch.nn import functional

from .parts import python_parts
from .stand_ins import StandIn, standing_in


def rounding_noise(
    tensor: torch.Tensor, generator: torch.Generator, planes: bool = False, least: float = 1.0
) -> torch.Tensor:
    """Noise of the size of float32's rounding of the greatest value that is finite.

    Args:
        tensor: any size.
        generator: of the noise.
        planes: one and the same for a whole plane of a map (N, C, H, W), to be added to it.
        least: the value of whose rounding it is where the greatest is less: what is summed may be greater than the sum.
    """
    shape = [size if axis < 2 else 1 for axis, size in enumerate(tensor.shape)] if planes else tensor.shape
    noise = torch.randn(shape, generator=generator).to(tensor)
    size = tensor.abs()
    greatest = float(size.max())
    if greatest == float("inf"):  # what is masked
        greatest = float(torch.where(size.isfinite(), size, torch.zeros_like(size)).max())
    return noise * (torch.finfo(torch.float32).eps * max(greatest, least))


@contextmanager
def layers_round_otherwise(
    module: nn.Module, generator: torch.Generator, roundings: float = 1.0, least: float = 1.0
) -> Iterator[None]:
    """Add such noise, some times over, to what each layer with weights gives this thread inside the block.

    A runtime rounds in every layer, and not only once. Of a plane of equal values, as a blank image gives, the mean
    that ONNX Runtime normalizes with is wrong by a hundred roundings, since all its additions round the same way: the
    whole plane is off by as much, and noise of each value would not show that.

    An ELU of a small value is an exponential of nearly one without that one. Torch has a function for it; elsewhere
    what is left is wrong by a rounding of one, however small it is.
    """

    thread = threading.get_ident()

    def add_noise(layer: nn.Module, inputs: Any, output: Any) -> Any:
        if threading.get_ident() != thread or not (
            isinstance(output, torch.Tensor) and output.is_floating_point() and output.numel()
        ):
            return None
        noise = rounding_noise(output, generator, least=least)
        if output.dim() > 2:
            noise = noise + rounding_noise(output, generator, planes=True, least=least)
        return output + noise * roundings

    with ExitStack() as stack:
        for _, layer in python_parts(module):
            if any(True for _ in layer.parameters(recurse=False)):
                stack.callback(layer.register_forward_hook(add_noise).remove)
        without_one = partial(_without_one, generator, roundings)
        stack.enter_context(standing_in([StandIn([functional], name, without_one) for name in ("elu", "celu", "selu")]))
        yield


def _without_one(
    generator: torch.Generator, roundings: float, original: Callable[..., Any], input: Any, *args: Any, **kwargs: Any
) -> Any:
    below = input < 0  # it may be written into
    output = original(input, *args, **kwargs)
    noise = torch.randn(output.shape, generator=generator).to(output) * (torch.finfo(torch.float32).eps / 4)
    return torch.where(below, output + noise * roundings, output)


@contextmanager
def resizing_rounds_otherwise(generator: torch.Generator, roundings: float = 1.0) -> Iterator[None]:
    """Let what this thread resizes inside the block lie elsewhere by some roundings of a place.

    Torch multiplies a place by the inverse of the factor, ONNX Runtime divides it by the factor: where an image of 112
    rows is made of 32, row 87 lies at 24.5 cells for the one and at 24.500002 for the other. Between a cell that is cut
    away and one whose mask is sure that is 0.5 or above.
    """
    with standing_in([StandIn([functional], "interpolate", partial(_resized, generator, roundings))]):
        yield


def _resized(
    generator: torch.Generator, roundings: float, original: Callable[..., Any], input: Any, *args: Any, **kwargs: Any
) -> Any:
    output = original(input, *args, **kwargs)
    sizes = list(zip(input.shape[2:], output.shape[2:]))
    if not output.is_floating_point() or not output.numel() or all(large % small == 0 for small, large in sizes):
        return output  # by a whole factor all places are exact
    # a place counts cells, and is rounded as their number is
    return output + rounding_noise(output, generator, least=0.0) * (roundings * max(small for small, _ in sizes))
