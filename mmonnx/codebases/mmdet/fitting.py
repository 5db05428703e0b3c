"""mmdet's test pipelines for files of one size: images that would be too large are made to fit."""

from typing import Any, Dict, List, Sequence, Tuple

import mmcv
from mmdet.datasets.pipelines import Resize

Size = Tuple[int, int]


class ResizeToFit(Resize):
    """mmdet's ``Resize``, but for images that would not fit into a file's input.

    Args:
        size: (height, width) of that input.
    """

    def __init__(self, size: Size, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def _resize_img(self, results: Dict[str, Any]) -> None:
        height, width = results["img"].shape[:2]
        scaled = results["scale"]
        if self.keep_ratio:
            scaled = mmcv.rescale_size((width, height), results["scale"])
        if scaled[0] > self.size[1] or scaled[1] > self.size[0]:
            fitting = min(self.size[0] / height, self.size[1] / width)
            results["scale"] = fitting if self.keep_ratio else self.size[::-1]
        super()._resize_img(results)


_RESIZING: Dict[str, Dict[str, Any]] = {"Resize": {}, "RResize": {"keep_ratio": True}}
"""Transforms that it takes the place of, mmrotate's as well, and what these always do."""


def fitted(pipeline: Sequence[Any], size: Size) -> List[Any]:
    """A test pipeline whose images are no larger than (height, width)."""
    found = []
    for step in pipeline:
        step = dict(step)
        if step.get("type") in _RESIZING:
            step.update(_RESIZING[step["type"]], type=ResizeToFit, size=size)
        if step.get("transforms"):
            step["transforms"] = fitted(step["transforms"], size)
        found.append(step)
    return found


def may_be_larger(pipeline: Sequence[Any], size: Size) -> bool:
    """Whether the pipeline as it is may make images that do not fit."""
    for step in pipeline:
        scales = step.get("img_scale") or ()
        for scale in scales if isinstance(scales, list) else [scales]:
            if scale and max(scale) > min(size):
                return True
        if may_be_larger(step.get("transforms") or (), size):
            return True
    return False
