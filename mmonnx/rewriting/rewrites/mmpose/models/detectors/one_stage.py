"""Stand-in for DEKR's own test, which takes one picture, and whose suppression and scores are of numpy's arrays."""

from typing import Any, Dict, Mapping, Sequence

import torch
from torch.nn import functional

from ....batched import longest
from ....context import ExportContext
from ....registry import rewrite
from ...core.post_processing import decoded, heats_at, nearby_joints_nms

_NOBODY = -1.0


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
    scores = poses[..., 2].mean(2)
    if hasattr(self, "rescore_net"):
        judged = self.rescore_net(poses.flatten(0, 1), meta["skeleton"]).reshape(scores.shape)
        scores = scores * torch.where(judged == judged, judged, torch.zeros_like(judged))  # no number counts nothing
    if settings.get("use_nms", False):
        thresholds = float(settings["nms_dist_thr"]), settings["nms_joints_thr"]
        kept, valid = nearby_joints_nms(points, heats.mean(2), valid, *thresholds)
        poses = poses.gather(1, kept[..., None, None].expand(-1, -1, *(int(side) for side in poses.shape[2:])))
        scores = scores.gather(1, kept)
    return _cut(context, poses, scores, valid)


def _cut(
    context: ExportContext, poses: torch.Tensor, scores: torch.Tensor, valid: torch.Tensor
) -> Dict[str, torch.Tensor]:
    """Poses (N, k, K, 3) and scores (N, k), those that are there first: as many as the image with the most has."""
    most = longest(context, valid.long().sum(1))
    poses, scores, valid = (values[:, :most] for values in (poses, scores, valid))
    poses = torch.where(valid[..., None, None], poses, torch.zeros_like(poses))
    return {"preds": poses, "scores": torch.where(valid, scores, torch.full_like(scores, _NOBODY))}
