"""The test pipeline of a config of mmdet, mmcls, mmseg, mmpose or mmrotate as the steps of ``pipeline``."""

from typing import Any, Dict, List, Sequence

from .images import FLAGS
from .pipeline import Step

_WITHOUT_EFFECT = {"ImageToTensor", "DefaultFormatBundle", "Collect", "ToTensor", "ToDataContainer", "LoadProposals"}


def from_config(transforms: Sequence[Dict[str, Any]], channels: int = 3) -> List[Step]:
    """The steps of a config's test pipeline.

    Args:
        transforms: the list of the config; those that do nothing to the image of a test are left out.
        channels: how many the model takes: pictures are made grey for a single one, where the config does not say so.
    """
    found = [step for transform in transforms for step in _steps(dict(transform), {})]
    if channels == 1 and not any(step.get("color", "color") != "color" for step in found):
        kinds = [step["type"] for step in found]
        found.insert(kinds.index("normalize") if "normalize" in kinds else 0, {"type": "grey"})
    return found


def _steps(transform: Dict[str, Any], given: Dict[str, Any]) -> List[Step]:
    """The steps of one transform; ``given`` is what MultiScaleFlipAug says of those inside it."""
    kind = transform.get("type")
    if kind in _WITHOUT_EFFECT:
        return []
    if kind == "LoadImageFromFile":
        return [*_load(transform), *([{"type": "float"}] if transform.get("to_float32") else [])]
    if kind == "MultiScaleFlipAug":
        return _test_time(transform)
    if kind in ("RandomFlip", "RRandomFlip"):
        ratio = transform.get("flip_ratio", transform.get("flip_prob")) if not given else 0
        return [{"type": "unknown", "what": kind}] if ratio else []
    if kind in ("Resize", "RResize"):
        return _resize({**transform, "keep_ratio": True} if kind == "RResize" else transform, given)
    if kind == "ResizeToMultiple":
        how = {"interpolation": transform.get("interpolation") or "bilinear", "backend": "cv2"}
        return [{"type": "resize", "rule": "multiple", "divisor": int(transform.get("size_divisor", 32)), **how}]
    if kind == "CenterCrop":
        step = {"type": "crop", "size": _pair(transform["crop_size"]), **_how(transform)}
        return [{**step, "padding": transform.get("crop_padding", 32)} if transform.get("efficientnet_style") else step]
    if kind == "Pad" and transform.get("padding_mode", "constant") == "constant":
        return [_pad(transform)]
    if kind == "Normalize":
        mean, std = ([float(value) for value in transform[name]] for name in ("mean", "std"))
        norm: Step = {"type": "normalize", "mean": mean, "std": std, "to_rgb": bool(transform.get("to_rgb", True))}
        return [{**norm, **{name: True for name in ("divided", "unit") if transform.get(name)}}]
    if kind == "TopDownAffine" and "image_size" in transform:  # who knows a model's configs has put these together
        width, height = transform["image_size"]
        person = {"type": "person", "padding": float(transform["padding"]), "udp": bool(transform.get("use_udp"))}
        return [{**person, "size": [int(height), int(width)]}]
    if kind == "BottomUpGetImgSize" and "image_size" in transform:
        return _aligned(transform)
    if kind == "RandomCenterCropPad" and transform.get("test_mode"):
        return [_centred(transform)]
    return [{"type": "unknown", "what": str(kind)}]


def _aligned(transform: Dict[str, Any]) -> List[Step]:
    """The first scale of a picture of several people."""
    width, height = transform["image_size"]
    scales = transform.get("test_scale_factor", [1])
    more = [{"type": "left out", "what": f"{len(scales) - 1} more scales"}] if len(scales) > 1 else []
    # the smallest scale has sides that are multiples of it, and the others go by that one
    base = int(round(transform.get("base_length", 64) / min(scales)))
    step = {"type": "align", "size": [int(height), int(width)], "base": base}
    return [*more, {**step, "udp": bool(transform.get("use_udp"))}]


def _load(transform: Dict[str, Any]) -> List[Step]:
    """How a picture is read, where that is not as it is by default."""
    color, order = transform.get("color_type", "color"), transform.get("channel_order", "bgr")
    if (color, order) == ("color", "bgr"):
        return []
    if color not in FLAGS:
        return [{"type": "unknown", "what": f"LoadImageFromFile of color_type {color!r}"}]
    return [{"type": "load", "color": color, "to_rgb": (color, order) == ("color", "rgb")}]


def _test_time(transform: Dict[str, Any]) -> List[Step]:
    """The steps of the first pass of a test-time augmentation."""
    found: List[Step] = []
    given = {}
    for name in ("img_scale", "scale_factor"):
        value = transform.get(name)
        if value is not None:
            given[name] = value[0] if isinstance(value, list) else value
            if isinstance(value, list) and len(value) > 1:
                found.append({"type": "left out", "what": f"{len(value) - 1} more scales"})
    ratios = transform.get("img_ratios")
    if ratios:
        ratios = ratios if isinstance(ratios, list) else [ratios]
        found += [{"type": "left out", "what": f"{len(ratios) - 1} more scales"}] if len(ratios) > 1 else []
        ratio = main_ratio(ratios)
        if "img_scale" in given:
            given["img_scale"] = tuple(int(side * ratio) for side in given["img_scale"])
        else:
            given["scale_factor"] = ratio
    if transform.get("flip"):
        found.append({"type": "left out", "what": "flipped images"})
    return found + [step for inner in transform["transforms"] for step in _steps(dict(inner), given)]


def main_ratio(ratios: Sequence[float]) -> float:
    """The one of mmseg's ``img_ratios`` that is run where a picture is run once."""
    return 1.0 if 1.0 in ratios else ratios[0]


def _resize(transform: Dict[str, Any], given: Dict[str, Any]) -> List[Step]:
    step: Step = {"type": "resize", **_how(transform)}
    if "size" in transform:  # mmcls: (height, width)
        size = _pair(transform["size"])
        if size[1] == -1:
            return [{**step, "rule": transform.get("adaptive_side", "short"), "size": [size[0]]}]
        return [{**step, "rule": "exact", "size": size}]
    if given.get("scale_factor") is not None:
        return [{**step, "rule": "factor", "factor": float(given["scale_factor"])}]
    scale = given.get("img_scale", transform.get("img_scale"))  # mmdet: (width, height), or (long, short)
    scales = scale if isinstance(scale, list) else [scale]
    if len(scales) != 1 or not isinstance(scales[0], (tuple, list)) or transform.get("ratio_range"):
        return [{"type": "unknown", "what": "Resize to a size that is drawn by chance"}]
    width, height = (int(value) for value in scales[0])
    if not transform.get("keep_ratio", True):
        return [{**step, "rule": "exact", "size": [height, width]}]
    step = {**step, "rule": "within", "size": [height, width]}
    if transform.get("rounding") == "down":
        step["rounding"] = "down"
    if transform.get("min_size"):
        step["least"] = int(transform["min_size"])
    return [step]


def _pad(transform: Dict[str, Any]) -> Step:
    value = transform.get("pad_val", 0)
    value = value.get("img", 0) if isinstance(value, dict) else value
    step = {"type": "pad", "value": [float(one) for one in value] if isinstance(value, (tuple, list)) else float(value)}
    if transform.get("counts"):
        step["counts"] = True
    if transform.get("pad_to_square"):
        return {**step, "square": True}
    if transform.get("size") is not None:
        return {**step, "size": _pair(transform["size"])}
    return {**step, "divisor": int(transform["size_divisor"])}


def _centred(transform: Dict[str, Any]) -> Step:
    """The image in the middle of a larger one, as CornerNet and CenterNet have it."""
    means = transform.get("input_mean", transform["mean"])  # a built transform keeps what it was given under that name
    step = {"type": "pad", "centred": True, "value": [float(one) for one in means[:: -1 if transform["to_rgb"] else 1]]}
    mode, number = transform.get("test_pad_mode", ("logical_or", 127))
    if mode == "logical_or":
        return {**step, "bits": int(number), "more": int(transform.get("test_pad_add_pix", 0))}
    return {**step, "divisor": int(number)}


def _pair(size: Any) -> List[int]:
    return [int(size)] * 2 if isinstance(size, (int, float)) else [int(value) for value in size]


def _how(transform: Dict[str, Any]) -> Dict[str, str]:
    return {
        "interpolation": transform.get("interpolation", "bilinear"),
        "backend": transform.get("backend") or "cv2",
    }
