"""``mmonnx predict``: many pictures through a file, with what they take overlapped, and nothing lost where it ends."""

from .predicting import predict
from .settings import ON_ERROR, Predicted, PredictSettings

__all__ = ["ON_ERROR", "PredictSettings", "Predicted", "predict"]
