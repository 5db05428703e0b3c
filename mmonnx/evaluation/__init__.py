"""An exported file on the test set of its config: upstream's dataset, pipeline and metrics, the file for the model.

In: a config, a file, ``EvaluationSettings``. Out: an ``Evaluation``: results and scores. Touched: the files that are
asked for; a codebase's ``Evaluator`` says what differs between toolboxes.
"""

from .data import reason
from .distributed import merged
from .evaluating import evaluate
from .evaluator import Evaluator
from .file import OnnxFile, Outputs
from .first_generation import FirstSets
from .scored_set import ScoredSet
from .second_generation import SampleEvaluator
from .sets import Batch, Group, Tally
from .settings import Evaluation, EvaluationSettings

__all__ = [
    "Batch",
    "Evaluation",
    "EvaluationSettings",
    "Evaluator",
    "FirstSets",
    "Group",
    "OnnxFile",
    "Outputs",
    "SampleEvaluator",
    "ScoredSet",
    "Tally",
    "evaluate",
    "merged",
    "reason",
]
