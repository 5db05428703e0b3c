"""Small models of mmaction2 for the tests, from its own configs; skipped where mmaction2 is not installed."""

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
with compat.newest_mmcv_taken():
    pytest.importorskip("mmaction", reason="mmaction2 is not installed (requirements/members.txt)")

NORM = {"type": "Normalize", "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "to_bgr": False}
LAST = [{"type": "Collect", "keys": ["imgs", "label"], "meta_keys": []}, {"type": "ToTensor", "keys": ["imgs"]}]
R18 = {"model.backbone.depth": 18, "model.cls_head.in_channels": 512}
SLIM = {"model.backbone.base_channels": 16, "model.cls_head.in_channels": 512}
FEW = {"model.cls_head.num_classes": 20}


def pipeline(clip_len, clips, crop, size, form, **sampling):
    """A test pipeline of videos that OpenCV reads."""
    sampler = {"type": "SampleFrames", "clip_len": clip_len, "num_clips": clips, "test_mode": True, **sampling}
    return [
        {"type": "OpenCVInit"},
        sampler,
        {"type": "OpenCVDecode"},
        {"type": "Resize", "scale": (-1, 36)},
        {"type": crop, "crop_size": size},
        NORM,
        {"type": "FormatShape", "input_format": form},
        *LAST,
    ]


def frames(length, size=None):
    """A pipeline that says no more than how long clips are, and their size."""
    more = [{"type": "CenterCrop", "crop_size": size}] if size else []
    return {"data.test.pipeline": [{"type": "SampleFrames", "clip_len": length, "num_clips": 1}, *more]}


TIMESFORMER = {
    "model.backbone.img_size": 32,
    "model.backbone.embed_dims": 48,
    "model.backbone.num_heads": 4,
    "model.backbone.num_transformer_layers": 2,
    "model.cls_head.in_channels": 48,
    **frames(8, 32),
}
FIXED = {"shape": None, "dynamic": False, "dynamic_batch": True}
SHORT = {"model.backbone.stage_blocks": (1, 1, 1)}
POSES = {**SHORT, "data.test.pipeline": [{"type": "UniformSampleFrames", "clip_len": 8, "num_clips": 10}]}
TSN = "mmaction::recognition/tsn/tsn_r50_1x1x3_100e_kinetics400_rgb.py"
SLOWONLY = "mmaction::recognition/slowonly/slowonly_r50_4x16x1_256e_kinetics400_rgb.py"
STGCN = "mmaction::skeleton/stgcn/stgcn_80e_ntu60_xsub_keypoint.py"
RECOGNIZERS = {
    "recognition/tsn/tsn_r50_1x1x3_100e_kinetics400_rgb.py": (R18, {}),
    "recognition/tsm/tsm_r50_1x1x8_50e_kinetics400_rgb.py": (R18, {}),
    "recognition/tin/tin_r50_1x1x8_40e_sthv1_rgb.py": (R18, {}),
    "recognition/tanet/tanet_r50_dense_1x1x8_100e_kinetics400_rgb.py": ({}, {}),
    "recognition/tpn/tpn_tsm_r50_1x1x8_150e_sthv1_rgb.py": ({}, {}),
    "recognition/tpn/tpn_slowonly_r50_8x8x1_150e_kinetics_rgb.py": ({}, {}),
    "recognition/trn/trn_r50_1x1x8_50e_sthv1_rgb.py": ({}, {}),
    "recognition/x3d/x3d_s_13x6x1_facebook_kinetics400_rgb.py": (frames(5), {}),
    "recognition/i3d/i3d_nl_dot_product_r50_32x2x1_100e_kinetics400_rgb.py": ({**SLIM, **frames(8)}, {}),
    "recognition/slowfast/slowfast_r50_4x16x1_256e_kinetics400_rgb.py": (frames(16), {}),
    "recognition/slowonly/slowonly_r50_4x16x1_256e_kinetics400_rgb.py": (SLIM, {}),
    "recognition/c3d/c3d_sports1m_16x1x1_45e_ucf101_rgb.py": ({}, FIXED),
    "recognition/r2plus1d/r2plus1d_r34_8x8x1_180e_kinetics400_rgb.py": (frames(4), {}),
    "recognition/csn/ircsn_bnfrozen_r50_32x2x1_180e_kinetics400_rgb.py": ({**SLIM, **frames(8)}, {}),
    "recognition/timesformer/timesformer_divST_8x32x1_15e_kinetics400_rgb.py": (TIMESFORMER, FIXED),
    "recognition/timesformer/timesformer_jointST_8x32x1_15e_kinetics400_rgb.py": (TIMESFORMER, FIXED),
    "recognition/timesformer/timesformer_spaceOnly_8x32x1_15e_kinetics400_rgb.py": (TIMESFORMER, FIXED),
    "recognition_audio/resnet/tsn_r18_64x1x1_100e_kinetics400_audio_feature.py": ({}, {}),
    "recognition_audio/audioonly/audioonly_r50_64x1x1_100e_kinetics400_audio_feature.py": ({}, {}),
    "skeleton/posec3d/slowonly_r50_u48_240e_ntu60_xsub_keypoint.py": (POSES, {}),
    "skeleton/stgcn/stgcn_80e_ntu60_xsub_keypoint.py": ({}, {"shape": None}),
    "skeleton/2s-agcn/2sagcn_80e_ntu60_xsub_bone_3d.py": ({}, {"shape": None}),
}
"""Small recognizers by config: options, and how they are loaded where not for any size."""


def small_recognizer(name, folder, options, **load):
    """The task of a small version of a config, with seeded random weights."""
    return load_small(name, folder, copy.deepcopy(options), **{"shape": (64, 96), **load})


def made(name, folder, options, *arguments, shape=(32, 48)):
    """A small recognizer as a config, a checkpoint with its weights, and a file."""
    config = small_config(name, folder, copy.deepcopy(options))
    checkpoint, path = str(folder / "weights.pth"), str(folder / "x.onnx")
    task = loading.load(config, None, loading.LoadOptions(shape=shape))
    torch.save({"state_dict": task.module.model.state_dict()}, checkpoint)
    size = ["--shape", *map(str, shape)] if shape else []
    assert cli.main(["export", config, checkpoint, *size, "--output-file", path, *arguments]) == 0
    return config, checkpoint, path


def film(path, count=40, size=(48, 64), number=1):
    """A video in which a photograph moves, as a file."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, size[::-1])
    for frame in moving(count, size, number):
        writer.write(frame)
    writer.release()
    return str(path)


def folder_of_frames(folder, count=40, size=(48, 64), number=1):
    """The same as a folder of frames, by the names that mmaction2 gives them."""
    folder.mkdir()
    for place, frame in enumerate(moving(count, size, number)):
        cv2.imwrite(str(folder / f"img_{place + 1:05}.jpg"), frame)
    return str(folder)


def moving(count, size, number):
    picture = cv2.resize(photographs()[number], size[::-1])
    return [np.roll(picture, (place, (number + 2) * place), (0, 1)) for place in range(count)]


def upstream(config, checkpoint):
    """The model as upstream's own function makes it."""
    from mmaction.apis import init_recognizer

    return init_recognizer(config, checkpoint, device="cpu")
