"""Whether maps are large enough for every weight of a kernel to meet more than padding.

Of a 3x3 kernel with a stride of 2, most weights do nothing on a map of 1x2, and a pooling of 13x13 takes all of a map
of 6x8 wherever it begins: what is wrong in them does not show there.
"""

from contextlib import ExitStack, contextmanager
from functools import lru_cache
from itertools import count
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

from torch import nn

Pair = Tuple[int, int]


class Kernels:
    """The kernels of a model, and the maps that they were seen on.

    Args:
        module: the model.

    Attributes:
        fits: by path of a layer the side of the largest map that it was seen on, as a share of the least that its
            whole kernel meets; the lesser share of height and width. Layers that were never seen are missing.
    """

    def __init__(self, module: nn.Module) -> None:
        self._layers = {name: layer for name, layer in module.named_modules() if _least(layer) is not None}
        self.fits: Dict[str, float] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """See the maps of the block."""

        def note(name: str) -> Any:
            def hook(layer: nn.Module, inputs: Any) -> None:
                least, shape = _least(layer), getattr(inputs[0] if inputs else None, "shape", ())
                if least is not None and len(shape) == 4:
                    share = min(int(side) / needed for side, needed in zip(shape[2:], least))
                    self.fits[name] = max(share, self.fits.get(name, 0.0))

            return hook

        with ExitStack() as stack:
            for name, layer in self._layers.items():
                stack.callback(layer.register_forward_pre_hook(note(name)).remove)
            yield

    @property
    def times(self) -> int:
        """How many times as large a picture has to be for all of them to fit."""
        return max([1, *(int(-(-1 // share)) for share in self.fits.values() if share > 0)])

    @property
    def count(self) -> Tuple[int, int]:
        """How many fit, of how many that were seen."""
        return sum(share >= 1 for share in self.fits.values()), len(self.fits)


@lru_cache(maxsize=None)
def least_side(size: int, stride: int, padding: int, dilation: int) -> int:
    """The least side of a map, in cells, on which each tap of a kernel meets a cell somewhere."""
    for side in count(1):
        starts = range(-padding, side + padding - dilation * (size - 1), stride)
        if starts and all(any(0 <= start + dilation * tap < side for start in starts) for tap in range(size)):
            return side
    raise AssertionError("a large enough map meets all of them")


def _least(layer: nn.Module) -> Optional[Pair]:
    """The least (height, width) of a map for a layer with a kernel of more than one cell, None for other layers."""
    size = _pair(getattr(layer, "kernel_size", None))
    if size is None or size == (1, 1) or getattr(layer, "transposed", False):
        return None
    dilation = _pair(getattr(layer, "dilation", 1)) or (1, 1)
    stride = _pair(getattr(layer, "stride", 1)) or size  # None is the kernel's own, of a pooling
    padding = getattr(layer, "padding", 0)
    if padding == "same":
        padding = tuple(one * (side - 1) // 2 for one, side in zip(dilation, size))
    height, width = (least_side(*axis) for axis in zip(size, stride, _pair(padding) or (0, 0), dilation))
    return height, width


def _pair(value: Any) -> Optional[Pair]:
    if isinstance(value, int):
        return value, value
    is_pair = isinstance(value, Sequence) and len(value) == 2 and all(isinstance(one, int) for one in value)
    return (value[0], value[1]) if is_pair else None
