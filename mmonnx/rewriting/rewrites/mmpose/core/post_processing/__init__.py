"""Stand-ins; the tree mirrors upstream."""

from .group import POSE_MAPS

__all__ = ["POSE_MAPS"]
