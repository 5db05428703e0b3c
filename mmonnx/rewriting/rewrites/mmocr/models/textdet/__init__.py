"""Stand-ins; the tree mirrors upstream."""
