"""Which tensors of a graph may have no elements, found out without running it."""

from .follow import Followed, follow, node_name
from .sizes import Cause, covers

__all__ = ["Cause", "Followed", "covers", "follow", "node_name"]
