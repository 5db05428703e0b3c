"""What a config says of key points and of pictures."""

from dataclasses import fields
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ...loading import AUGMENTED, Task, augmentation, find_transform, test_pipeline
from ...runtime import Grouping, from_config

_PADDING = 1.25
"""How much wider and higher than its box a crop is, where the pipeline does not say."""
_PLAIN = [255, 128, 0]
"""What upstream draws lines in that have no colour, blue first."""


def describe(task: Task, config: Any) -> None:
    """Let a task know what its file is to say of itself.

    Args:
        task: is changed.
        config: the model's.
    """
    task.classes, task.palette, task.skeleton = names_of(dataset_info(config))
    task.grouping = grouping_of(config, found="scores" in task.output_names)
    steps = transforms(config)
    task.pipeline = from_config(steps, task.channels) if steps else None
    asked = [*scales_of(config), *filter(None, [augmentation(config)])]
    if asked:
        task.notes.append(f"{AUGMENTED} ({', '.join(asked)}): the file is, and is compared with, one pass")


def scales_of(config: Any) -> List[str]:
    """In how many scales a config wants a picture of several people to be run, in words; empty for one."""
    scales = (find_transform(test_pipeline(config), "BottomUpGetImgSize") or {}).get("test_scale_factor", ())
    return [f"{len(scales)} scales"] if len(scales) > 1 else []


def grouping_of(config: Any, found: bool) -> Optional[Dict[str, Any]]:
    """How the maps of a config's model are grouped, by the fields of ``runtime.Grouping``; None for no such maps.

    Args:
        found: the network finds the people, and who was found twice is all that is to be told.
    """
    settings = config.model.get("test_cfg") or {}
    if "tag_threshold" not in settings and not found:
        return None
    known = {one.name for one in fields(Grouping)} if not found else ()
    given = {name: settings[name] for name in settings if name in known}
    return {**given, "sigmas": [float(sigma) for sigma in dataset_info(config).get("sigmas", ())]}


def dataset_info(config: Any) -> Mapping[str, Any]:
    """What the config says of the data set's key points; empty for nothing."""
    found = _test(config).get("dataset_info") or config.get("dataset_info")
    return found if isinstance(found, Mapping) else {}


def names_of(info: Mapping[str, Any]) -> Tuple[List[str], List[List[int]], List[Dict[str, List[int]]]]:
    """The key points' names and colours, and the lines between them; colours are red first, which mmpose has last."""
    points = sorted(info.get("keypoint_info", {}).values(), key=lambda point: int(point["id"]))
    numbers = {str(point["name"]): int(point["id"]) for point in points}
    lines = [
        {"link": [numbers[str(end)] for end in line["link"]], "color": _red_first(line.get("color", _PLAIN))}
        for line in info.get("skeleton_info", {}).values()
    ]
    return list(numbers), [_red_first(point.get("color", _PLAIN)) for point in points], lines


def set_of(config: Any) -> Mapping[str, Any]:
    """The ``data_cfg`` of a config's test set; empty for none."""
    return _test(config).get("data_cfg") or config.get("data_cfg") or {}


def image_size(config: Any) -> Optional[Tuple[int, int]]:
    """(width, height) of the crops that a config has its pictures cut to; None where it does not say."""
    found = set_of(config).get("image_size")
    if found is None:
        return None
    width, height = [int(found)] * 2 if isinstance(found, (int, float)) else (int(side) for side in found)
    return width, height


def norm_of(pipeline: Any) -> Optional[Dict[str, Any]]:
    """The normalisation of a test pipeline, of pictures of 0 to 255; None for none."""
    found = find_transform(pipeline, "NormalizeTensor")
    if found is None:
        return None
    mean, std = ([255.0 * float(value) for value in found[name]] for name in ("mean", "std"))
    return {"mean": mean, "std": std, "to_rgb": _is_rgb(pipeline)}


def transforms(config: Any) -> List[Dict[str, Any]]:
    """The test pipeline in the terms of ``runtime.from_config``; empty where there is none."""
    pipeline, size = test_pipeline(config), image_size(config)
    found = []
    for step in pipeline:
        kind = step["type"]
        if kind == "LoadImageFromFile":
            found.append({**step, "channel_order": "bgr"})  # the normalisation turns it
        elif kind == "TopDownAffine" and size is not None:
            box = find_transform(pipeline, "TopDownGetBboxCenterScale") or {}
            found.append({**step, "image_size": size, "padding": box.get("padding", _PADDING)})
        elif kind == "BottomUpGetImgSize" and size is not None:
            found.append({**step, "image_size": size})
        elif kind == "BottomUpResizeAlign":
            found += [_normalize(inner, pipeline) for inner in step["transforms"] if inner["type"] == "NormalizeTensor"]
        elif kind == "NormalizeTensor":
            found.append(_normalize(step, pipeline))
        elif kind != "TopDownGetBboxCenterScale":
            found.append(dict(step))
    return found


def _normalize(step: Mapping[str, Any], pipeline: Any) -> Dict[str, Any]:
    norm = {name: [float(value) for value in step[name]] for name in ("mean", "std")}
    return {"type": "Normalize", **norm, "to_rgb": _is_rgb(pipeline), "divided": True, "unit": True}


def _is_rgb(pipeline: Any) -> bool:
    return (find_transform(pipeline, "LoadImageFromFile") or {}).get("channel_order", "rgb") == "rgb"


def _test(config: Any) -> Mapping[str, Any]:
    test = config.get("data", {}).get("test", {})
    while isinstance(test, (list, tuple)):
        test = test[0] if test else {}
    return test


def _red_first(color: Any) -> List[int]:
    return [int(value) for value in color][::-1]
