"""The pooling of regions by itself: PyTorch's layers and the file's are given the same regions, of every size.

Which regions a model pools depends on its weights and pictures: of a pyramid's coarsest level it may be none for a long
time, and of a mask head's level none but those that a mask hardly tells apart. What a layer makes of regions does not
depend on where they come from.
"""

import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Tuple

import torch
from torch import nn

from .probes import POOLED, REGIONS, Probe, poolings

_LEAST, _MOST = 2.0, 1.5
"""Sides of drawn regions: in pixels the least, and the greatest as a share of the longest side of the input."""
_LARGE = 1200.0
"""The greatest side, in pixels, that is drawn on small inputs as well: the coarsest levels are for such regions."""
_THIN = 128.0
"""Regions with a side below this many pixels are clipped to the input, as a model clips them."""
_NUMBER = 160
"""How many regions are drawn for each image."""


@dataclass(frozen=True)
class PoolingCall:
    """One call of a layer that pools regions.

    Attributes:
        module: the layer's path inside the traced module.
        call: which of its calls, from 0 on.
        images: how many images its maps are of.
        regions: (K, 5) ``(image, x1, y1, x2, y2)`` in pixels, what it was given.
        rank: the axes of what it gave.
        again: what it gives for other regions on the same maps.
    """

    module: str
    call: int
    images: int
    regions: torch.Tensor
    rank: int
    again: Callable[[torch.Tensor], torch.Tensor]

    @property
    def probes(self) -> Tuple[Probe, Probe]:
        """Its regions, and what it made of them."""
        return Probe(self.module, self.call, 2, REGIONS), Probe(self.module, self.call, self.rank, POOLED)


class FirstPooling(Exception):
    """Ends a run at the first pooling of regions.

    Attributes:
        module: the layer's path inside the traced module.
        regions: (K, 5), see ``PoolingCall``.
    """

    def __init__(self, module: str, regions: torch.Tensor) -> None:
        super().__init__(module)
        self.module, self.regions = module, regions

    @property
    def probe(self) -> Probe:
        """The regions."""
        return Probe(self.module, 0, 2, REGIONS)


@contextmanager
def pooling_calls(module: nn.Module, stop: bool = False) -> Iterator[List[PoolingCall]]:
    """The calls, inside the block and in this thread, of the layers of a model that pool regions.

    Args:
        module: the model.
        stop: raise ``FirstPooling`` in the place of the first one.
    """
    found: List[PoolingCall] = []
    thread = threading.get_ident()

    def noting(path: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            if stop and threading.get_ident() == thread and _are_regions(args):
                raise FirstPooling(path, args[1].detach())
            pooled = forward(*args, **kwargs)
            if threading.get_ident() == thread and _are_regions(args) and isinstance(pooled, torch.Tensor):
                call = sum(one.module == path for one in found)
                maps, regions, *rest = args

                def again(others: torch.Tensor) -> torch.Tensor:
                    return forward(maps, others, *rest, **kwargs)

                images = len(maps if isinstance(maps, torch.Tensor) else maps[0])
                found.append(PoolingCall(path, call, images, regions.detach(), pooled.dim(), again))
            return pooled

        return noted

    with ExitStack() as stack:
        for path, layer in outer_poolings(module).items():
            stack.callback(_put_back, layer, vars(layer).get("forward"))
            layer.forward = noting(path, layer.forward)
        yield found


def outer_poolings(module: nn.Module) -> Dict[str, nn.Module]:
    """The layers of a model that pool regions and are no part of another one, by their paths."""
    layers = set(poolings(module))
    inner = {part for layer in layers for part in layer.modules() if part is not layer}
    return {path: layer for path, layer in module.named_modules() if layer in layers - inner}


def _put_back(layer: nn.Module, forward: Any) -> None:
    if forward is None:
        del layer.forward
    else:
        layer.forward = forward


def _are_regions(args: Tuple[Any, ...]) -> bool:
    return len(args) > 1 and isinstance(args[1], torch.Tensor) and args[1].dim() == 2 and args[1].shape[1] == 5


def draw_regions(images: int, shape: Tuple[int, int], seed: int = 0) -> torch.Tensor:
    """Regions of every size and place: wide, high, thin, clipped, and as large as the coarsest levels take.

    Args:
        images: of how many images.
        shape: (height, width) of the input, in pixels.
        seed: other ones.

    Returns:
        (images * 160, 5) ``(image, x1, y1, x2, y2)`` in pixels, image by image.
    """
    generator = torch.Generator().manual_seed(seed)
    count = images * _NUMBER

    def uniform() -> torch.Tensor:
        return torch.rand(count, 2, generator=generator)

    most = max(_MOST * max(shape), _LARGE)
    sizes = _LEAST * (most / _LEAST) ** uniform()
    shares = torch.rand(count, 1, generator=generator)
    # half of them are about as high as wide: of two sides by chance the area is seldom a very large one
    sizes = torch.where(shares < 0.5, sizes, sizes[:, :1] * (0.75 + 0.5 * uniform()))
    sides = torch.tensor([float(shape[1]), float(shape[0])])
    centers = uniform() * sides
    corners = torch.stack([centers - sizes / 2, centers + sizes / 2], 1)
    clipped = torch.minimum(corners.clamp(min=0), sides)
    corners = torch.where(sizes.min(1)[0][:, None, None] < _THIN, clipped, corners)
    # image by image: some layers that pool go by this order
    image = torch.arange(images).repeat_interleave(_NUMBER)[:, None].float()
    return torch.cat([image, corners.flatten(1)], 1)
