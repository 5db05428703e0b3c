"""Stand-ins for the head of PSANet."""

from typing import Any, Tuple

import torch
from torch.nn import functional

from ....context import ExportContext
from ....registry import rewrite
from ....sizes import ceil_divide, floor_divide, is_traced


@rewrite("mmseg.models.decode_heads.psa_head.PSAHead.forward")
def forward(context: ExportContext, original: Any, self: Any, inputs: Any) -> torch.Tensor:
    """Class logits (N, num_classes, H, W), for maps of any size.

    Upstream's way of making a map smaller depends on whether its height and width divide.
    """
    if self.compact:  # the mask is as large as the map, which has one size
        return original(self, inputs)
    x = self._transform_inputs(inputs)
    if self.psa_type == "bi-direction":
        collecting = self.reduce, self.attention, self.psamask_collect
        distributing = self.reduce_p, self.attention_p, self.psamask_distribute
        parts = [collecting, distributing]
    else:
        parts = [(self.reduce, self.attention, self.psamask)]
    shrinking = _Shrinking(self, x.shape[2:])
    found = torch.cat([_attended(self, shrinking, x, *part) for part in parts], 1)
    found = shrinking.back(self.proj(found), x.shape[2:])
    return self.cls_seg(self.bottleneck(torch.cat((x, found), 1)))


def _attended(
    head: Any, shrinking: "_Shrinking", x: torch.Tensor, reduce: Any, attention: Any, mask: Any
) -> torch.Tensor:
    """What each place of a map collects from all, or distributes to all, of the places around it."""
    x = shrinking(reduce(x))
    weights = mask(attention(x))
    weights = weights.softmax(1) if head.psa_softmax else weights
    found = torch.bmm(x.flatten(2), weights.flatten(2)) * (1.0 / head.normalization_factor)
    return found.reshape(-1, int(x.shape[1]), *shrinking.size)


class _Shrinking:
    """How a map of a size is made smaller, and back again.

    Where neither side divides, corners are aligned and the sides are rounded up; else they are rounded down.
    """

    def __init__(self, head: Any, size: Tuple[Any, Any]) -> None:
        self._factor, self._own = head.shrink_factor, head.align_corners
        rests = [side - floor_divide(side, self._factor) * self._factor for side in size]
        self._traced = is_traced(tuple(size))
        self._aligned: Any = rests[0] * rests[1] > 0
        self.size = tuple(
            self._chosen(ceil_divide(side, self._factor), floor_divide(side, self._factor)) for side in size
        )

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x if self._factor == 1 else self._resized(x, self.size)

    def back(self, x: torch.Tensor, size: Tuple[Any, Any]) -> torch.Tensor:
        """A map of another size as one of its own; where nothing was shrunk, as the head aligns."""
        if self._factor == 1:
            return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=self._own)
        return self._resized(x, size)

    def _resized(self, x: torch.Tensor, size: Tuple[Any, Any]) -> torch.Tensor:
        if not self._traced:
            return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=bool(self._aligned))
        ways = [
            functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=corners)
            for corners in (True, False)
        ]
        return torch.where(self._aligned, *ways)

    def _chosen(self, aligned: Any, other: Any) -> Any:
        return torch.where(self._aligned, aligned, other) if self._traced else (aligned if self._aligned else other)
