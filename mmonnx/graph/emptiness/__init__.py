"""Which tensors of a graph may have no elements, found out without running it."""

from .follow import Followed, follow, node_name
from .sizes import Cause, covers
from .values import NodeView

__all__ = ["Cause", "Followed", "NodeView", "covers", "follow", "node_name"]
