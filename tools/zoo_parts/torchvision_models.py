"""Which models of torchvision are swept, and how."""

import importlib
import inspect
from typing import Any, Dict, List, Optional, Tuple

_PACKAGES = ("torchvision.models", "torchvision.models.segmentation", "torchvision.models.detection")
_SMALLEST = {
    "convnext": "convnext_tiny",
    "densenet": "densenet121",
    "efficientnet": "efficientnet_b0",
    "mobilenetv3": "mobilenet_v3_small",
    "regnet": "regnet_y_400mf",
    "resnet": "resnet18",
    "squeezenet": "squeezenet1_1",
    "swin_transformer": "swin_t",
    "vision_transformer": "vit_b_32",
    "deeplabv3": "deeplabv3_mobilenet_v3_large",
    "fcn": "fcn_resnet50",
    "faster_rcnn": "fasterrcnn_mobilenet_v3_large_fpn",
}
"""By family, where the first by name is not the smallest."""
_SIDE = 192, 256
"""(height, width) of detectors, whose own resizing goes to 800 x 1333 otherwise."""


def models() -> List[Tuple[str, str]]:
    """Family and ``package:function`` of every model that classifies, segments or detects."""
    found = []
    for package in _PACKAGES:
        for name, function in sorted(vars(importlib.import_module(package)).items()):
            public = inspect.isfunction(function) and name.islower() and not name.startswith(("get_", "list_", "_"))
            if public:
                found.append((function.__module__.rpartition(".")[2], f"{package}:{name}"))
    return found


def smallest() -> List[Tuple[str, str]]:
    """One model of each family."""
    chosen: Dict[str, str] = {}
    for family, name in models():
        if family not in chosen or name.rpartition(":")[2] == _SMALLEST.get(family):
            chosen[family] = name
    return list(chosen.items())


def settings(name: str) -> Tuple[Optional[Tuple[int, int]], Dict[str, Any]]:
    """(height, width), None for the usual one, and the arguments with which a model is made."""
    if name.startswith(_PACKAGES[2]):
        resizes = not name.rpartition(":")[2].startswith("ssd")
        return _SIDE, dict(min_size=min(_SIDE), max_size=max(_SIDE)) if resizes else {}
    return ((299, 299) if name.endswith(":inception_v3") else None), {}
