"""Upstream's own ONNX form of a detector, and the two other RoI extractors that one of two stages is compared with.

What is traced is upstream's code: its ``forward`` with ``return_loss=False``, which takes ``onnx_export`` while
exporting, with the arguments of its own ``tools/deployment/pytorch2onnx.py``. Three things are fixed, without which no
torch after 1.8 traces it: the input goes through a module with one parameter (not a ``partial``), the stand-in of
NonMaxSuppression makes its output from its inputs, and mmcv's extra symbolics are not registered.
"""

import contextlib
from typing import Any, Callable, Dict, Iterator, Optional, Sequence

import torch
from torch import nn

from mmonnx.environment import compat
from mmonnx.loading.task import Task
from mmonnx.rewriting.rewrites.roi_pooling import inverse

from .scoped import replaced

OPSET = 11
Forward = Callable[..., torch.Tensor]


def export_upstream(task: Task, path: str, extractor: Optional[Forward] = None) -> None:
    """Write upstream's form of a detector, dynamic in batch, height and width.

    Args:
        task: the detector, as ``codebases.load`` gives it.
        path: the file to write.
        extractor: stands in for ``SingleRoIExtractor.forward``; None for upstream's own.
    """
    from mmdet.core.export.onnx_helper import DummyONNXNMSop
    from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor

    model = task.module.model
    _name_score_limit(model)
    with contextlib.ExitStack() as stack:
        stack.enter_context(replaced(DummyONNXNMSop, "forward", staticmethod(two_rows)))
        if extractor is not None:
            stack.enter_context(replaced(SingleRoIExtractor, "forward", extractor))
        torch.onnx.export(
            _UpstreamModule(model, task.shape).eval(),
            (task.inputs["input"],),
            path,
            input_names=["input"],
            output_names=task.output_names,
            keep_initializers_as_inputs=True,
            do_constant_folding=True,
            opset_version=OPSET,
            dynamic_axes=_dynamic_axes(task),
            **compat.export_kwargs(),
        )


def scatter_forward(
    self: Any, feats: Sequence[torch.Tensor], rois: torch.Tensor, roi_scale_factor: Optional[float] = None
) -> torch.Tensor:
    """PPLNN's guide: the RoIs of a level are selected with NonZero, and their features written back with ScatterND.

    Args:
        feats: per level (N, C, H, W).
        rois: (K, 5) ``(image, x1, y1, x2, y2)``.

    Returns:
        (K, C, h, w).
    """
    if len(feats) == 1:
        return self.roi_layers[0](feats[0], rois)
    result = rois.new_zeros((rois.size(0), self.out_channels, *self.roi_layers[0].output_size))
    for layer, feature, rows, selected in _by_level(self, feats, rois, roi_scale_factor):
        result[rows] = layer(feature, selected)
    return result


def gather_forward(
    self: Any, feats: Sequence[torch.Tensor], rois: torch.Tensor, roi_scale_factor: Optional[float] = None
) -> torch.Tensor:
    """As ``scatter_forward``, but the levels are concatenated, and one Gather puts their rows back in order."""
    if len(feats) == 1:
        return self.roi_layers[0](feats[0], rois)
    pooled, order = [], []
    for layer, feature, rows, selected in _by_level(self, feats, rois, roi_scale_factor):
        pooled.append(layer(feature, selected))
        order.append(rows)
    return torch.cat(pooled)[inverse(torch.cat(order))]


def _by_level(self: Any, feats: Sequence[torch.Tensor], rois: torch.Tensor, factor: Optional[float]) -> Iterator[Any]:
    """Layer, feature, row numbers (k,) and RoIs (k, 5) of each level."""
    levels = self.map_roi_levels(rois, len(feats))
    if factor is not None:
        rois = self.roi_rescale(rois, factor)
    for number, (layer, feature) in enumerate(zip(self.roi_layers, feats)):
        rows = (levels == number).nonzero(as_tuple=False).squeeze(1)
        yield layer, feature, rows, rois[rows]


class _UpstreamModule(nn.Module):
    """(N, 3, H, W) -> what upstream's tool writes: dets, labels and masks if there are any."""

    def __init__(self, model: nn.Module, shape: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        size = (*shape, 3)
        self.meta = dict(img_shape=size, ori_shape=size, pad_shape=size, flip=False, flip_direction=None)

    def forward(self, input: torch.Tensor) -> Any:
        return self.model(img=[input], img_metas=[[self.meta]], return_loss=False, rescale=False)


def two_rows(ctx: Any, boxes: torch.Tensor, scores: torch.Tensor, *limits: torch.Tensor) -> torch.Tensor:
    """(2, 3) int64: as many rows as upstream's, which are only there to be traced."""
    return scores.new_zeros((2, 3), dtype=torch.long)


def _name_score_limit(model: nn.Module) -> None:
    """Say the score limit of the RPN's NMS, if it has one, under the name that upstream's export reads."""
    nms = model.rpn_head.test_cfg.nms if hasattr(model, "rpn_head") else {}
    if "score_threshold" in nms:
        nms["score_thr"] = nms["score_threshold"]


def _dynamic_axes(task: Task) -> Dict[str, Dict[int, str]]:
    axes = {"input": {0: "batch", 2: "height", 3: "width"}}
    axes.update({name: {0: "batch", 1: "num_dets"} for name in task.output_names})
    return axes
