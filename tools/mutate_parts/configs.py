"""Faults in the config of the model that is traced, as data: a key, and what its value becomes."""

import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, NamedTuple, Tuple

Change = Callable[[Any], Tuple[Any, ...]]
_SKIPPED = {"train_cfg", "init_cfg", "pretrained"}


@dataclass(frozen=True)
class ConfigKind:
    """A kind of faults in a config.

    Attributes:
        name: a short one, by which it can be asked for.
        plants: what is wrong in the file then.
        keys: a pattern of the keys.
        change: a value's other values; none for a value of another kind.
        first: whether it comes before the others.
    """

    name: str
    plants: str
    keys: str
    change: Change
    first: bool = False


class Setting(NamedTuple):
    """A fault in a config, in words, and as options that override it."""

    where: str
    options: Dict[str, Any]


def _number(change: Callable[[float], float]) -> Change:
    def changed(value: Any) -> Tuple[Any, ...]:
        return (type(value)(change(value)),) if isinstance(value, (int, float)) and not isinstance(value, bool) else ()

    return changed


def _numbers(change: Callable[[float], float], float_only: bool = True) -> Change:
    """The last of a list of numbers, or a number, changed."""

    def changed(value: Any) -> Tuple[Any, ...]:
        if isinstance(value, (list, tuple)) and value and isinstance(value[-1], (int, float)):
            last = change(value[-1])
            return ([*value[:-1], last if float_only else int(last)],)
        return _number(change)(value)

    return changed


def _flag(value: Any) -> Tuple[Any, ...]:
    return (not value,) if isinstance(value, bool) else ()


def _word(words: Dict[str, str]) -> Change:
    return lambda value: (words[value],) if isinstance(value, str) and value in words else ()


CONFIG_KINDS = {
    one.name: one
    for one in (
        ConfigKind(
            "config-score-thr", "score_thr 0.01 higher", "score_thr|filter_thr", _number(lambda v: v + 0.01), True
        ),
        ConfigKind(
            "config-nms-overlap", "iou_threshold 0.05 higher", "iou_threshold|iou_thr", _number(lambda v: v + 0.05)
        ),
        ConfigKind("config-limit", "at most 40 detections", "max_per_img|max_per_image", _number(lambda v: 40)),
        ConfigKind("config-candidates", "half of nms_pre", "nms_pre|update_thr_pre", _number(lambda v: v // 2)),
        ConfigKind("config-smallest", "min_bbox_size 8 larger", "min_bbox_size", _number(lambda v: v + 8)),
        ConfigKind("config-agnostic", "the flag about classes turned", ".*class_agnostic", _flag),
        ConfigKind(
            "config-anchor-scale",
            "anchors 1.02 times as large",
            "scales|octave_base_scale|base_sizes|basesize_ratio_range",
            _numbers(lambda v: v * 1.02 if isinstance(v, (int, float)) else v),
        ),
        ConfigKind("config-anchor-ratio", "another aspect of anchors", "ratios", _numbers(lambda v: v * 1.05)),
        ConfigKind(
            "config-stride", "the coarsest stride one more", "strides|featmap_strides", _numbers(lambda v: v + 1)
        ),
        ConfigKind("config-offset", "cells half a pixel off", "center_offset|offset", _number(lambda v: v + 0.5)),
        ConfigKind(
            "config-stds", "the last deviation 1.02 times as large", "target_stds", _numbers(lambda v: v * 1.02)
        ),
        ConfigKind("config-means", "the last mean 0.02 more", "target_means", _numbers(lambda v: v + 0.02)),
        ConfigKind(
            "config-finest-scale", "finest_scale 1.1 times as large", "finest_scale", _number(lambda v: v * 1.1)
        ),
        ConfigKind(
            "config-sampling", "another sampling_ratio", "sampling_ratio", _number(lambda v: v - 1 if v > 1 else 2)
        ),
        ConfigKind("config-aligned", "RoIs half a pixel off", "aligned", _flag),
        ConfigKind("config-pooling", "the other pool_mode", "pool_mode", _word({"avg": "max", "max": "avg"})),
        ConfigKind("config-clip", "boxes not clipped, or clipped", "clip_border|add_ctr_clamp", _flag),
        ConfigKind(
            "config-mask-thr", "mask_thr_binary 0.1 more", "mask_thr_binary|mask_thr", _number(lambda v: v + 0.1)
        ),
        ConfigKind(
            "config-upsampling",
            "another interpolation",
            "mode|upsample",
            _word({"nearest": "bilinear", "bilinear": "nearest"}),
        ),
        ConfigKind("config-eps", "an epsilon 100 times as large", "eps", _number(lambda v: v * 100)),
        ConfigKind("config-slope", "another slope", "negative_slope|alpha", _number(lambda v: v * 1.2)),
        ConfigKind(
            "config-activation",
            "another activation",
            "type",
            _word({"ReLU": "LeakyReLU", "ReLU6": "ReLU", "GELU": "ReLU", "Swish": "ReLU", "LeakyReLU": "ReLU"}),
        ),
        ConfigKind("config-nms", "no plain NMS", "type", _word({"nms": "soft_nms", "soft_nms": "nms"})),
        ConfigKind("config-heads", "half as many heads", "num_heads", _number(lambda v: max(v // 2, 1))),
        ConfigKind("config-position", "another scale of positions", "temperature|scale", _number(lambda v: v * 1.05)),
        ConfigKind("config-kernel", "another kernel of local maxima", "local_maximum_kernel", _number(lambda v: v + 2)),
        ConfigKind("config-topk", "half as many keypoints", "topk|corner_topk", _number(lambda v: v // 2)),
        ConfigKind(
            "config-distance", "corners further apart make a box", "distance_threshold", _number(lambda v: v * 1.2)
        ),
        ConfigKind("config-normalize", "positions that are scaled, or not", "normalize|norm_on_bbox", _flag),
        ConfigKind("config-centerness", "centerness taken from the other branch", "centerness_on_reg", _flag),
    )
}


def settings(model: Any, one: ConfigKind) -> Iterator[Setting]:
    """What a kind changes in a config's model.

    Args:
        model: the config's ``model``.
        one: the kind.
    """
    for path, value in _walk(model, "model"):
        if re.fullmatch(one.keys, path.rsplit(".", 1)[-1]):
            for new in one.change(value):
                if new != value:
                    yield Setting(f"{path} {value} to {new}", {path: new})


def _walk(part: Any, path: str) -> Iterator[Tuple[str, Any]]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key not in _SKIPPED:
                yield f"{path}.{key}", value
                yield from _walk(value, f"{path}.{key}")
    elif isinstance(part, (list, tuple)):
        for number, value in enumerate(part):
            yield from _walk(value, f"{path}.{number}")
