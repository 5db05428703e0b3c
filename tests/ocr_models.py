"""Small models of text for the tests, made from mmocr's own configs; skipped where mmocr is not installed."""

import copy

import cv2
import numpy as np
import pytest
import torch
from models import load_small, small_config

from mmonnx import cli, fallback, loading
from mmonnx.environment import compat
from mmonnx.loading.images import photographs

fallback.ensure()
pytest.importorskip("pyclipper", reason="mmocr is not installed (requirements/members.txt)")
with compat.newest_mmcv_taken():
    pytest.importorskip("mmocr.datasets", reason="mmocr is not installed (requirements/members.txt)")

CRNN = "mmocr::textrecog/crnn/crnn_academic_dataset.py"
CRNN_OPTIONS = {}
DB = "mmocr::textdet/dbnet/dbnet_r18_fpnc_1200e_icdar2015.py"
DB_OPTIONS = {
    "data.test.pipeline.1.img_scale": (320, 224),
    "model.backbone.base_channels": 16,
    "model.neck.in_channels": [16, 32, 64, 128],
    "model.neck.lateral_channels": 64,
    "model.neck.out_channels": 16,
    "model.bbox_head.in_channels": 64,
}
MODELS = {
    "textrecog/crnn/crnn_academic_dataset.py": ({}, (32, 100), {}),
    "textdet/dbnet/dbnet_r18_fpnc_1200e_icdar2015.py": (DB_OPTIONS, (96, 128), {}),
}
"""Small models by config: options, (height, width), and how they are loaded where not for any size."""
WORDS = ("photograph", "cup", "a cat", "rocket")
"""What is written on the pictures of words."""


def small(name, folder, options, **load):
    """The task of a small version of a config, with seeded random weights."""
    return load_small(name, folder, copy.deepcopy(options), **load)


def made(name, folder, options, *arguments, shape=None):
    """A small model as a config, a checkpoint with its weights, and a file."""
    config = small_config(name, folder, copy.deepcopy(options))
    checkpoint, path = str(folder / "weights.pth"), str(folder / "x.onnx")
    task = loading.load(config, None, loading.LoadOptions(shape=shape))
    torch.save({"state_dict": task.module.model.state_dict(), "meta": {"CLASSES": ["text"]}}, checkpoint)
    size = ["--shape", *map(str, shape)] if shape else []
    assert cli.main(["export", config, checkpoint, *size, "--output-file", path, *arguments]) == 0
    return config, checkpoint, path


def upstream(config, checkpoint):
    """The model as upstream's own functions take it."""
    from mmocr.apis import init_detector

    return init_detector(config, checkpoint, device="cpu")


def inferred(model, picture):
    """What upstream's own function gives of a picture."""
    from mmocr.apis import model_inference

    with compat.old_numpy_names():
        return model_inference(model, picture)


def word(number, size):
    """A picture of a word, BGR uint8 of (height, width)."""
    image = cv2.resize(photographs()[number % 4], size[::-1]) // 2 + 100
    scale = size[0] / 32
    cv2.putText(image, WORDS[number % 4], (4, int(size[0] * 0.7)), cv2.FONT_HERSHEY_SIMPLEX, scale, (10, 10, 60), 2)
    return image


def written(folder, number, size, name="word.png"):
    """A picture of a word as a file."""
    path = str(folder / name)
    cv2.imwrite(path, word(number, size))
    return path


__all__ = [
    "CRNN",
    "CRNN_OPTIONS",
    "DB",
    "DB_OPTIONS",
    "MODELS",
    "WORDS",
    "inferred",
    "made",
    "np",
    "small",
    "small_config",
    "upstream",
    "word",
    "written",
]
