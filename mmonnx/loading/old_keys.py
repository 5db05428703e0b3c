"""Keys of configs that mmdet and mmcv have renamed since mmdet 2.0, and take no longer, or only in some places."""

import traceback
from typing import Any, Iterator, List, Optional, Tuple

from torch import nn

RENAMED = {
    "nms_thr": "nms=dict(type='nms', iou_threshold=...)",
    "max_num": "max_per_img",
    "iou_thr": "iou_threshold",
    "nms_cfg": "nms",
    "out_size": "output_size",
    "sample_num": "sampling_ratio",
    "deformable_groups": "deform_groups",
}
"""What a key is called today, from the warnings of mmdet 2.28 and mmcv 1.7."""


def old_keys(config: Any) -> List[Tuple[str, str]]:
    """The renamed keys of a config's model and of its ``test_cfg``: the path of each, and today's name.

    Args:
        config: the config as it was read.
    """
    parts = {name: config.get(name) for name in ("model", "test_cfg")}
    return [found for name, part in parts.items() for found in _below(name, part)]


def _below(path: str, node: Any) -> Iterator[Tuple[str, str]]:
    named = list(node.items()) if isinstance(node, dict) else []
    if isinstance(node, (list, tuple)):
        named = [(str(place), value) for place, value in enumerate(node)]
    for name, value in named:
        if name in RENAMED and isinstance(node, dict):
            yield f"{path}.{name}", RENAMED[name]
        if name not in ("train_cfg", "teacher"):
            yield from _below(f"{path}.{name}", value)


def remedy(config: Any, fix: str) -> Tuple[str, str]:
    """What is expected instead of a config of which PyTorch itself makes no running model, and what to do.

    Args:
        config: the config.
        fix: what to do about one without old keys.
    """
    found = old_keys(config)
    if not found:
        return "a config that its toolbox itself runs", fix
    told = ", ".join(f"{new} in the place of {path}" for path, new in found)
    return f"keys as they are called today: {told}", "rename them in the config"


def failed_in(error: BaseException) -> Optional[str]:
    """The innermost module that an error comes out of, with its function; None if it is out of none.

    Torch's own layers are passed over: a config names those that call them.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        module = frame.f_locals.get("self")
        if isinstance(module, nn.Module) and not type(module).__module__.startswith("torch."):
            return f"{type(module).__name__}.{frame.f_code.co_name}"
    return None
