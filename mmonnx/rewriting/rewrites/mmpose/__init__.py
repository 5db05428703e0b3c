"""Stand-ins; the tree mirrors upstream."""

from .core import POSE_MAPS

__all__ = ["POSE_MAPS"]
