"""Configs of OpenMMLab 2.x: their test pipeline and their data preprocessor in the terms of 1.x.

There the one normalises and pads what the other has resized, on the device; here both are one list of transforms with
the names and arguments that 1.x has, which is all that the rest of mmonnx reads.
"""

from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..environment import compat

Transform = Dict[str, Any]

_MOST_CHANNELS = 4
"""Of a colour of OpenCV's."""
_WITHOUT_EFFECT = {
    "LoadAnnotations",
    "LoadPanopticAnnotations",
    "LoadTextAnnotations",
    "PackDetInputs",
    "PackInputs",
    "PackMultiTaskInputs",
    "InferencerLoader",
}
"""What does nothing to the image of a test."""


def is_of_second(config: Mapping[str, Any]) -> bool:
    """Whether a config is one of OpenMMLab 2.x."""
    model = config.get("model") or {}
    return "test_dataloader" in config or "data_preprocessor" in config or "data_preprocessor" in model


def test_dataset(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The innermost data set of the test loader, of which others may be made; empty for none."""
    loader = first_of(config.get("test_dataloader") or config.get("val_dataloader"))
    found = first_of(loader.get("dataset"))
    while found.get("dataset") or found.get("datasets"):
        found = first_of(found.get("dataset") or found.get("datasets"))
    return found


def first_of(value: Any) -> Mapping[str, Any]:
    """A dict, or the first of a list of them; an empty one for nothing."""
    value = value[0] if isinstance(value, (list, tuple)) and value else value
    return value if isinstance(value, Mapping) else {}


def names_of(config: Mapping[str, Any], meta: Mapping[str, Any], datasets: Any) -> Tuple[Mapping[str, Any], ...]:
    """What the checkpoint, the config and the dataset say of ``classes`` and ``palette``, in this order.

    Args:
        meta: the checkpoint's meta data, may be empty.
        datasets: the codebase's registry of datasets, whose classes carry their names.
    """
    test = test_dataset(config)
    kind = test.get("type")
    dataset = datasets.get(kind) if isinstance(kind, str) else kind
    of_dataset = {name.lower(): value for name, value in (getattr(dataset, "METAINFO", None) or {}).items()}
    of_config = {name.lower(): value for name, value in (test.get("metainfo") or {}).items()}
    own = meta.get("dataset_meta") or {"classes": meta.get("CLASSES")}  # converted ones have what 1.x wrote
    return own, of_config, of_dataset


def preprocessor(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of the model's data preprocessor; the model's own count before the config's.

    Those of several branches have a common one inside.
    """
    model = config.get("model") or {}
    found = model.get("data_preprocessor") or config.get("data_preprocessor") or {}
    while found.get("data_preprocessor"):
        found = found["data_preprocessor"]
    return found


def transforms(config: Mapping[str, Any]) -> List[Transform]:
    """What a picture goes through at test time: the pipeline's transforms, normalising and padding, as 1.x names them.

    What is not known is left as it is, and is told of by whoever reads the list.
    """
    pipeline = test_dataset(config).get("pipeline") or config.get("test_pipeline") or []
    steps = [step for step in map(_translated, _flat(pipeline)) if step is not None]
    return steps + _of_preprocessor(preprocessor(config))


def norm_of(settings: Mapping[str, Any]) -> Optional[Transform]:
    """The ``Normalize`` transform that a data preprocessor's settings mean; None where they mean none."""
    turned = any(settings.get(name) for name in ("bgr_to_rgb", "rgb_to_bgr", "to_rgb"))
    mean, std = settings.get("mean"), settings.get("std")
    if mean is None and not turned:
        return None
    means: Sequence[Any] = mean if mean is not None else [0.0] * 3
    stds: Sequence[Any] = std if mean is not None and std is not None else [1.0] * len(means)
    return {"type": "Normalize", "mean": list(means), "std": list(stds), "to_rgb": turned, "divided": True}


def _flat(pipeline: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The transforms, also those that go to an image and its proposals alike."""
    for step in pipeline:
        if compat.kind_of(step.get("type")) == "ProposalBroadcaster":
            yield from _flat(step.get("transforms") or ())
        else:
            yield step


def _translated(step: Mapping[str, Any]) -> Optional[Transform]:
    found = {**step, "type": compat.kind_of(step.get("type"))}
    kind = found["type"]
    if kind in _WITHOUT_EFFECT:
        return None
    return _TRANSLATE[kind](found) if kind in _TRANSLATE else found


def _resize(step: Transform) -> Transform:
    """``Resize`` of mmcv 2: ``scale`` is (width, height) or one figure, and the ratio is not kept by default."""
    if step.get("scale") is None:
        return {**step, "type": f"Resize by scale_factor {step.get('scale_factor')!r}"}
    scale = step["scale"]
    width, height = (scale, scale) if isinstance(scale, (int, float)) else scale
    if step.get("keep_ratio", False):
        return {"type": "Resize", "img_scale": (width, height), "keep_ratio": True, **_how(step)}
    return {"type": "Resize", "size": (height, width), **_how(step)}


def _resize_rounding_down(step: Transform) -> Transform:
    """``FixScaleResize`` of mmdet 3: a size that keeps the ratio is cut off, and not rounded."""
    found = _resize(step)
    return {**found, "rounding": "down"} if "img_scale" in found else found


def _how(step: Transform) -> Transform:
    """How a picture is resized, as far as a transform says it."""
    return {name: step[name] for name in ("interpolation", "backend") if name in step}


def _resize_edge(step: Transform) -> Transform:
    return {"type": "Resize", "size": (step["scale"], -1), "adaptive_side": step.get("edge", "short"), **_how(step)}


def _center_crop(step: Transform) -> Transform:
    """``CenterCrop`` of mmcv 2, whose ``crop_size`` is (width, height)."""
    size = step["crop_size"]
    return {**step, "crop_size": size if isinstance(size, int) else tuple(size)[::-1]}


def _efficientnet_crop(step: Transform) -> Transform:
    how = {"interpolation": "bicubic", **_how(step)}
    more = {"efficientnet_style": True, "crop_padding": step.get("crop_padding", 32)}
    return {"type": "CenterCrop", "crop_size": step["crop_size"], **how, **more}


def _pad(step: Transform) -> Transform:
    """``Pad`` of mmcv 2, whose ``size`` is (width, height), and what it adds counts as image."""
    value = step.get("pad_val", 0)
    value = value.get("img", 0) if isinstance(value, dict) else value
    size = None if step.get("size") is None else tuple(step["size"])[::-1]
    if isinstance(value, int) and value:  # of all channels; of other figures OpenCV, and so mmcv, pads the first alone
        value = (value,) * _MOST_CHANNELS
    return {**step, "size": size, "pad_val": value, "counts": True}


def _flip(step: Transform) -> Transform:
    return {"type": "RandomFlip", "flip_ratio": step.get("prob")}


_TRANSLATE = {
    "CenterCrop": _center_crop,
    "EfficientNetCenterCrop": _efficientnet_crop,
    "FixScaleResize": _resize_rounding_down,
    "Pad": _pad,
    "RandomFlip": _flip,
    "Resize": _resize,
    "ResizeEdge": _resize_edge,
}


def _of_preprocessor(settings: Mapping[str, Any]) -> List[Transform]:
    """Channels in the other order, normalising, and padding behind it, as mmengine's preprocessors do it."""
    norm = norm_of(settings)
    found: List[Transform] = [norm] if norm else []
    divisor = int(settings.get("pad_size_divisor") or 1)
    if divisor > 1:
        value = settings.get("pad_value") or 0
        found.append({"type": "Pad", "size_divisor": divisor, "pad_val": (value,) * _MOST_CHANNELS if value else 0})
    return found
