"""The test pipelines of mmedit's configs: how pictures, masks and trimaps are prepared, as data."""

from typing import Any, Dict, List, Mapping, Optional, Sequence

Step = Dict[str, Any]
Transforms = Sequence[Mapping[str, Any]]

_WITHOUT_EFFECT = {"ImageToTensor", "Collect", "ToTensor", "FormatTrimap", "GenerateCoordinateAndCell"}
_BYTES = 255.0
_NO_NORM = {"mean": [0.0] * 3, "std": [1.0] * 3}
_SMALL = 2.0
"""The greatest mean or deviation of values of 0 to 1."""


def test_pipeline(config: Any) -> Transforms:
    """A config's ``test_pipeline``, or that of its test set; empty where it has none."""
    test = config.get("data", {}).get("test", {})
    return config.get("test_pipeline") or (test.get("pipeline") if isinstance(test, dict) else None) or []


def whole(norm: Mapping[str, Any], rgb: bool) -> Dict[str, Any]:
    """A ``Normalize`` transform of mmedit's for values of 0 to 255, which may have been brought to 0 to 1 before it.

    Args:
        norm: the transform; what it says of the order of channels depends on how pictures were read.
        rgb: whether red comes first in the end.
    """
    mean, std = ([float(value) for value in norm[name]] for name in ("mean", "std"))
    factor = _BYTES if max(map(abs, [*mean, *std])) <= _SMALL else 1.0
    scaled = {"mean": [factor * value for value in mean], "std": [factor * value for value in std]}
    return {**scaled, "to_rgb": rgb}


def norm_of(steps: Optional[Sequence[Step]]) -> Optional[Dict[str, Any]]:
    """The ``Normalize`` transform of a picture's steps, for values of 0 to 255; None where there are none."""
    norm = next((step for step in steps or () if step["type"] == "normalize"), None)
    if norm is None:
        return None
    factor = _BYTES if norm.get("unit") else 1.0
    return {**{name: [factor * value for value in norm[name]] for name in ("mean", "std")}, "to_rgb": norm["to_rgb"]}


def steps_of(transforms: Transforms, key: str) -> Optional[List[Step]]:
    """The steps of what a pipeline calls by a key, see ``runtime.pipeline``; None where it has nothing of that name."""
    found: List[Step] = []
    known, unit, rgb = False, False, False
    for transform in transforms:
        kind, output = transform["type"], _output(transform, key)
        if kind in ("LoadImageFromFile", "LoadPairedImageFromFile") and output:
            known, rgb = True, transform.get("channel_order", "bgr") == "rgb"
            color = transform.get("flag", "color")
            found += [] if color == "color" else [{"type": "load", "color": color, "to_rgb": False}]
        elif output is None or kind in _WITHOUT_EFFECT:
            continue
        elif kind == "RescaleToZeroOne":
            unit = True
        elif kind == "Normalize":
            found.append(_normalize(transform, unit, rgb))
        else:
            found.append(_geometric(transform))
    if not any(step["type"] == "normalize" for step in found):
        found.append(_normalize(_NO_NORM, unit, rgb))
    return found if known else None


def geometry_of(steps: Sequence[Step], interpolation: Optional[str] = None) -> List[Step]:
    """The steps that change the size of a picture, for what goes with it; resized by another interpolation."""
    more = {} if interpolation is None else {"interpolation": interpolation}
    return [
        {**step, **(more if step["type"] == "resize" else {})} for step in steps if step["type"] in ("pad", "resize")
    ]


def _output(transform: Mapping[str, Any], key: str) -> Optional[str]:
    """The key itself where a transform is of it, else None."""
    pair = ("img_a", "img_b") if transform["type"] == "LoadPairedImageFromFile" else ()
    keys = transform.get("output_keys") or transform.get("keys", ())
    return key if key in (transform.get("key"), *keys, *pair) else None


def _geometric(transform: Mapping[str, Any]) -> Step:
    """What changes the size of a picture."""
    if transform["type"] == "Pad":
        step = {"type": "pad", "divisor": int(transform.get("ds_factor", 32)), "value": 0.0}
        if transform.get("mode") == "reflect":
            return {**step, "mode": "reflect"}
    if transform["type"] == "Resize" and not transform.get("keep_ratio"):
        how = {
            "interpolation": transform.get("interpolation", "bilinear"),
            "backend": transform.get("backend") or "cv2",
        }
        if transform.get("size_factor") and not transform.get("max_size"):
            rule = {"rule": "multiple", "divisor": int(transform["size_factor"]), "rounding": "down"}
            return {"type": "resize", **rule, **how}
        scale = transform.get("scale")
        if isinstance(scale, (tuple, list)):
            return {"type": "resize", "rule": "exact", "size": [int(scale[1]), int(scale[0])], **how}
    return {"type": "unknown", "what": str(transform["type"])}


def _normalize(norm: Mapping[str, Any], unit: bool, rgb: bool) -> Step:
    """One step of three: upstream reads, scales and normalises one after the other, in either order of channels."""
    mean, std = ([float(value) for value in norm[name]] for name in ("mean", "std"))
    step: Step = {"type": "normalize", "mean": mean, "std": std, "to_rgb": rgb != bool(norm.get("to_rgb"))}
    return {**step, "unit": True} if unit else step
