"""Detectors: the file's outputs, and PyTorch's own inference, as mmdet's datasets evaluate them."""

import warnings
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch

from ...evaluation import Evaluator, Group, OnnxFile, Outputs
from ...loading import Task
from ...runtime import Detections, in_picture
from ...runtime import masks as masking
from ...support import InputError
from .by_class import to_detections
from .detections import one_by_one


class DetectorEvaluator(Evaluator):
    """Detections as mmdet's datasets evaluate them."""

    package = "mmdet"

    def pipeline(self, steps: Any, size: Optional[Tuple[int, int]]) -> Any:
        """The test pipeline with images no larger than (height, width)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it recommends to write the config so
            steps = self.datasets().replace_ImageToTensor(steps)
        if size is None:
            return steps
        from .fitting import fitted  # it imports mmdet

        return fitted(steps, size)

    def is_fitted(self, steps: Any, size: Optional[Tuple[int, int]]) -> bool:
        """Whether images of a pipeline may have to be made smaller than the config says."""
        if size is None:
            return False
        from .fitting import may_be_larger

        return may_be_larger(steps, size)

    def check(self, file: OnnxFile, metrics: Sequence[str], options: Mapping[str, Any], num_classes: int) -> None:
        """Refuse a file that does not give what the metrics need.

        Raises:
            InputError: it has no detections, no masks for ``segm``, or other classes than the dataset.
        """
        if not {"dets", "labels"} <= set(file.outputs):
            raise InputError(
                f"'{file.path}' gives {', '.join(file.outputs)}",
                "dets and labels",
                "export it without --skip-postprocess",
            )
        file.check_classes(len(file.description.classes) or None, num_classes)
        if "segm" in metrics and "masks" not in file.outputs:
            raise InputError(f"'{file.path}' has no masks", "masks for --eval segm", "leave segm out")

    def run_file(self, file: OnnxFile, config: Any, num_classes: int) -> Callable[[Group], List[Any]]:
        """What gives the file's detections in upstream's form."""

        def run(group: Group) -> List[Any]:
            found = detections(file, group)
            return [one.dets if proposals_alone(config) else _by_class(one, num_classes) for one in found]

        return run

    def run_pytorch(self, task: Task) -> Callable[[Group], List[Any]]:
        """What gives the detector's own detections, as upstream's test tools get them."""
        model = task.module.model
        device = next(model.parameters()).device

        def run(group: Group) -> List[Any]:
            step = 1 if one_by_one(model) else len(group.metas)
            found: List[Any] = []
            for start in range(0, len(group.metas), step):
                images, metas = group.images[start : start + step].to(device), group.metas[start : start + step]
                with torch.no_grad():
                    found += model(return_loss=False, rescale=True, img=[images], img_metas=[metas])
            return found

        return run

    def packed(self, results: List[Any]) -> List[Any]:
        """Results as upstream keeps and writes them: masks as run lengths."""
        from mmdet.core import encode_mask_results

        return [(one[0], encode_mask_results(one[1])) if isinstance(one, tuple) else one for one in results]

    def drawable(self, result: Any, meta: Dict[str, Any]) -> Detections:
        """One result for a picture."""
        return to_detections(result, tuple(meta["ori_shape"][:2]))

    def is_misled(self, file: OnnxFile, config: Any) -> bool:
        """Whether a file takes padding for a part of the image, and a detector's answers depend on it."""
        if file.is_told:
            return False
        two_stages = "roi_head" in config.model  # the proposals are clipped to the image
        return two_stages or (file.described and file.description.box_limits != "none")


def proposals_alone(config: Any) -> bool:
    """Whether a detector is nothing but an RPN."""
    return "rpn_head" in config.model and "roi_head" not in config.model


def detections(file: OnnxFile, group: Group) -> List[Detections]:
    """A file's detections in each image of a group, in pixels of its picture."""
    first = group.metas[0]
    # of an image in the middle of the input, img_shape is that of all of the input
    size, (top, _, left, _) = _pair(first["img_shape"]), first.get("border", (0.0,) * 4)
    rows = file(group.images.numpy(), size, (left, top))
    return [_read(row, meta, file) for row, meta in zip(rows, group.metas)]


def _read(outputs: Outputs, meta: Dict[str, Any], file: OnnxFile) -> Detections:
    """An image's detections, in pixels of its picture."""
    real = outputs["labels"] >= 0
    dets, labels = outputs["dets"][real].astype(np.float32), outputs["labels"][real]
    shape, original = _pair(meta["img_shape"]), _pair(meta["ori_shape"])
    top, _, left, _ = meta.get("border", (0.0,) * 4)  # of an image in the middle of the input
    boxes = in_picture(dets[:, :-1], file.description.box_limits, shape, meta["scale_factor"], (left, top))
    masks = None
    if "masks" in outputs:
        masks = outputs["masks"][real]
        if file.description.mask_output == "roi":
            masks = masking.paste(masks, boxes, original, file.description.mask_thr)
        else:
            masks = masking.resize(masks, _pair(meta.get("picture_shape", shape)), original)
    mask_scores = outputs["mask_scores"][real] if "mask_scores" in outputs else None
    return Detections(np.concatenate([boxes, dets[:, -1:]], 1), labels, masks, mask_scores)


def _pair(shape: Sequence[int]) -> Tuple[int, int]:
    return int(shape[0]), int(shape[1])


def _by_class(found: Detections, num_classes: int) -> Any:
    """Upstream's form: a list with an array for each class; with masks, a tuple of two such lists."""
    rows = [np.flatnonzero(found.labels == label) for label in range(num_classes)]
    boxes = [found.dets[each] for each in rows]
    if found.masks is None:
        return boxes
    masks: Any = [[found.masks[row] for row in each] for each in rows]
    if found.mask_scores is not None:  # Mask Scoring R-CNN
        masks = masks, [[found.mask_scores[row] for row in each] for each in rows]
    return boxes, masks
