"""The answers of files, and PyTorch's own inference, as mmocr's datasets evaluate them."""

import importlib
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch

from ...environment import compat
from ...evaluation import Evaluator, Group, OnnxFile
from ...loading import Task
from ...rewriting import VALID_WIDTH
from ...runtime import (
    CHAR_MAPS,
    CHAR_SCORES,
    FEATURES,
    LINKS,
    READERS,
    KeyInformation,
    Text,
    TextRegions,
    best_of,
    filled,
    idle_graph,
    idle_pictures,
    linked,
    read_text,
    regions_of,
)
from ...support import InputError
from . import extracting, recognizing
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
        if file.description.texts is None and file.description.annotations is None:
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
        if file.description.annotations is not None:
            return partial(_extract, file)
        texts: Any = file.description.texts
        how = _read if texts["how"] in READERS else _find_linked if texts["how"] == "drrg" else _find

        def run(group: Group) -> List[Any]:
            if group.samples and isinstance(group.samples[0], dict):
                raise _other_set(file, "texts and boxes beside the pictures", "pictures alone")
            return how(file, group)

        return run

    def run_pytorch(self, task: Task) -> Callable[[Group], List[Any]]:
        """What gives the model's own answers, as upstream's test tools get them."""
        model = task.module.model
        device = next(iter(task.inputs.values())).device
        if extracting.is_one(model):
            return partial(_extract_in_pytorch, model, device)
        reads = recognizing.is_one(model)

        def run(group: Group) -> List[Any]:
            if group.samples:
                turns = [(image.to(device), [meta]) for image, meta in group.samples]
                feeds = [{"img": [image for image, _ in turns], "img_metas": [metas for _, metas in turns]}]
            else:
                pairs = zip(group.images.to(device), group.metas)
                feeds = [{"img": image[None], "img_metas": [meta]} for image, meta in pairs]
                # of a detector the outer lists are of passes
                feeds = feeds if reads else [{name: [one[name]] for name in one} for one in feeds]
            with torch.no_grad(), compat.old_numpy_names():
                return [one for feed in feeds for one in model(return_loss=False, rescale=True, **feed)]

        return run

    def drawable(self, result: Dict[str, Any], meta: Dict[str, Any]) -> Any:
        """One result for a picture."""
        if "nodes" in result:
            return KeyInformation(result["nodes"].numpy(), result["edges"].numpy(), meta["drawn_boxes"])
        if "text" in result:
            return Text(result["text"], np.array(result["score"], np.float32).reshape(-1))
        boundaries = result["boundary_result"]
        points = [np.array(one[:-1], np.float64) for one in boundaries]
        return TextRegions(points, np.array([one[-1] for one in boundaries], np.float64))


def _metrics(dataset: Any) -> Sequence[str]:
    """The metrics that a dataset, or the first of several, knows."""
    parts = getattr(dataset, "datasets", [dataset])
    for name in ("openset_f1", "macro_f1"):  # a dataset of the first is one of the second as well
        if hasattr(parts[0], f"compute_{name}"):
            return (name,)
    text = hasattr(parts[0], "data_infos") and "text" in (parts[0].data_infos[0] if len(parts[0]) else {})
    known = ("acc", "word_acc", "word_acc_ignore_case", "word_acc_ignore_case_symbol", "char_recall", "char_precision")
    return (*known, "one_minus_ned") if text else ("hmean-iou", "hmean-ic13")


def _extract(file: OnnxFile, group: Group) -> List[Any]:
    """What the texts of a group's pictures are."""
    if not group.samples or not isinstance(group.samples[0], dict):
        raise _other_set(file, "pictures alone", "texts and boxes beside the pictures")
    found = []
    for image, meta, page in zip(group.images, group.metas, group.samples):
        given = {name: values.numpy() for name, values in page.items()}
        texts, boxes = filled(given["texts"].astype(np.int64)), given["gt_bboxes"].astype(np.float32)
        feeds = {"input": image[None].numpy(), "relations": given["relations"], "texts": texts, "boxes": boxes}
        outputs = {name: torch.from_numpy(values) for name, values in file.once(feeds).items()}
        found.append({"img_metas": [_own(meta)], **outputs})
    return found


def _extract_in_pytorch(model: Any, device: torch.device, group: Group) -> List[Any]:
    """The same as upstream's test tools get it."""
    found = []
    for image, meta, page in zip(group.images, group.metas, group.samples):
        if not (page["texts"] > 0).any():
            raise InputError(
                f"'{meta['filename']}' has no text with a character, which upstream's model does not take",
                "a character at least on each picture",
                "take it out of the annotations, or leave --compare-with out",
            )
        beside = {name: [values.to(device)] for name, values in page.items()}
        with torch.no_grad():
            (one,) = model(return_loss=False, img=image[None].to(device), img_metas=[_own(meta)], **beside)
        found.append({name: value.cpu() if isinstance(value, torch.Tensor) else value for name, value in one.items()})
    return found


def _own(meta: Mapping[str, Any]) -> Dict[str, Any]:
    """Upstream's meta data of a picture."""
    return {name: value for name, value in meta.items() if name != "drawn_boxes"}


def _other_set(file: OnnxFile, has: str, wanted: str) -> InputError:
    return InputError(
        f"'{file.path}' is for {file.description.task}, and the test set has {has}",
        wanted,
        "give the file of the config's own model",
    )


def _read(file: OnnxFile, group: Group) -> List[Any]:
    """The texts of a group's pictures, or of one that is read in several turns."""
    if group.samples:
        turns = [found for image, meta in group.samples for found in _texts(file, image, [meta])]
        best = best_of(turns)
        return [{"text": best.text, "score": float(best.scores.sum()) / max(1, len(best.text))}]
    found = _texts(file, group.images, group.metas)
    return [{"text": one.text, "score": one.scores.tolist()} for one in found]


def _texts(file: OnnxFile, images: torch.Tensor, metas: Sequence[Mapping[str, Any]]) -> List[Text]:
    texts: Any = file.description.texts
    size = (int(images.shape[2]), int(images.shape[3]))
    widths = [min(int(meta["resize_shape"][1]) if "resize_shape" in meta else size[1], size[1]) for meta in metas]
    told = VALID_WIDTH in file.description.companions
    outputs = file(images.numpy(), size, beside={VALID_WIDTH: np.array(widths, np.int64)} if told else {})
    name = CHAR_SCORES if CHAR_SCORES in file.outputs else CHAR_MAPS
    pairs = zip(outputs, widths)
    return [read_text(one[name], texts, file.description.classes, wide / size[1]) for one, wide in pairs]


def _find(file: OnnxFile, group: Group) -> List[Any]:
    """The boundaries of a group's pictures."""
    outputs = file(group.images.numpy(), (int(group.images.shape[2]), int(group.images.shape[3])))
    return [_boundaries(file, one, meta) for one, meta in zip(outputs, group.metas)]


def _find_linked(file: OnnxFile, group: Group) -> List[Any]:
    """The boundaries of a group's pictures, of which the file judges the graph of each in a second run."""
    count = file.batch or 1

    def judge(graph: Dict[str, np.ndarray]) -> np.ndarray:
        return file.once({"input": idle_pictures(file.input_shape("input")), **graph})[LINKS]

    found = []
    for image, meta in zip(group.images, group.metas):
        feeds = {"input": np.repeat(image[None].numpy(), count, 0), **idle_graph(file.input_shape, count)}
        features = file.once(feeds)[FEATURES][0]
        found.append(_boundaries(file, linked(features, file.description.texts or {}, judge), meta))
    return found


def _boundaries(file: OnnxFile, outputs: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> Dict[str, Any]:
    found = regions_of(outputs, file.description.texts or {}, tuple(meta["scale_factor"][:2]))
    pairs = zip(found.boundaries, found.scores.tolist())
    return {"boundary_result": [[*points.tolist(), score] for points, score in pairs], "filename": meta["filename"]}
