"""Stand-ins; the tree mirrors upstream."""

from .group import POSE_MAPS
from .offset_poses import decoded, heats_at, nearby_joints_nms

__all__ = ["POSE_MAPS", "decoded", "heats_at", "nearby_joints_nms"]
