"""A test pipeline as data, applied without mmdet or mmcls; ``transforms`` reads it from a config, a file keeps it.

A pipeline is a list of steps, each a dict that JSON holds; ``type`` is one of

- ``load``: the picture is read with ``color``, a ``color_type`` of mmcv's, and made RGB where ``to_rgb``;
- ``float``: the image becomes float32 before it is resized;
- ``resize``: ``rule`` is ``within`` (as large as fits into ``size``, the longer side of which goes with the image's
  longer side; with ``least`` its shorter side becomes that of ``size``, or as long as this, if ``size`` is smaller),
  ``exact`` (to ``size``), ``multiple`` (to the next multiples of ``divisor``, or the last ones where ``rounding`` is
  ``down``), ``factor`` (by ``factor``, in steps of whole sizes as mmdet has it), ``times`` (by ``factor``), or
  ``short``, ``long``, ``height``, ``width`` (that side becomes ``size[0]``); sizes are (height, width);
- ``line``: a line of text becomes ``height`` high and as wide as goes with that, in multiples of ``multiple``,
  ``least``   wide at least; it is filled up with ``value`` to ``most``, and has no more (null for any width);
- ``turn``: a picture that is higher than wide, or ``always`` each, is read turned by all ``degrees`` to the left;
- ``crop``: the middle, of ``size``; with ``padding`` the share size / (size + padding) of the shorter side, resized;
- ``pad``: right and below, or ``centred`` on all sides, with ``value``: to multiples of ``divisor``, to ``size``, to a
  ``square``, or to sides that have all ``bits``, and ``more`` pixels; the model takes it for image where it ``counts``;
  with ``mode`` ``reflect`` it is the picture's own rows and columns, mirrored, and no ``value``;
- ``person``: what lies in a box, with so much ``padding`` (1.25 makes it a quarter wider and higher) and in the aspect
  of ``size``, to which it is resized; ``udp`` has the first and the last pixels on the crop's border;
- ``align``: the shorter side becomes that of ``size``, the other one what goes with it, in multiples of ``base``, and
  what is missing to these is filled up; ``udp`` as above;
- ``normalize``: ``mean``, ``std`` (one figure, or one a channel), and whether ``to_rgb`` comes first, which does
  nothing to images that have not three channels; ``divided`` by the deviations as PyTorch does it, not as OpenCV;
  ``unit``: values are brought to 0 to 1 before;
- ``grey``: one channel;
- ``left out``: ``what`` was not taken over, so that the answers are those of one pass without it;
- ``unknown``: ``what`` cannot be applied here.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..support import MAX_PIXELS, InputError
from . import crops
from .crops import Crop

Step = Dict[str, Any]
Size = Tuple[int, int]

INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}
_BILINEAR = {"interpolation": "bilinear", "backend": "cv2"}


@dataclass(frozen=True)
class Prepared:
    """An image on its way into the network.

    Attributes:
        image: (H, W, 3) BGR uint8 first, or what else the model takes; (H, W) or (H, W, C) float32 in the end.
        original: (height, width) of the picture, in pixels.
        shape: (height, width) of its part of ``image``; the rest is padding.
        scale: how many times as wide and as high the picture has become.
        offset: (left, top) of its part of ``image``, in pixels.
        inner: (height, width) of the picture itself, where there is padding that counts as ``shape``; else None.
        crop: the part of the picture that it is, None for all of it.
    """

    image: np.ndarray
    original: Size
    shape: Size
    scale: Tuple[float, float] = (1.0, 1.0)
    offset: Tuple[int, int] = (0, 0)
    inner: Optional[Size] = None
    crop: Optional[Crop] = None

    @property
    def feed(self) -> np.ndarray:
        """(1, C, H, W) float32."""
        image = self.image if self.image.ndim == 3 else self.image[..., None]
        return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)


def check(steps: Sequence[Step], where: str) -> None:
    """Refuse a pipeline that cannot be applied here.

    Raises:
        InputError: it has an unknown step.
    """
    wrong = [str(step.get("what")) for step in steps if step.get("type") == "unknown"]
    if wrong:
        raise InputError(
            f"{where} has a test pipeline with {', '.join(wrong)}",
            "resizing, cropping, padding and normalizing alone",
            "prepare the images as the config says, and run the file with ONNX Runtime itself",
        )


_FILLING = ("pad", "crop", "person", "align", "line")
"""Steps that give pictures a size of their own, whatever they are."""


def for_fixed_size(steps: Sequence[Step], size: Size, stretch: bool = False) -> List[Step]:
    """The pipeline for a network of one size: images are resized to fit into it, and padded to it.

    Args:
        steps: the pipeline.
        size: (height, width) of the network's input.
        stretch: they are resized to all of it, whatever their aspect.
    """
    result = []
    for step in steps:
        if step["type"] == "resize" and step["rule"] in ("within", "factor", "multiple", "times"):
            step = {**step, "rule": "exact" if stretch else "fit", "size": list(size)}
        elif step["type"] == "line":
            step = {**step, "height": size[0], "most": size[1]}
            if stretch:
                step = {"type": "resize", "rule": "exact", "size": list(size), **_BILINEAR}
        elif step["type"] == "align":
            step = {**step, "size": list(size), "fixed": True}
        elif step["type"] in ("resize", "crop", "person") and step.get("rule", "exact") == "exact":
            step = {**step, "size": list(size)}
        if step["type"] == "pad":
            step = {key: step[key] for key in ("type", "value", "centred", "counts", "mode") if key in step}
            step["size"] = list(size)
        result.append(step)
    # of a config that pads the pictures of a batch alone
    if any(step.get("rule") == "fit" for step in result) and not any(step["type"] in _FILLING for step in result):
        result.append({"type": "pad", "value": 0.0, "size": list(size)})
    return result


def reading_alone(steps: Sequence[Step]) -> Tuple[List[Step], List[Step]]:
    """A pipeline in two: how a picture is read, and what is then done to it."""
    return [one for one in steps if one["type"] == "load"], [one for one in steps if one["type"] != "load"]


def split_pipeline(steps: Sequence[Step]) -> Tuple[List[Step], List[Step]]:
    """A pipeline in two: what makes bytes of bytes, and the rest, which begins with the normalization.

    Raises:
        InputError: images are no bytes any more in front of it, or are not normalized.
    """
    kinds = [step["type"] for step in steps]
    place = kinds.index("normalize") if "normalize" in kinds else -1
    if place < 0 or "float" in kinds[:place]:
        raise InputError(
            "the test pipeline does not normalize bytes", "one that resizes bytes, then normalizes", "take in all of it"
        )
    return list(steps[:place]), list(steps[place:])


def apply(steps: Sequence[Step], image: np.ndarray, box: Optional[np.ndarray] = None) -> Prepared:
    """Take an image through a pipeline.

    Args:
        steps: the pipeline.
        image: (H, W) or (H, W, C), of three channels BGR.
        box: (left, top, width, height) of what is to be seen, in pixels, of pipelines that ask for it; None for all.

    Raises:
        InputError: a side would become nothing, or the image far too large, or a step needs Pillow and there is none.
    """
    height, width = image.shape[:2]
    prepared = Prepared(image, (height, width), (height, width))
    for step in steps:
        if step["type"] == "person":
            prepared = _apply_person(step, prepared, np.array([0, 0, width, height]) if box is None else box)
        elif step["type"] in _APPLY:
            prepared = _APPLY[step["type"]](step, prepared)
    return prepared


def _apply_resize(step: Step, prepared: Prepared) -> Prepared:
    before = prepared.image.shape[:2]
    size = resized(step, (before[0], before[1]))
    _check_size(before, size)
    if size == before and step["rule"] in ("short", "long", "height", "width"):
        return prepared
    image = _resize_to(prepared.image, size, step)
    scale = (prepared.scale[0] * size[1] / before[1], prepared.scale[1] * size[0] / before[0])
    return replace(prepared, image=image, shape=size, scale=scale)


def resized(step: Step, size: Size) -> Size:
    """(height, width) that a resize step makes of an image of ``size``, by the rounding of mmcv's and mmcls's own."""
    height, width = size
    rule = step["rule"]
    if rule in ("within", "fit", "factor"):
        if rule == "within":
            target = step["size"]
            if "least" in step:  # mmseg fits the image into the size that its shorter side makes
                short = max(min(target), step["least"])
                target = [short, short * max(size) / min(size)]
            factor = min(max(target) / max(size), min(target) / min(size))
        elif rule == "fit":
            factor = min(step["size"][0] / height, step["size"][1] / width)
        else:
            # mmdet makes whole numbers of the scaled size, and fits the image into them
            scaled = [int(side * step["factor"]) for side in size]
            factor = min(max(scaled) / max(size), min(scaled) / min(size))
        half = 0.0 if step.get("rounding") == "down" else 0.5
        found = int(height * float(factor) + half), int(width * float(factor) + half)
        return (min(found[0], step["size"][0]), min(found[1], step["size"][1])) if rule == "fit" else found
    if rule == "exact":
        return step["size"][0], step["size"][1]
    if rule == "multiple":
        divisor, more = step["divisor"], 0 if step.get("rounding") == "down" else step["divisor"] - 1
        return (height + more) // divisor * divisor, (width + more) // divisor * divisor
    if rule == "times":
        return int(height * step["factor"] + 0.5), int(width * step["factor"] + 0.5)
    side = step["size"][0]
    if (rule == "short" and width < height) or (rule == "long" and width > height) or rule == "width":
        return (height, width) if width == side else (int(side * height / width), side)
    return (height, width) if height == side else (side, int(side * width / height))


def _resize_to(image: np.ndarray, size: Size, how: Step) -> np.ndarray:
    if how["backend"] == "cv2":
        return cv2.resize(image, (size[1], size[0]), interpolation=INTERPOLATIONS[how["interpolation"]])
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError("the file's pipeline resizes with Pillow", "Pillow", "pip install pillow") from error
    codes = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
    # the channels change places twice, as they stay BGR: Pillow treats each alike
    return np.array(Image.fromarray(image).resize((size[1], size[0]), codes[how["interpolation"]]))


def _check_size(before: Sequence[int], size: Sequence[int]) -> None:
    """Refuse to make an image of no pixels, or of far too many."""
    if min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
        raise InputError(
            f"an image of {before[1]}x{before[0]} pixels would become one of {size[1]}x{size[0]}",
            f"1 to {MAX_PIXELS} pixels",
            "give an image of another size or aspect",
        )


def line_width(step: Step, size: Size) -> int:
    """How wide a line step makes an image of (height, width), without what it is filled up with."""
    wide, multiple = math.ceil(float(step["height"]) / size[0] * size[1]), step["multiple"]
    if wide % multiple:
        wide = round(wide / multiple) * multiple
    wide = max(wide, step["least"] or 0)
    return wide if step["most"] is None else min(wide, step["most"])


def _apply_line(step: Step, prepared: Prepared) -> Prepared:
    before, high, most = prepared.image.shape[:2], step["height"], step["most"]
    wide = step.get("width") or line_width(step, (before[0], before[1]))
    _check_size(before, (high, wide))
    image = _resize_to(prepared.image, (high, wide), step)
    scale = (prepared.scale[0] * wide / before[1], prepared.scale[1] * high / before[0])
    if most is not None and wide < most:
        _check_size(before, (high, most))
        image = cv2.copyMakeBorder(image, 0, 0, 0, most - wide, cv2.BORDER_CONSTANT, value=step["value"])
    return replace(prepared, image=image, shape=(high, wide), scale=scale)


def _apply_crop(step: Step, prepared: Prepared) -> Prepared:
    height, width = prepared.image.shape[:2]
    crop: List[float] = list(step["size"])
    if step.get("padding") is not None:
        crop = [side / (side + step["padding"]) * min(height, width) for side in crop]
    top, left = (max(0, int(round((have - want) / 2.0))) for have, want in zip((height, width), crop))
    # upstream's own arithmetic: the last row is a float that is cut off
    bottom, right = (int(min(have, low + want) - 1) for have, low, want in zip((height, width), (top, left), crop))
    image = prepared.image[top : bottom + 1, left : right + 1]
    if step.get("padding") is not None:
        _check_size((height, width), step["size"])
        image = _resize_to(image, (step["size"][0], step["size"][1]), step)
    return replace(prepared, image=image, shape=(image.shape[0], image.shape[1]))


def _apply_person(step: Step, prepared: Prepared, box: np.ndarray) -> Prepared:
    _check_size(prepared.image.shape[:2], step["size"])
    image, crop = crops.person(prepared.image, step, box)
    return replace(prepared, image=image, shape=(image.shape[0], image.shape[1]), crop=crop)


def _apply_align(step: Step, prepared: Prepared) -> Prepared:
    before = prepared.image.shape[:2]
    _check_size(before, crops.aligned_size(step, (before[0], before[1])))
    image, crop = crops.aligned(prepared.image, step)
    return replace(prepared, image=image, shape=(image.shape[0], image.shape[1]), crop=crop)


def _apply_pad(step: Step, prepared: Prepared) -> Prepared:
    height, width = prepared.image.shape[:2]
    target = padded(step, (height, width))
    if target[0] < height or target[1] < width:
        raise InputError(
            f"an image of {width}x{height} pixels does not fit into the pipeline's {target[1]}x{target[0]}",
            "a smaller image",
            "export the file with a larger --shape, or with --dynamic-export",
        )
    _check_size((height, width), target)
    if step.get("centred"):
        return _centre(prepared, target, step["value"])
    edges = 0, target[0] - height, 0, target[1] - width
    if step.get("mode") == "reflect":
        around = ((0, edges[1]), (0, edges[3]), (0, 0))[: prepared.image.ndim]
        return replace(prepared, image=np.pad(prepared.image, around, mode="reflect"))
    image = cv2.copyMakeBorder(prepared.image, *edges, cv2.BORDER_CONSTANT, value=step["value"])
    if step.get("counts"):
        return replace(prepared, image=image, shape=target, inner=prepared.inner or prepared.shape)
    return replace(prepared, image=image)


def padded(step: Step, size: Size) -> Size:
    """(height, width) that a padding step makes of an image of ``size``."""
    if step.get("square"):
        return max(size), max(size)
    if "size" in step:
        return step["size"][0], step["size"][1]
    if "bits" in step:
        return (size[0] | step["bits"]) + step["more"], (size[1] | step["bits"]) + step["more"]
    return -(-size[0] // step["divisor"]) * step["divisor"], -(-size[1] // step["divisor"]) * step["divisor"]


def _centre(prepared: Prepared, target: Size, value: Any) -> Prepared:
    """Put the image into the middle of a larger one, by the rounding of mmdet's RandomCenterCropPad."""
    image = prepared.image
    parts, before = [], []
    for side, whole in zip(image.shape[:2], target):
        first = max(0, side // 2 - whole // 2)
        parts.append(slice(first, min(side // 2 + whole // 2, side)))  # an odd side that fills the target loses a row
        before.append(whole // 2 - side // 2 + first)
    image = image[parts[0], parts[1]]
    after = [whole - start - side for whole, start, side in zip(target, before, image.shape[:2])]
    edges = before[0], after[0], before[1], after[1]
    image = cv2.copyMakeBorder(image, *edges, cv2.BORDER_CONSTANT, value=value)
    return replace(prepared, image=image, offset=(before[1], before[0]))


def _apply_normalize(step: Step, prepared: Prepared) -> Prepared:
    image = prepared.image
    if step["to_rgb"] and image.shape[2:] == (3,):
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    if image.dtype == np.uint8:  # there are 256 values, and looking up what becomes of them takes a quarter of the time
        values = np.repeat(np.arange(256, dtype=np.float32), image[0, 0].size).reshape(1, 256, *image.shape[2:])
        table = _normalized(step, values)
        if table.size == values.size:  # a grey image does not become one of as many channels as there are means
            looked_up = cv2.LUT(image, table).reshape(image.shape[:2] + table.shape[2:])
            return replace(prepared, image=looked_up)
    return replace(prepared, image=_normalized(step, image.astype(np.float32)))


def _normalized(step: Step, image: np.ndarray) -> np.ndarray:
    if step.get("unit"):
        image = image / np.float32(255.0)
    if step.get("divided"):
        return _divided(image, step)
    # OpenCV's arithmetic on float32 figures as float64, and not numpy's: it is what mmcv rounds by
    mean, std = (np.asarray(step[name], np.float32).astype(np.float64).reshape(1, -1) for name in ("mean", "std"))
    normalized: np.ndarray = cv2.multiply(cv2.subtract(image, mean), 1 / std)
    return normalized


def _divided(image: np.ndarray, step: Step) -> np.ndarray:
    mean, std = (np.asarray(step[name], np.float32) for name in ("mean", "std"))
    return (image - mean) / std


def _grey(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def prepared_size(steps: Sequence[Step], image: np.ndarray) -> Size:
    """(height, width) of what a pipeline makes of an image, padding included; arguments and errors as of ``apply``."""
    height, width = apply([step for step in steps if step["type"] != "normalize"], image).image.shape[:2]
    return height, width


def most_pixels(steps: Sequence[Step]) -> Optional[int]:
    """The most that a pipeline makes of any picture; None where a longer picture becomes a longer image."""
    sides: Optional[Size] = None
    for step in steps:
        kind, rule = step["type"], step.get("rule")
        if kind == "crop" or rule in ("exact", "fit") or (rule == "within" and "least" not in step):
            sides = step["size"][0], step["size"][1]
        elif kind == "line":
            sides = None if step["most"] is None else (step["height"], step["most"])
        elif kind == "pad" and (sides is not None or "size" in step):
            sides = padded(step, sides or (0, 0))
        elif kind not in _KEEPING_SIZE:
            sides = None
    return None if sides is None else sides[0] * sides[1]


_KEEPING_SIZE = ("load", "float", "grey", "turn", "normalize", "left out")


def reading(steps: Sequence[Step]) -> Step:
    """The step that says how a picture is read."""
    return next((step for step in steps if step["type"] == "load"), {"type": "load", "color": "color", "to_rgb": False})


_APPLY = {
    "float": lambda step, prepared: replace(prepared, image=prepared.image.astype(np.float32)),
    "grey": lambda step, prepared: replace(prepared, image=_grey(prepared.image)),
    "resize": _apply_resize,
    "line": _apply_line,
    "crop": _apply_crop,
    "align": _apply_align,
    "pad": _apply_pad,
    "normalize": _apply_normalize,
}


def normalization(steps: Sequence[Step]) -> Optional[Step]:
    """The step that normalizes, None if there is none."""
    return next((step for step in steps if step["type"] == "normalize"), None)
