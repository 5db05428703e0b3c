"""Classifiers of mmpretrain: the file's outputs, and PyTorch's own inference, as data samples for its metrics."""

import copy
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

import numpy as np
import torch

from ...evaluation import Group, OnnxFile, SampleEvaluator
from ...loading import Task
from ...runtime import Scores
from ..mmcls import ClassifierEvaluator

_OLD_NAMES = {"accuracy": "Accuracy", "mAP": "AveragePrecision"}
_ITEMS = {"precision": "precision", "recall": "recall", "f1_score": "f1-score", "support": "support"}
"""What mmcls has as metrics of their own, and mmpretrain's ``SingleLabelMetric`` as items."""


class SampleClassifierEvaluator(SampleEvaluator, ClassifierEvaluator):
    """Probabilities as mmpretrain's metrics evaluate them."""

    package = "mmpretrain"
    preprocessor = "mmpretrain.ClsDataPreprocessor"
    scores_in_results = False

    def metric(self, name: str) -> Optional[Dict[str, Any]]:
        """See ``SampleEvaluator.metric``."""
        if name in _ITEMS:
            return {"type": "SingleLabelMetric", "items": (_ITEMS[name],)}
        return {"type": _OLD_NAMES[name]} if name in _OLD_NAMES else None

    def check(self, file: OnnxFile, metrics: Sequence[str], options: Mapping[str, Any], num_classes: int) -> None:
        """Refuse a file that does not give what the metrics need; see ``ClassifierEvaluator.check``."""
        known = {"Accuracy": "accuracy", "SingleLabelMetric": "precision"}
        topk = options.get("topk", (1,))
        super().check(
            file, [known.get(name, name) for name in metrics], {"metric_options": {"topk": topk}}, num_classes
        )

    def run_file(self, file: OnnxFile, config: Any, num_classes: int) -> Callable[[Group], List[Any]]:
        """What gives data samples with the file's probabilities; of classes that the file leaves out they are 0."""
        scores = super().run_file(file, config, num_classes)
        settings = config.model.get("head") or {}

        def run(group: Group) -> List[Any]:
            return [_with(sample, one, settings) for sample, one in zip(group.samples, scores(group))]

        return run

    def run_pytorch(self, task: Task) -> Callable[[Group], List[Any]]:
        """What gives the classifier's own data samples, as upstream's test loop gets them."""
        model = task.module.model
        device = task.inputs["input"].device

        def run(group: Group) -> List[Any]:
            samples = [copy.deepcopy(sample).to(device) for sample in group.samples]
            with torch.no_grad():
                return list(model(group.images.to(device), samples, mode="predict"))

        return run

    def drawable(self, result: Any, meta: Dict[str, Any]) -> Scores:
        """One result for a picture."""
        return Scores(result.pred_score.cpu().numpy())

    def to_write(self, results: List[Any], classes: Sequence[str], scores: Dict[str, Any]) -> Any:
        """See ``Evaluator.to_write``."""
        return results


def _with(sample: Any, scores: np.ndarray, head: Mapping[str, Any]) -> Any:
    """A copy of a data sample with probabilities (num_classes,) in it, and the labels that the head makes of them."""
    probabilities = torch.from_numpy(np.ascontiguousarray(scores))
    if "MultiLabel" not in str(head.get("type")):
        labels = probabilities.argmax(dim=0, keepdim=True)
    elif head.get("topk") is not None:
        labels = probabilities.topk(head["topk"])[1]
    else:
        labels = torch.where(probabilities >= (0.5 if head.get("thr") is None else head["thr"]))[0]
    return copy.deepcopy(sample).set_pred_score(probabilities).set_pred_label(labels)
