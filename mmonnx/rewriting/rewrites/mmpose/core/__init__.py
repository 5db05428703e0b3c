"""Stand-ins; the tree mirrors upstream."""

from .post_processing import POSE_MAPS

__all__ = ["POSE_MAPS"]
