"""An exported file on the test set of its config: upstream's dataset, pipeline and metrics, the file for the model."""

from .evaluating import Evaluation, EvaluationSettings, evaluate

__all__ = ["Evaluation", "EvaluationSettings", "evaluate"]
