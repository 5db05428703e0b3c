"""An exported file on the test set of its config: upstream's dataset, pipeline and metrics, the file for the model.

In: a config, a file, ``EvaluationSettings``. Out: an ``Evaluation``: results and scores. Touched: the files that are
asked for; a codebase's ``Evaluator`` says what differs between toolboxes.
"""

from .evaluating import evaluate
from .evaluator import Evaluator
from .file import OnnxFile, Outputs
from .second_generation import SampleEvaluator
from .sets import Group
from .settings import Evaluation, EvaluationSettings

__all__ = [
    "Evaluation",
    "EvaluationSettings",
    "Evaluator",
    "Group",
    "OnnxFile",
    "Outputs",
    "SampleEvaluator",
    "evaluate",
]
