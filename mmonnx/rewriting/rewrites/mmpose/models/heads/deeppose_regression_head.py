"""Stand-ins for the head of DeepPose, which RLE trains as well."""

from typing import Any, Dict

import torch

from ....context import ExportContext
from ....crops import filling
from ....registry import rewrite


@rewrite("mmpose.models.heads.deeppose_regression_head.DeepposeRegressionHead.inference_model")
def inference_model(context: ExportContext, original: Any, self: Any, x: Any, flip_pairs: Any = None) -> torch.Tensor:
    """(N, K, 2) shares of the picture's width and height, and with RLE their deviations (N, K, 4); no numpy."""
    output = self.forward(x)
    return torch.cat([output[..., :2], output[..., 2:].sigmoid()], -1) if self.out_sigma else output


@rewrite("mmpose.models.heads.deeppose_regression_head.DeepposeRegressionHead.decode")
def decode(
    context: ExportContext, original: Any, self: Any, img_metas: Any, output: torch.Tensor, **kwargs: Any
) -> Dict[str, torch.Tensor]:
    """``preds``: key points (N, K, 3) in pixels of the network's input, and their scores: 1, or with RLE what is left
    of 1 by the mean deviation."""
    from mmpose.models.heads.deeppose_regression_head import keypoints_from_regression

    size = kwargs["img_size"]
    places, scores = keypoints_from_regression(output[..., :2], *filling(size, output), size)
    if self.out_sigma:
        scores = (1 - output[..., 2:]).mean(2, keepdim=True)
    return {"preds": torch.cat([places, scores], 2)}
