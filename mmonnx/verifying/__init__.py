"""PyTorch against the file: cases that reach every part of a model, its answers, and what is inside of it.

In: a ``Task`` and a ``ModelProto``. Out: a ``Verification``, and pictures of both sides. Touched: the model's hooks
while it runs; models and files are left as they were.
"""

from . import pictures
from .cases import DARK
from .goals import as_data
from .matching import Match, Tolerances, match
from .table import show_verification
from .verification import (
    BUDGET,
    NOTHING_COMPARED,
    Case,
    CaseResult,
    Goal,
    Run,
    Verification,
    difference,
    make_cases,
    verify,
    verify_model,
)

__all__ = [
    "Match",
    "show_verification",
    "BUDGET",
    "Case",
    "CaseResult",
    "DARK",
    "Goal",
    "NOTHING_COMPARED",
    "Run",
    "Tolerances",
    "Verification",
    "as_data",
    "difference",
    "make_cases",
    "match",
    "pictures",
    "verify",
    "verify_model",
]
