"""RoIAlign over the levels of a pyramid: every RoI once, on its own level, and exactly as PyTorch does it.

Below opset 16 ONNX's RoiAlign makes every RoI at least one feature cell wide and high, as the old, not aligned
operator did. PyTorch's aligned one does not, and boxes that are clipped at the border of the image are often thinner
than a cell. Such RoIs are pooled on a window whose samples fall on the cells themselves, and the samples that PyTorch
takes are interpolated from those: bilinear interpolation is linear between cells, so this is exact.
"""

from typing import Any, List, Optional, Sequence, Tuple

import torch

from ..symbolics.non_zero import non_zero
from ..symbolics.roi_align import roi_align

_HALF_PIXEL_OPSET = 16
_LEAST_BINS = 3
"""Samples of a RoI thinner than a cell touch three cells at most."""


def pool(
    layers: Sequence[Any],
    feats: Sequence[torch.Tensor],
    rois: torch.Tensor,
    target: Optional[torch.Tensor],
    opset: int,
) -> torch.Tensor:
    """Pool each RoI on its level.

    Args:
        layers: mmcv's RoIAlign of each level.
        feats: per level (N, C, H, W).
        rois: (K, 5) ``(image, x1, y1, x2, y2)``; K may be 0, and so may the RoIs of any level.
        target: (K,) int64 the level of each RoI, None when there is one level.
        opset: of the file.

    Returns:
        (K, C, h, w), in the order of ``rois``.
    """
    boxes, image = rois[:, 1:], rois[:, 0].long()
    levels = list(zip(layers, feats))
    if _is_exact(layers[0], opset):
        if target is None:
            return _align(layers[0], feats[0], boxes, image, opset)
        pooled, rows = _pool_groups(levels, boxes, image, target, opset)
        return torch.cat(pooled)[inverse(torch.cat(rows))]
    cells = _Cells(layers, boxes, target)
    # the thin RoIs of each level are groups of their own, behind the others
    group = cells.thin.long() * len(feats)
    group = group if target is None else group + target
    pooled, rows = _pool_groups(levels * 2, cells.windows, image, group, opset)
    ordinary, windows = pooled[: len(feats)], pooled[len(feats) :]
    thin = cells.interpolate(torch.cat(windows), torch.cat(rows[len(feats) :]))
    return torch.cat(ordinary + [thin])[inverse(torch.cat(rows))]


def _pool_groups(
    levels: Sequence[Tuple[Any, torch.Tensor]],
    boxes: torch.Tensor,
    image: torch.Tensor,
    group: torch.Tensor,
    opset: int,
) -> Tuple[List[torch.Tensor], List[torch.Tensor]]:
    """What each group of RoIs (K,) gives on its level, and the rows (k,) that are in it."""
    pooled, rows = [], []
    for number, (layer, feature) in enumerate(levels):
        row = non_zero(group == number).reshape(-1)
        rows.append(row)
        pooled.append(_align(layer, feature, boxes[row], image[row], opset))
    return pooled, rows


def inverse(permutation: torch.Tensor) -> torch.Tensor:
    """The inverse of a permutation (K,) int64."""
    # Sorting a permutation gives its inverse. As float, since PPLNN refuses TopK on int64 and an inverse made with
    # ScatterND; row numbers are far below 2**24.
    return permutation.to(torch.float32).topk(permutation.shape[0], largest=False)[1]


class _Cells:
    """The RoIs in cells of their feature maps.

    Attributes:
        thin: (K,) bool, whether a RoI is thinner than a cell along an axis.
        windows: (K, 4) boxes in pixels: along a thin axis they begin at a cell and span one cell per bin.
    """

    def __init__(self, layers: Sequence[Any], boxes: torch.Tensor, target: Optional[torch.Tensor]) -> None:
        size = layers[0].output_size
        self._bins = (int(size[1]), int(size[0]))  # along x and y
        scales = boxes.new_tensor([[layer.spatial_scale] for layer in layers])
        scale = scales if target is None else scales[target]
        self._low = boxes[:, :2] * scale - 0.5
        self._size = boxes[:, 2:] * scale - 0.5 - self._low
        self._axis = self._size < 1
        self.thin = self._axis[:, 0] | self._axis[:, 1]
        first = self._low.floor()
        begin = torch.where(self._axis, first / scale, boxes[:, :2])
        end = torch.where(self._axis, (first + boxes.new_tensor(self._bins)) / scale, boxes[:, 2:])
        self.windows = torch.cat([begin, end], 1)

    def interpolate(self, values: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        """What PyTorch samples at the thin RoIs ``row`` (T,), from their windows ``values`` (T, C, h, w)."""
        low, size, axis = self._low[row], self._size[row], self._axis[row]
        if self._bins[0] == self._bins[1]:
            along_x, along_y = self._weights(low, size, axis, self._bins[0]).unbind(1)
        else:
            along_x, along_y = (
                self._weights(low[:, i : i + 1], size[:, i : i + 1], axis[:, i : i + 1], self._bins[i])[:, 0]
                for i in (0, 1)
            )
        return along_y[:, None].matmul(values).matmul(along_x.transpose(1, 2)[:, None])

    @staticmethod
    def _weights(low: torch.Tensor, size: torch.Tensor, thin: torch.Tensor, bins: int) -> torch.Tensor:
        """(T, axes, bins, bins): the share of each cell of the window in each bin; the identity where not thin."""
        number = torch.arange(bins, device=low.device, dtype=low.dtype)
        low, size, thin = low[..., None], size[..., None], thin[..., None]
        width = size / bins
        # PyTorch's own order of the sums, for PyTorch's own rounding
        sample = low + number * width + 0.5 * width
        place = torch.where(thin, sample - low.floor(), number)
        # PyTorch takes no sample of a RoI without extent, so that its features are zero: two cells off is no share
        place = torch.where(size > 0, place, number.new_full((1,), -2.0))
        return (1 - (place[..., None] - number).abs()).clamp(min=0)


def _is_exact(layer: Any, opset: int) -> bool:
    """Whether ONNX's operator does as PyTorch's by itself, or nothing can be done about it."""
    if opset >= _HALF_PIXEL_OPSET or not layer.aligned:
        return True
    # several samples per bin are averaged inside the operator, and a maximum is not linear
    return layer.sampling_ratio > 0 or layer.pool_mode != "avg" or min(layer.output_size) < _LEAST_BINS


def _align(layer: Any, feature: torch.Tensor, boxes: torch.Tensor, image: torch.Tensor, opset: int) -> torch.Tensor:
    return roi_align(
        feature,
        boxes,
        image,
        layer.output_size,
        layer.spatial_scale,
        layer.sampling_ratio,
        layer.pool_mode,
        layer.aligned,
        opset,
    )
