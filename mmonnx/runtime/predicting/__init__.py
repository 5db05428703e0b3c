"""``mmonnx predict``: many pictures through a file, with what they take overlapped, and nothing lost where it ends."""

from .flow import Flow
from .items import Item
from .predicting import Tell, check_top, predict, tell_nobody
from .records import Record, kind_of
from .settings import REASONS, Predicted, PredictSettings
from .sizing import cores, limits_for
from .stages import Stages, failed

__all__ = [
    "Flow",
    "Item",
    "PredictSettings",
    "Predicted",
    "REASONS",
    "Record",
    "Stages",
    "Tell",
    "check_top",
    "cores",
    "failed",
    "kind_of",
    "limits_for",
    "predict",
    "tell_nobody",
]
