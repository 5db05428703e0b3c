"""Stand-in for DEKR's own test, which takes one picture, and whose suppression and scores are of numpy's arrays."""

from typing import Any, Dict, Mapping, Sequence

import torch
from torch.nn import functional

from .....symbolics import ABSENT
from ....batched import compact, longest
from ....context import Detections, ExportContext
from ....registry import rewrite
from ...core import decoded, heats_at, nearby_joints_nms


@rewrite("mmpose.models.detectors.one_stage.DisentangledKeypointRegressor.forward_test")
def forward_test(
    context: ExportContext,
    original: Any,
    self: Any,
    img: torch.Tensor,
    img_metas: Sequence[Mapping[str, Any]],
    **kwargs: Any,
) -> Dict[str, torch.Tensor]:
    """``preds`` (N, P, K, 3) in pixels of the input, and ``scores`` (N, P), -1 where an image has fewer people.

    One pass, of one scale.
    """
    (meta,), settings, size = img_metas, self.test_cfg, (img.shape[2], img.shape[3])
    align_corners = bool(settings.get("align_corners", True))
    heat, offsets = self.keypoint_head(self.backbone(img))[0]
    if settings["project2image"]:
        heat, offsets = (functional.interpolate(m, size, None, "bilinear", align_corners) for m in (heat, offsets))
    points, middles, valid = decoded(self.parser, heat[:, :1], offsets)
    points = points * (float(meta["image_size"]) / float(meta["heatmap_size"][0]))
    heats = heats_at(heat[:, 1:], points, size, align_corners)
    poses = torch.cat([points, (middles[..., None] * heats)[..., None]], 3)
    kept = torch.arange(valid.shape[1], device=valid.device)[None] + torch.zeros_like(valid, dtype=torch.long)
    if settings.get("use_nms", False):
        thresholds = float(settings["nms_dist_thr"]), settings["nms_joints_thr"]
        kept, valid = nearby_joints_nms(points, heats.mean(2), valid, *thresholds)
    chosen = compact(context, valid.to(poses) + (1 - valid.to(poses)) * ABSENT)
    image = context.image_index
    assert image is not None  # ``compact`` leaves one
    rows = poses[image, kept.reshape(-1)[chosen]]
    valid = valid[:, : longest(context, valid.long().sum(1))]
    found = Detections(rows, image, valid, rows, image)
    return {"preds": found.unflatten(rows), "scores": found.unflatten(_scores(self, rows, meta["skeleton"]) + 1) - 1}


def _scores(self: Any, poses: torch.Tensor, skeleton: Any) -> torch.Tensor:
    """(S,) the scores of poses (S, K, 3), as the second network judges them where there is one."""
    scores = poses[..., 2].mean(1)
    if not hasattr(self, "rescore_net"):
        return scores
    judged = self.rescore_net(poses, skeleton)
    return scores * torch.where(judged == judged, judged, torch.zeros_like(judged))  # what is no number counts nothing
