"""Small image editors for the tests, made from mmedit's own configs; skipped where mmedit is not installed."""

import copy

import cv2
import pytest
import torch
from models import load_small, small_config

from mmonnx import cli, fallback, loading
from mmonnx.loading.images import photographs

fallback.ensure()
pytest.importorskip("mmedit", reason="mmedit is not installed (requirements/members.txt)")

EDSR = "mmedit::restorers/edsr/edsr_x4c64b16_g1_300k_div2k.py"
EDSR_OPTIONS = {"model.generator.mid_channels": 16, "model.generator.num_blocks": 2}


def small_editor(name, folder, options, **load):
    """The task of a small version of a config, with seeded random weights."""
    return load_small(name, folder, copy.deepcopy(options), **load)


def made(name, folder, options, *arguments, shape=(48, 64)):
    """A small editor as a config, a checkpoint with its weights, and a file that was verified."""
    config = small_config(name, folder, copy.deepcopy(options))
    checkpoint, path = str(folder / "weights.pth"), str(folder / "x.onnx")
    task = loading.load(config, None, loading.LoadOptions(shape=shape))
    torch.save({"state_dict": task.module.model.state_dict()}, checkpoint)
    size = ["--shape", *map(str, shape)]
    assert cli.main(["export", config, checkpoint, *size, "--output-file", path, *arguments]) == 0
    return config, checkpoint, path


def upstream(config, checkpoint):
    """The model as upstream's own functions take it."""
    from mmcv import Config
    from mmcv.runner import load_checkpoint
    from mmedit.models import build_model

    settings = Config.fromfile(config)
    model = build_model(settings.model, test_cfg=Config({**settings.test_cfg, "metrics": None}))
    load_checkpoint(model, checkpoint)
    model.cfg = settings
    return model.eval()


def picture(folder, number, size, name="picture.png"):
    """A photograph of (height, width) as a file."""
    path = str(folder / name)
    cv2.imwrite(path, cv2.resize(photographs()[number], size[::-1]))
    return path


__all__ = ["EDSR", "EDSR_OPTIONS", "made", "picture", "small_config", "small_editor", "upstream"]
