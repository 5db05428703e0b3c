"""How to write operators in others, as data; a target's table says where that is needed.

In: a node's view. Out: the body that stands for it, as an expression. Touched: nothing.
"""

from . import convolutions, elementwise, indexing, loops, normalizing, reductions, resizing, shapes, types
from .base import ELEMENT, EXACT, LIMITED, ROUNDING, Call, Extended, Node, Rule, Rules, Tensor, UnknownType

__all__ = [
    "ELEMENT",
    "EXACT",
    "LIMITED",
    "ROUNDING",
    "RULES",
    "Call",
    "Extended",
    "Node",
    "Rule",
    "Rules",
    "Tensor",
    "UnknownType",
]

RULES = Rules(
    (
        *types.RULES,
        *elementwise.RULES,
        *reductions.RULES,
        *normalizing.RULES,
        *indexing.RULES,
        *shapes.RULES,
        *convolutions.RULES,
        *loops.RULES,
        *resizing.RULES,
    )
)
