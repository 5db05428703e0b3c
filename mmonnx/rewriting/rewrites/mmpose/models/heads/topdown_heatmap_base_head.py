"""Stand-ins for what top-down heads of heat maps have in common."""

from typing import Any, Dict

import torch

from ....context import ExportContext
from ....crops import filling
from ....registry import rewrite


@rewrite("mmpose.models.heads.topdown_heatmap_base_head.TopdownHeatmapBaseHead.decode")
def decode(
    context: ExportContext, original: Any, self: Any, img_metas: Any, output: torch.Tensor, **kwargs: Any
) -> Dict[str, torch.Tensor]:
    """``preds``: key points (N, K, 3) of heat maps (N, K, H, W), in pixels of the network's input, and their scores.

    Upstream has them in pixels of the picture that the input was cut out of, where ``img_metas`` say.
    """
    from mmpose.models.heads.topdown_heatmap_base_head import keypoints_from_heatmaps

    settings = self.test_cfg
    udp = settings.get("use_udp", False)
    places, scores = keypoints_from_heatmaps(
        output,
        *filling(kwargs["img_size"], output, udp),
        unbiased=settings.get("unbiased_decoding", False),
        post_process=settings.get("post_process", "default"),
        kernel=settings.get("modulate_kernel", 11),
        valid_radius_factor=settings.get("valid_radius_factor", 0.0546875),
        use_udp=udp,
        target_type=settings.get("target_type", "GaussianHeatmap"),
    )
    return {"preds": torch.cat([places, scores], 2)}
