"""Stand-ins for what lies in ``projects/`` of a checkout of mmdetection; the tree mirrors upstream."""
