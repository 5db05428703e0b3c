"""Segmentors: the file's label maps, and PyTorch's own inference, as mmseg's datasets evaluate them."""

import copy
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch

from ...evaluation import Evaluator, Group, OnnxFile
from ...loading import Task
from ...runtime import LabelMap, main_ratio
from ...support import InputError

_SMALL = 256
"""The number of classes that a byte holds: the maps of a whole test set are kept."""


class SegmentorEvaluator(Evaluator):
    """Label maps as mmseg's datasets evaluate them, ``(H, W)`` of the picture's own size."""

    package = "mmseg"

    def pipeline(self, steps: Any, size: Optional[Tuple[int, int]]) -> Any:
        """The test pipeline of one pass: the picture as it is, at one scale; stretched to a file's (height, width)."""
        steps = copy.deepcopy(steps)
        for step in steps:
            if step["type"] != "MultiScaleFlipAug":
                continue
            _run_once(step)
            if size is not None:
                step["img_scale"] = (size[1], size[0])
                for inner in step["transforms"]:
                    if inner["type"] == "Resize":
                        inner["keep_ratio"] = False
        return steps

    def is_fitted(self, steps: Any, size: Optional[Tuple[int, int]]) -> bool:
        """Whether images of a pipeline have another size than the file's."""
        return size is not None

    def check(self, file: OnnxFile, metrics: Sequence[str], options: Mapping[str, Any], num_classes: int) -> None:
        """Refuse a file that does not give what the metrics need.

        Raises:
            InputError: it has no label maps, or other classes than the dataset.
        """
        if "seg_map" not in file.outputs:
            raise InputError(
                f"'{file.path}' gives {', '.join(file.outputs)}", "seg_map", "export it without --skip-postprocess"
            )
        file.check_classes(len(file.description.classes) or None, num_classes)

    def run_file(self, file: OnnxFile, config: Any, num_classes: int) -> Callable[[Group], List[Any]]:
        """What gives the file's label maps."""

        def run(group: Group) -> List[Any]:
            found = []
            for image, meta in zip(group.images.numpy(), group.metas):  # each picture has a size of its own
                (outputs,) = file(image[None], meta["img_shape"][:2], original=meta["ori_shape"][:2])
                found.append(outputs["seg_map"])
            return found

        return run

    def run_pytorch(self, task: Task) -> Callable[[Group], List[Any]]:
        """What gives the segmentor's own label maps, as upstream's test tools get them."""
        model = task.module.model
        device = task.inputs["input"].device

        def run(group: Group) -> List[Any]:
            found: List[Any] = []
            for image, meta in zip(group.images.to(device), group.metas):
                with torch.no_grad():
                    found += model(return_loss=False, rescale=True, img=[image[None]], img_metas=[[meta]])
            return found

        return run

    def packed(self, results: List[Any]) -> List[Any]:
        """Label maps as small as their classes allow."""
        return [one.astype(np.uint8 if one.max(initial=0) < _SMALL else np.int64) for one in results]

    def drawable(self, result: Any, meta: Dict[str, Any]) -> LabelMap:
        """One result for a picture."""
        return LabelMap(result.astype(np.int64))


def _run_once(step: Dict[str, Any]) -> None:
    """Let a test-time augmentation do the one pass that a file does; see ``runtime.transforms``."""
    step["flip"] = False
    scale, ratios = step.get("img_scale"), step.get("img_ratios")
    if isinstance(scale, list):
        step["img_scale"] = scale[0]
    if ratios:
        step["img_ratios"] = [main_ratio(ratios if isinstance(ratios, list) else [ratios])]
