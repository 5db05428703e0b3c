"""Stand-ins; the tree mirrors upstream."""

from .post_processing import POSE_MAPS, decoded, heats_at, nearby_joints_nms

__all__ = ["POSE_MAPS", "decoded", "heats_at", "nearby_joints_nms"]
