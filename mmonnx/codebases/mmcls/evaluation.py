"""Classifiers: the file's outputs, and PyTorch's own inference, as mmcls's datasets evaluate them."""

import copy
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, cast

import numpy as np

from ...evaluation import Evaluator, Group, OnnxFile
from ...loading import Task
from ...runtime import Scores
from ...support import InputError

_ALL, _BEST = ({"probs"}, {"logits"}), {"scores", "labels"}
_OF_THE_FIRST = ("precision", "recall", "f1_score", "support")


class ClassifierEvaluator(Evaluator):
    """Probabilities as mmcls's datasets evaluate them."""

    package = "mmcls"
    batch_of_training = True
    scores_in_results = True

    def options(self, given: Dict[str, Any], asked: Dict[str, Any]) -> Dict[str, Any]:
        """The arguments of ``dataset.evaluate``: what is asked for goes into its ``metric_options``."""
        # a list of numbers is one answer to mmcls, and a tuple one a number
        own = {name: tuple(value) if isinstance(value, list) else value for name, value in asked.items()}
        given = dict(given)
        inside = {**dict(given.pop("metric_options", None) or {}), **own}
        return {**given, "metric_options": inside} if inside else given

    def ask(self, dataset: Any, metric: str) -> None:
        """Evaluate a single image: of none, its metrics fail."""
        single = copy.copy(dataset)
        single.data_infos = dataset.data_infos[:1]
        probabilities = np.full(len(dataset.CLASSES), 0.5, np.float32)
        single.evaluate([probabilities], metric=[metric], metric_options={"topk": (1,)})

    def check(self, file: OnnxFile, metrics: Sequence[str], options: Mapping[str, Any], num_classes: int) -> None:
        """Refuse a file that does not give what the metrics need.

        Raises:
            InputError: it has no scores of classes, or those of the best few alone where more are asked for.
        """
        names = set(file.outputs)
        if names not in (*_ALL, _BEST):
            raise InputError(
                f"'{file.path}' gives {', '.join(file.outputs)}",
                "probs, logits, or scores and labels",
                "export it without --skip-postprocess",
            )
        length = file.last_axis("scores" if names == _BEST else file.outputs[0])
        if names == _BEST:
            _check_best(file, length, metrics, options)
        else:
            file.check_classes(length, num_classes)

    def run_file(self, file: OnnxFile, config: Any, num_classes: int) -> Callable[[Group], List[Any]]:
        """What gives the file's probabilities, (num_classes,) each; of classes that the file leaves out they are 0."""
        squash = _sigmoid if "MultiLabel" in str((config.model.get("head") or {}).get("type")) else _softmax

        def run(group: Group) -> List[Any]:
            height, width = group.images.shape[2:]
            rows = file(group.images.numpy(), (int(height), int(width)))
            if "labels" in file.outputs:
                return [_all_classes(row["scores"], row["labels"], num_classes) for row in rows]
            return [row["probs"] if "probs" in row else squash(row["logits"]) for row in rows]

        return run

    def run_pytorch(self, task: Task) -> Callable[[Group], List[Any]]:
        """What gives the classifier's own probabilities."""
        device = task.inputs["input"].device

        def run(group: Group) -> List[Any]:
            found = task.predict({"input": group.images.to(device)})
            return [one.probs for one in cast(Sequence[Scores], found)]  # no raw outputs: the head is there

        return run

    def drawable(self, result: Any, meta: Dict[str, Any]) -> Scores:
        """One result for a picture."""
        return Scores(result)

    def to_write(self, results: List[Any], classes: Sequence[str], scores: Dict[str, Any]) -> Any:
        """What ``--out`` holds: the metrics, and the scores and the best class of each image by upstream's names."""
        all_scores = np.vstack(results)
        labels = all_scores.argmax(axis=1)
        named = [classes[label] for label in labels] if classes else []
        best = {"pred_score": all_scores.max(axis=1), "pred_label": labels, "pred_class": named}
        return {**scores, "class_scores": all_scores, **best}


def _check_best(file: OnnxFile, best: Optional[int], metrics: Sequence[str], options: Mapping[str, Any]) -> None:
    """Refuse what cannot be known of the best few classes."""
    for metric in metrics:
        if metric != "accuracy" and metric not in _OF_THE_FIRST:
            raise InputError(
                f"'{file.path}' gives the best {best} classes only", f"all for {metric}", "export it without --topk"
            )
        asked = options.get("metric_options", {}).get("topk", (1, 5))
        most = max(asked) if isinstance(asked, (list, tuple)) else asked
        if metric == "accuracy" and best is not None and most > best:
            raise InputError(
                f"'{file.path}' gives the best {best} classes only",
                f"{most} for the accuracy of the best {most}",
                f"give --eval-options topk={best}, or export it with a larger --topk",
            )


def _all_classes(scores: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    found = np.zeros(num_classes, np.float32)
    found[labels] = scores
    return found


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max())
    return raised / raised.sum()


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))
