"""Small segmentors for the tests, made from mmseg's own configs; skipped where mmsegmentation is not installed."""

import copy

import pytest
from models import load_small, small_config

from mmonnx import fallback

fallback.ensure()
pytest.importorskip("mmseg", reason="mmsegmentation is not installed (requirements/members.txt)")

SHAPE = (96, 128)
RESNET = {
    "model.backbone.depth": 18,
    "model.backbone.base_channels": 16,
    "model.decode_head.in_channels": 128,
    "model.decode_head.channels": 32,
    "model.decode_head.num_classes": 19,
    "model.auxiliary_head": None,
}
"""Options that make a small segmentor of one with a ResNet and a head on its last map."""
FCN = "mmseg::fcn/fcn_r50-d8_512x1024_40k_cityscapes.py"
SLIDING = {**RESNET, "model.test_cfg": {"_delete_": True, "mode": "slide", "crop_size": (65, 65), "stride": (43, 43)}}
BINARY = {**RESNET, "model.decode_head.num_classes": 2, "model.decode_head.out_channels": 1}
BINARY["model.decode_head.threshold"] = 0.4
BINARY["model.decode_head.loss_decode"] = {"type": "CrossEntropyLoss", "use_sigmoid": True, "loss_weight": 1.0}


def small_segmentor(name, folder, options, **load):
    """The task of a small version of a config, with seeded random weights."""
    # mmcv takes _delete_ out of what it merges
    return load_small(name, folder, copy.deepcopy(options), shape=load.pop("shape", SHAPE), **load)


__all__ = ["BINARY", "FCN", "RESNET", "SHAPE", "SLIDING", "small_config", "small_segmentor"]
