"""Small detectors of rotated boxes for the tests, from mmrotate's own configs; skipped where it is not installed."""

import copy

import pytest
from models import load_small, small_config

from mmonnx import fallback

fallback.ensure()
pytest.importorskip("mmrotate", reason="mmrotate is not installed (requirements/members.txt)")

SHAPE = (96, 128)
_RESNET = {"model.backbone.depth": 18, "model.backbone.base_channels": 16, "model.backbone.init_cfg": None}
_FPN = {**_RESNET, "model.neck.in_channels": [16, 32, 64, 128], "model.neck.out_channels": 32}
_FEW = {"model.test_cfg.nms_pre": 60, "model.test_cfg.max_per_img": 40}


def _head(name="bbox_head", **more):
    """Options of a narrow head on the pyramid, and of what else it has."""
    given = {"in_channels": 32, "feat_channels": 32, "stacked_convs": 1, "num_classes": 4, **more}
    return {f"model.{name}.{key}": value for key, value in given.items()}


ONE_STAGE = {**_FPN, **_FEW, **_head()}
RETINANET = "mmrotate::rotated_retinanet/rotated_retinanet_obb_r50_fpn_1x_dota_le90.py"


def small_rotated(name, folder, options, **load):
    """The task of a small version of a config, with seeded random weights."""
    return load_small(name, folder, copy.deepcopy(options), shape=load.pop("shape", SHAPE), **load)


__all__ = ["ONE_STAGE", "RETINANET", "SHAPE", "small_config", "small_rotated"]
