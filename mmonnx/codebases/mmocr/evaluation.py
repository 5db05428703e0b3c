"""The file's texts and boundaries, and PyTorch's own inference, as mmocr's datasets evaluate them."""

import importlib
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch

from ...environment import compat
from ...evaluation import Evaluator, Group, OnnxFile
from ...loading import Task
from ...runtime import CHAR_MAPS, CHAR_SCORES, READERS, Text, TextRegions, read_text, regions_of
from ...support import InputError
from . import recognizing
from .test_sets import TextSets


class TextEvaluator(Evaluator):
    """Texts and boundaries as mmocr's datasets evaluate them."""

    package = "mmocr"

    @property
    def sets(self) -> TextSets:
        """See ``Evaluator.sets``."""
        return TextSets(self)

    def pipeline(self, steps: Any, size: Optional[Tuple[int, int]]) -> Any:
        """The test pipeline, in a form that makes batches of pictures too."""
        return importlib.import_module("mmdet.datasets").replace_ImageToTensor(steps) if steps else steps

    def classes(self, dataset: Any) -> Tuple[Sequence[str], Sequence[Sequence[int]]]:
        """None: a dataset of text knows no characters."""
        return (), ()

    def check(self, file: OnnxFile, metrics: Sequence[str], options: Mapping[str, Any], num_classes: int) -> None:
        """Refuse a file that gives neither text nor where it is.

        Raises:
            InputError: its description does not say how text is read.
        """
        if file.description.texts is None:
            raise InputError(
                f"'{file.path}' gives {', '.join(file.outputs)}",
                "text, or maps that it is read of",
                "export it with mmonnx, without --skip-postprocess",
            )

    def ask(self, dataset: Any, metric: str) -> None:
        """See ``Evaluator.ask``; of nothing mmocr evaluates nothing.

        Raises:
            InputError: the dataset has another kind of metrics.
        """
        known = _metrics(dataset)
        if metric not in known:
            raise InputError(
                f"metric {metric!r} is unknown to {type(dataset).__name__}",
                ", ".join(known),
                "give one of its own with --eval",
            )

    def score(self, dataset: Any, results: List[Any], metrics: Sequence[str], options: Dict[str, Any]) -> Any:
        """See ``Evaluator.score``; upstream has figures of a metric in a dict of it."""
        found = dataset.evaluate(results, metric=list(metrics), **options)
        flat: Dict[str, Any] = {}
        for name, value in found.items():
            flat.update(
                {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
            )
        return flat

    def run_file(self, file: OnnxFile, config: Any, num_classes: int) -> Callable[[Group], List[Any]]:
        """What gives the file's texts, or boundaries."""
        texts: Any = file.description.texts
        read = _texts if texts["how"] in READERS else _regions

        def run(group: Group) -> List[Any]:
            size = (int(group.images.shape[2]), int(group.images.shape[3]))
            outputs = file(group.images.numpy(), size)
            return [read(file, one, meta, size) for one, meta in zip(outputs, group.metas)]

        return run

    def run_pytorch(self, task: Task) -> Callable[[Group], List[Any]]:
        """What gives the model's own answers, as upstream's test tools get them."""
        model = task.module.model
        device = task.inputs["input"].device

        def run(group: Group) -> List[Any]:
            found: List[Any] = []
            with torch.no_grad(), compat.old_numpy_names():
                for image, meta in zip(group.images.to(device), group.metas):
                    feed = {"img": image[None], "img_metas": [meta]}
                    if not recognizing.is_one(model):  # of a detector the outer lists are of passes
                        feed = {name: [value] for name, value in feed.items()}
                    found += model(return_loss=False, rescale=True, **feed)
            return found

        return run

    def drawable(self, result: Dict[str, Any], meta: Dict[str, Any]) -> Any:
        """One result for a picture."""
        if "text" in result:
            return Text(result["text"], np.array(result["score"], np.float32))
        boundaries = result["boundary_result"]
        points = [np.array(one[:-1], np.float64) for one in boundaries]
        return TextRegions(points, np.array([one[-1] for one in boundaries], np.float64))


def _metrics(dataset: Any) -> Sequence[str]:
    """The metrics that a dataset, or the first of several, knows."""
    parts = getattr(dataset, "datasets", [dataset])
    text = hasattr(parts[0], "data_infos") and "text" in (parts[0].data_infos[0] if len(parts[0]) else {})
    known = ("acc", "word_acc", "word_acc_ignore_case", "word_acc_ignore_case_symbol", "char_recall", "char_precision")
    return (*known, "one_minus_ned") if text else ("hmean-iou", "hmean-ic13")


def _texts(file: OnnxFile, outputs: Mapping[str, np.ndarray], meta: Mapping[str, Any], size: Tuple[int, int]) -> Any:
    texts: Any = file.description.texts
    values = outputs[CHAR_SCORES if CHAR_SCORES in outputs else CHAR_MAPS]
    share = min(1.0, 1.0 * meta["resize_shape"][1] / size[1]) if "resize_shape" in meta else 1.0
    found = read_text(values, texts, file.description.classes, share)
    return {"text": found.text, "score": found.scores.tolist()}


def _regions(file: OnnxFile, outputs: Mapping[str, np.ndarray], meta: Mapping[str, Any], size: Tuple[int, int]) -> Any:
    found = regions_of(outputs, file.description.texts or {}, tuple(meta["scale_factor"][:2]))
    pairs = zip(found.boundaries, found.scores.tolist())
    return {"boundary_result": [[*points.tolist(), score] for points, score in pairs], "filename": meta["filename"]}
