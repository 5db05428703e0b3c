"""mmdet 3's test pipelines for files of one size: images that would be too large are made to fit."""

from typing import Any, Dict, List, Sequence, Tuple

import mmcv
from mmcv.transforms import Pad
from mmdet.datasets import transforms

from ...environment import compat

Size = Tuple[int, int]


class ResizeToFit(transforms.Resize):
    """mmdet's ``Resize``, but for images that would not fit into a file's input.

    Args:
        fitting: (height, width) of that input.
    """

    def __init__(self, fitting: Size, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fitting = fitting

    def _resize_img(self, results: Dict[str, Any]) -> None:
        height, width = results["img"].shape[:2]
        scaled = results["scale"]
        if self.keep_ratio:
            scaled = mmcv.rescale_size((width, height), results["scale"])
        if scaled[0] > self.fitting[1] or scaled[1] > self.fitting[0]:
            factor = min(self.fitting[0] / height, self.fitting[1] / width)
            results["scale"] = factor if self.keep_ratio else self.fitting[::-1]
        super()._resize_img(results)


class PadToFit(Pad):
    """mmcv's ``Pad``, but no further than a file's input goes.

    Args:
        fitting: (height, width) of that input.
    """

    def __init__(self, fitting: Size, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fitting = fitting

    def _pad_img(self, results: Dict[str, Any]) -> None:
        super()._pad_img(results)
        height, width = self.fitting
        results["img"] = results["img"][:height, :width]
        results["pad_shape"], results["img_shape"] = results["img"].shape, results["img"].shape[:2]


_FITTING: Dict[str, Any] = {"Resize": ResizeToFit, "Pad": PadToFit}
if hasattr(transforms, "FixScaleResize"):  # from mmdet 3.2 on
    _FITTING["FixScaleResize"] = type("FixScaleResizeToFit", (ResizeToFit, transforms.FixScaleResize), {})
_RESIZING = ("Resize", "FixScaleResize")


def fitted(pipeline: Sequence[Any], size: Size) -> List[Any]:
    """A test pipeline whose images are no larger than (height, width)."""
    found = []
    for step in pipeline:
        kind = compat.kind_of(step.get("type"))
        found.append({**step, "type": _FITTING[kind], "fitting": size} if kind in _FITTING else step)
    return found


def may_be_larger(pipeline: Sequence[Any], size: Size) -> bool:
    """Whether the pipeline as it is may make images that do not fit."""
    scales = [step.get("scale") for step in pipeline if compat.kind_of(step.get("type")) in _RESIZING]
    return any(max(_pair(scale)) > min(size) for scale in scales if scale)


def _pair(scale: Any) -> Sequence[float]:
    return (scale, scale) if isinstance(scale, (int, float)) else tuple(scale)
