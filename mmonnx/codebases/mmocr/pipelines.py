"""The test pipelines of mmocr's configs, as data."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ...loading import find_transform
from ...runtime import from_config, prepared_size, read_picture

Step = Dict[str, Any]
Transforms = Sequence[Mapping[str, Any]]

_COLORS = 3
_BYTES = 255.0
_TURNING = "MultiRotateAugOCR"
_LINE = "ResizeOCR"
_NO_IMAGE = "ResizeNoImg"
"""Says how large a picture would become that nobody looks at: the boxes on it become as large."""
_WITHOUT_EFFECT = ("ToTensorOCR", "LoadAnnotations", "KIEFormatBundle")


def test_pipeline(config: Any) -> Transforms:
    """The test pipeline of a config: of its test set, or of the first one of several; empty where it has none."""
    test = _first(config.get("data", {}).get("test") or {})
    while isinstance(test, Mapping):
        pipeline = _first(test.get("pipeline") or ())
        if isinstance(pipeline, Mapping):
            return _flat(test["pipeline"])
        test = _first(test.get("datasets") or ())
    return config.get("test_pipeline") or []


def _flat(pipelines: Any) -> Transforms:
    """A pipeline, or the first one of a list of them, one a list of datasets."""
    return pipelines if isinstance(pipelines[0], Mapping) else pipelines[0]


def _first(value: Any) -> Any:
    while isinstance(value, (list, tuple)):
        value = value[0] if value else None
    return value


def norm_of(transforms: Transforms) -> Optional[Dict[str, Any]]:
    """The normalisation of a pipeline as a ``Normalize`` transform of pictures of 0 to 255; None for none."""
    found = find_transform(transforms, "Normalize")
    if found is not None:
        return dict(found)
    found = find_transform(transforms, "NormalizeOCR")
    if found is None:
        return None
    mean, std = ([_BYTES * float(value) for value in found[name]] for name in ("mean", "std"))
    return {"mean": mean, "std": std, "to_rgb": False}


def line_of(transforms: Transforms) -> Optional[Mapping[str, Any]]:
    """What brings a line of text to its size; None of the pipelines of others."""
    return find_transform(transforms, _LINE)


def is_filled_up(transforms: Transforms) -> bool:
    """Whether pictures of words are filled up on their right, or nobody says what is done with them."""
    line = line_of(transforms)
    return line is None or bool(line.get("keep_aspect_ratio", True) and line.get("max_width") is not None)


def steps_of(transforms: Transforms, channels: int) -> Optional[List[Step]]:
    """How pictures are prepared, see ``runtime.pipeline``; None where a config does not say it."""
    if not transforms:
        return None
    found: List[Step] = []
    for transform in transforms:
        if transform["type"] == _TURNING:
            found.append(_turns(transform))
            found += [step for inner in transform["transforms"] for step in _steps(inner)]
        else:
            found += _steps(transform)
    color = any(step["type"] == "load" for step in found)
    at = 1 if color else 0
    return [*found[:at], {"type": "grey"}, *found[at:]] if channels == 1 and not color else found


def size_of(transforms: Transforms, path: str) -> Optional[Tuple[int, int]]:
    """(height, width) that a pipeline makes of a picture, as mmocr's own tool has its sample; None for no pipeline.

    Raises:
        InputError: the picture cannot be read, or has no such size.
    """
    steps = steps_of(transforms, _COLORS)
    if steps is None or any(step["type"] == "unknown" for step in steps):
        return None
    return prepared_size(steps, read_picture(path, _COLORS))


def _steps(transform: Mapping[str, Any]) -> List[Step]:
    kind = transform["type"]
    if kind in _WITHOUT_EFFECT:
        return []
    if kind == _NO_IMAGE:
        return from_config([{**transform, "type": "Resize"}])
    if kind == _LINE:
        return [_line(transform)]
    if kind == "NormalizeOCR":
        norm = {name: [float(value) for value in transform[name]] for name in ("mean", "std")}
        return [{"type": "normalize", **norm, "to_rgb": False, "divided": True, "unit": True}]
    return from_config([dict(transform)])


def _line(transform: Mapping[str, Any]) -> Step:
    high, least, most = (_one(transform.get(name)) for name in ("height", "min_width", "max_width"))
    how = {"interpolation": "bilinear", "backend": transform.get("backend") or "cv2"}
    if not transform.get("keep_aspect_ratio", True):
        return {"type": "resize", "rule": "exact", "size": [high, most], **how}
    value = transform.get("img_pad_value", 0)
    if transform.get("padding_mode", "constant") != "constant" or not isinstance(value, (int, float)):
        return {"type": "unknown", "what": f"{_LINE} of another padding"}
    multiple = int(1 / transform.get("width_downsample_ratio", 1.0 / 16))
    width = {"least": least, "most": most, "multiple": multiple, "value": float(value)}
    return {"type": "line", "height": high, **width, **how}


def _one(value: Any) -> Optional[int]:
    """A size, or the first of those that a training on several GPUs has."""
    value = _first(value)
    return None if value is None else int(value)


def _turns(transform: Mapping[str, Any]) -> Step:
    degrees = transform.get("rotate_degrees")
    given = [0] if degrees is None else [degrees] if isinstance(degrees, int) else list(degrees)
    degrees = sorted({*given, 0})
    return {"type": "turn", "degrees": degrees, "always": bool(transform.get("force_rotate"))}
