"""The test pipelines of mmaction2's configs as data, see ``runtime.Recognizer``."""

from typing import Any, Callable, Dict, List, Mapping, Optional

from ...loading import test_pipeline
from ...support import InputError

Step = Dict[str, Any]
Transform = Mapping[str, Any]

_WITHOUT_EFFECT = {"FormatShape", "Collect", "ToTensor", "RawFrameDecode"}
_READERS = ("Init", "Decode")
_VIEWS = {"CenterCrop": "centre", "ThreeCrop": "three", "TenCrop": "ten"}
_ANY_LENGTH = 1 << 30
"""Of a side that goes with the other one."""


def steps_of(config: Any, frames: Optional[int]) -> Optional[List[Step]]:
    """A config's test pipeline as steps; None where it has none, or makes no clips of films of it.

    Args:
        config: the model's.
        frames: of a clip, None of a model of single frames.
    """
    transforms = test_pipeline(config)
    wanted = "NCHW" if frames is None else "NCTHW"
    if not any(one.get("input_format") == wanted for one in transforms):
        return None  # flows, sound
    found: List[Step] = []
    for transform in transforms:
        kind = str(transform["type"])
        if kind in _WITHOUT_EFFECT or kind.endswith(_READERS):
            continue
        make = _MAKE.get(kind, _unknown)
        found.append(_unknown(transform) if transform.get("lazy") else make(transform))
    for step in found:
        if step["type"] == "frames":
            test = config.get("data", {}).get("test", {})
            step["template"] = str(test.get("filename_tmpl", "img_{:05}.jpg"))
            step["first"] = int(test.get("start_index", 1))
    if not any(step["type"] == "normalize" for step in found):
        found.append(_normalize({"mean": [0.0] * 3, "std": [1.0] * 3}))
    return found if any(step["type"] in ("frames", "unknown") for step in found) else None


def normalise_in_pipeline(config: Any) -> None:
    """Let the test pipeline of a config normalise, where it has a hook of the model's do it on a GPU.

    Args:
        config: is changed.

    Raises:
        InputError: it has hooks that do something else.
    """
    hooks = config.get("module_hooks") or ()
    if not hooks:
        return
    other = next((hook for hook in hooks if hook["type"] != "GPUNormalize"), None)
    test = config.get("data", {}).get("test", {})
    if other is not None or len(hooks) > 1 or "pipeline" not in test:
        raise InputError(
            f"the config has module_hooks ({', '.join(str(hook['type']) for hook in hooks)})",
            "none, or one GPUNormalize beside a test pipeline",
            "take them out, and let the test pipeline do what they do",
        )
    (hook,) = hooks
    place = [str(step["type"]) for step in test.pipeline].index("FormatShape")
    norm = {"type": "Normalize", "mean": list(hook["mean"]), "std": list(hook["std"]), "to_bgr": False}
    test.pipeline = [*test.pipeline[:place], norm, *test.pipeline[place:]]
    config.module_hooks = []


def _frames(transform: Transform) -> Step:
    if not transform.get("test_mode") or transform.get("temporal_jitter"):
        return {"type": "unknown", "what": f"{transform['type']} that draws frames at random"}
    step = {
        "type": "frames",
        "how": "even",
        "clip_len": int(transform["clip_len"]),
        "interval": int(transform.get("frame_interval", 1)),
        "clips": int(transform.get("num_clips", 1)),
        "past_end": "last" if transform.get("out_of_bound_opt") == "repeat_last" else "loop",
    }
    if transform["type"] == "DenseSampleFrames":
        dense = {"range": transform.get("sample_range", 64), "positions": transform.get("num_sample_positions", 10)}
        return {**step, "how": "dense", **{name: int(value) for name, value in dense.items()}}
    return {**step, "twice": True} if transform.get("twice_sample") else step


def _resize(transform: Transform) -> Step:
    how = {"interpolation": transform.get("interpolation", "bilinear"), "backend": "cv2"}
    scale = transform["scale"]
    if isinstance(scale, float):
        return {"type": "resize", "rule": "times", "factor": scale, **how}
    width, height = (int(side) for side in scale)
    if not transform.get("keep_ratio", True):
        return {"type": "resize", "rule": "exact", "size": [height, width], **how}
    # the longer of the two is the shorter side's where the other one is not said
    size = [max(width, height), _ANY_LENGTH] if min(width, height) == -1 else [height, width]
    return {"type": "resize", "rule": "within", "size": size, **how}


def _cut(transform: Transform) -> Step:
    size = transform["crop_size"]
    width, height = (size, size) if isinstance(size, int) else size
    return {"type": "views", "how": _VIEWS[str(transform["type"])], "size": [int(height), int(width)]}


def _normalize(transform: Transform) -> Step:
    mean, std = ([float(value) for value in transform[name]] for name in ("mean", "std"))
    # upstream reads RGB, mmonnx BGR
    return {"type": "normalize", "mean": mean, "std": std, "to_rgb": not transform.get("to_bgr", False)}


def _unknown(transform: Transform) -> Step:
    return {"type": "unknown", "what": str(transform["type"])}


_MAKE: Dict[str, Callable[[Transform], Step]] = {
    "SampleFrames": _frames,
    "DenseSampleFrames": _frames,
    "Resize": _resize,
    "Normalize": _normalize,
    **dict.fromkeys(_VIEWS, _cut),
}
