"""RoIAlign over the levels of a pyramid: every RoI once, on its own level, and exactly as PyTorch does it.

Below opset 16 ONNX's RoiAlign makes every RoI at least one feature cell wide and high, as the old, not aligned
operator did. PyTorch's aligned one does not, and boxes that are clipped at the border of the image are often thinner
than a cell. Such RoIs are pooled on a window of two cells, and the samples that PyTorch takes are read off the lines
through the window's bins: bilinear interpolation is linear between cells, so this is exact.
"""

from typing import Any, List, Optional, Sequence, Tuple, Union

import torch

from ..symbolics import (
    HALF_PIXEL_OPSET,
    LEAST_BINS,
    MMCV_ROI_ALIGN,
    mmcv_roi_align,
    non_zero,
    permute_rows,
    roi_align,
    select_rows,
    window_lines,
)
from .context import ExportContext

Rows = Union[slice, torch.Tensor]

_BAND, _BANDS = 32.0, 512
"""Height in pixels, and number, of the bands of the image in which RoIs are read from left to right."""


def pool(
    context: ExportContext,
    layers: Sequence[Any],
    feats: Sequence[torch.Tensor],
    rois: torch.Tensor,
    target: Optional[torch.Tensor],
) -> torch.Tensor:
    """Pool each RoI on its level.

    The RoIs are sorted by level and place, so that each level's are one slice, and that neighbours, which read the same
    features, follow each other: from the processor's cache they cost up to a third less.

    Args:
        layers: mmcv's RoIAlign, or any other layer that pools RoIs, of each level.
        feats: per level (N, C, H, W).
        rois: (K, 5) ``(image, x1, y1, x2, y2)``, or (K, 6) ``(image, cx, cy, width, height, angle)`` for layers that
            pool rotated ones; K may be 0, and so may the RoIs of any level.
        target: (K,) int64 the level of each RoI, None when there is one level.

    Returns:
        (K, C, h, w), in the order of ``rois``.
    """
    levels, exact = len(feats), _is_exact(context, layers[0])
    boxes, image = rois[:, 1:], rois[:, 0].long()
    cells = None if exact else _Cells(layers, boxes, target)
    # the thin RoIs of each level are groups of their own, behind the others
    groups = levels if cells is None else 2 * levels
    group = target if cells is None else cells.thin.long() * levels
    if cells is not None and target is not None:
        group = group + target
    order = _reading_order(context, boxes, image, group)
    sorted_rois = _Sorted((boxes if cells is None else cells.windows)[order], image[order], order)
    parts = [slice(None)] if group is None else _parts(group, groups)
    if group is not None and not context.capabilities.empty_tensors:
        parts = sorted_rois.add_dummies(group, groups)
    pooled = [
        _align(layers[number % levels], feats[number % levels], *sorted_rois.part(rows), context)
        for number, rows in enumerate(parts)
    ]
    if cells is not None:
        thin = cells.interpolate(torch.cat(pooled[levels:]), sorted_rois.source(parts[levels:]))
        pooled = pooled[:levels] + [thin]
    together = torch.cat(pooled) if len(pooled) > 1 else pooled[0]
    if isinstance(parts[0], slice):
        return permute_rows(together, inverse(order))
    return select_rows(together, inverse(torch.cat(parts))[inverse(order)])


class _Sorted:
    """The RoIs in the order in which they are pooled: boxes (K, D), image (K,), and the row (K,) each had before."""

    def __init__(self, boxes: torch.Tensor, image: torch.Tensor, order: torch.Tensor) -> None:
        self._boxes, self._image, self._order = boxes, image, order

    def part(self, rows: Rows) -> Tuple[torch.Tensor, torch.Tensor]:
        """Boxes and images of some of them."""
        return self._boxes[rows], self._image[rows]

    def source(self, parts: Sequence[Rows]) -> torch.Tensor:
        """The former rows of some parts that follow each other."""
        if isinstance(parts[0], slice):
            return self._order[parts[0].start :]
        return self._order[torch.cat(list(parts))]

    def add_dummies(self, group: torch.Tensor, groups: int) -> List[torch.Tensor]:
        """Put one more RoI for each group (K,) behind all, for runtimes that skip an operator without RoIs.

        Returns:
            For each group its rows, of which the last is the dummy.
        """
        group = torch.cat([group[self._order], torch.arange(groups, device=group.device)])
        dummy = [0.0, 0.0, _BAND, _BAND] + [0.0] * (int(self._boxes.shape[1]) - 4)
        self._boxes = torch.cat([self._boxes, self._boxes.new_tensor([dummy] * groups)])
        self._image = torch.cat([self._image, self._image.new_zeros(groups)])
        # a dummy's former row is that of any RoI: what is made of it is thrown away
        self._order = torch.cat([self._order, self._order.new_zeros(groups)])
        return [non_zero(group == number).reshape(-1) for number in range(groups)]


def _parts(group: torch.Tensor, groups: int) -> List[Rows]:
    """Where each group (K,) lies among the sorted RoIs."""
    bound = torch.arange(1, groups, device=group.device)[:, None]
    ends = list((group < bound).long().sum(1).unbind(0))
    return [slice(start, end) for start, end in zip([None] + ends, ends + [None])]


def inverse(permutation: torch.Tensor) -> torch.Tensor:
    """The inverse of a permutation (K,) int64."""
    # Sorting a permutation gives its inverse. As float, since PPLNN refuses TopK on int64 and an inverse made with
    # ScatterND; row numbers are far below 2**24.
    return permutation.to(torch.float32).topk(permutation.shape[0], largest=False)[1]


def _reading_order(
    context: ExportContext, boxes: torch.Tensor, image: torch.Tensor, group: Optional[torch.Tensor]
) -> torch.Tensor:
    """The rows (K,) int64 by group, image, band of the image, and from left to right."""
    if group is not None:
        image = group * context.input.shape[0] + image
    center = boxes[:, :2] if int(boxes.shape[1]) == 5 else (boxes[:, :2] + boxes[:, 2:]) * 0.5
    band = (center[:, 1] * (1 / _BAND)).floor().clamp(min=0, max=_BANDS - 1)
    # less than a half, so that a float32 holds all of it and no RoI is rounded up into the next group
    across = (center[:, 0] * 2.0**-16).clamp(min=0, max=0.5)
    key = image.to(boxes.dtype) * _BANDS + band + across
    return key.topk(key.shape[0], largest=False)[1]


class _Cells:
    """The RoIs in cells of their feature maps.

    Attributes:
        thin: (K,) bool, whether a RoI is thinner than a cell along an axis.
        windows: (K, 4) boxes in pixels: along a thin axis the two cells that PyTorch's samples lie between.
    """

    def __init__(self, layers: Sequence[Any], boxes: torch.Tensor, target: Optional[torch.Tensor]) -> None:
        height, width = layers[0].output_size
        self._bins, self._samples = (int(width), int(height)), int(layers[0].sampling_ratio)
        scales = boxes.new_tensor([[layer.spatial_scale] for layer in layers])
        scale = scales if target is None else scales[target]
        self._low = boxes[:, :2] * scale - 0.5
        self._size = boxes[:, 2:] * scale - 0.5 - self._low
        axis = self._size < 1
        # of the lesser side, as PPLNN has no Or and gathers no bool
        self.thin = self._size.min(1)[0] < 1
        first = self._low.floor()
        begin = torch.where(axis, (first + 0.5) / scale, boxes[:, :2])
        end = torch.where(axis, (first + 2.5) / scale, boxes[:, 2:])
        self.windows = torch.cat([begin, end], 1)

    def interpolate(self, values: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
        """What PyTorch samples at the thin RoIs ``row`` (T,), from their windows ``values`` (T, C, h, w)."""
        low, size = self._low[row], self._size[row]
        if self._bins[0] == self._bins[1]:
            along_x, along_y = self._weights(low, size, self._bins[0]).unbind(1)
        else:
            along_x, along_y = (
                self._weights(low[:, i : i + 1], size[:, i : i + 1], self._bins[i])[:, 0] for i in (0, 1)
            )
        return along_y[:, None].matmul(values).matmul(along_x.transpose(1, 2)[:, None])

    def _weights(self, low: torch.Tensor, size: torch.Tensor, bins: int) -> torch.Tensor:
        """(T, axes, bins, bins): the share of each bin of the window in each of PyTorch's; the identity if not thin."""
        samples = max(1, self._samples)
        low, size = low[..., None], size[..., None]
        number = torch.arange(bins, device=low.device, dtype=low.dtype)
        width = size / bins
        # PyTorch's own order of the sums, for PyTorch's own rounding
        start = low + number * width - low.floor()
        (near, rise), (far, climb) = ([low.new_tensor(line) for line in pair] for pair in window_lines(bins))
        shares = []
        for sample in range(samples):
            place = (start + (sample + 0.5) * width / samples)[..., None]
            shares.append(torch.where(place < 1, near + place * rise, far + place * climb))
        share = shares[0] if samples == 1 else sum(shares[1:], shares[0]) / samples
        if not self._samples:
            # PyTorch takes no sample of a RoI without extent, so that its features are zero
            share = torch.where(size[..., None] > 0, share, share.new_zeros(1))
        return torch.where(size[..., None] < 1, share, torch.eye(bins, dtype=low.dtype, device=low.device))


def _is_exact(context: ExportContext, layer: Any) -> bool:
    """Whether the operator does as PyTorch's by itself, or nothing can be done about it."""
    if not _is_roi_align(layer) or context.opset >= HALF_PIXEL_OPSET:
        return True
    if not layer.aligned or _is_custom(context, layer):
        return True
    return min(layer.output_size) < LEAST_BINS


def _is_roi_align(layer: Any) -> bool:
    from mmcv.ops import RoIAlign

    return isinstance(layer, RoIAlign)


def _is_custom(context: ExportContext, layer: Any) -> bool:
    """Whether mmcv's own operator is traced: where it is wanted, and for the maximum, which ONNX Runtime gets wrong."""
    return MMCV_ROI_ALIGN in context.custom_ops or layer.pool_mode == "max"


def _align(
    layer: Any, feature: torch.Tensor, boxes: torch.Tensor, image: torch.Tensor, context: ExportContext
) -> torch.Tensor:
    rois = torch.cat([image.to(boxes)[:, None], boxes], 1)
    if not _is_roi_align(layer):
        return layer(feature, rois)
    size, scale, ratio = layer.output_size, layer.spatial_scale, layer.sampling_ratio
    if _is_custom(context, layer):
        return mmcv_roi_align(feature, rois, size, scale, ratio, layer.pool_mode, layer.aligned)
    return roi_align(feature, boxes, image, size, scale, ratio, layer.aligned, context.opset)
