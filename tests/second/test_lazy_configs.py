"""Configs in mmengine's new style: Python with classes and functions in the place of names."""

import json

import numpy as np
import onnx
import pytest
import torch

pytest.importorskip("mmdet.registry")

from mmonnx import loading, pipeline
from mmonnx.graph.kinds import parts_of
from mmonnx.loading import LoadOptions
from mmonnx.loading.config import find_config, read_config
from mmonnx.loading.images import photographs
from mmonnx.pipeline import ExportSettings
from mmonnx.runtime.session import Session

SAME = "mmonnx::digits/rtmdet_tiny_digits.py"
BASE = """
from mmcv.ops import {suppression}
from mmdet.models import (
    CSPNeXt, CSPNeXtPAFPN, DetDataPreprocessor, GIoULoss, QualityFocalLoss, RTMDet, RTMDetSepBNHead
)
from mmdet.models.task_modules import DistancePointBBoxCoder, DynamicSoftLabelAssigner, MlvlPointGenerator
from mmengine.model import PretrainedInit
from torch.nn import BatchNorm2d, SiLU

norm_cfg = dict(type=BatchNorm2d)
act_cfg = dict(type=SiLU, inplace=True)
shared = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
model = dict(
    type=RTMDet,
    data_preprocessor=dict(
        type=DetDataPreprocessor, mean=[103.53, 116.28, 123.675], std=[57.375, 57.12, 58.395], bgr_to_rgb=False,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type=CSPNeXt, arch="P5", expand_ratio=0.5, deepen_factor=0.167, widen_factor=0.1875, channel_attention=True,
        init_cfg=dict(type=PretrainedInit, prefix="backbone.", checkpoint="https://nowhere.invalid/x.pth"), **shared
    ),
    neck=dict(
        type=CSPNeXtPAFPN, in_channels=[48, 96, 192], out_channels=32, num_csp_blocks=1, expand_ratio=0.5, **shared
    ),
    bbox_head=dict(
        type=RTMDetSepBNHead, num_classes=10, in_channels=32, feat_channels=32, stacked_convs=2,
        anchor_generator=dict(type=MlvlPointGenerator, offset=0, strides=[8, 16, 32]),
        bbox_coder=dict(type=DistancePointBBoxCoder),
        loss_cls=dict(type=QualityFocalLoss, use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_bbox=dict(type=GIoULoss, loss_weight=2.0), with_objectness=False, exp_on_reg=False, share_conv=True,
        pred_kernel_size=1, **shared
    ),
    train_cfg=dict(assigner=dict(type=DynamicSoftLabelAssigner, topk=13), allowed_border=-1, pos_weight=-1),
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type={suppression}, iou_threshold=0.6),
        max_per_img=100
    ),
)
"""
LAZY = """
from mmengine.config import read_base

with read_base():
    from .{base} import *

from mmcv.transforms import LoadImageFromFile, Resize
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import PackDetInputs

test_pipeline = [
    dict(type=LoadImageFromFile), dict(type=Resize, scale=(320, 320), keep_ratio=True), dict(type=PackDetInputs)
]
digits = tuple("0123456789")
test_dataloader = dict(dataset=dict(type=CocoDataset, metainfo=dict(classes=digits), pipeline=test_pipeline))
model.update(dict(bbox_head=dict(stacked_convs=1)))
"""
PLAIN = "_base_ = {base!r}\nmodel = dict(bbox_head=dict(stacked_convs=1), test_cfg=dict(nms=dict(type={kind!r})))\n"


def write(folder, suppression):
    """The lazy config, and the same in the old style."""
    (folder / f"base_{suppression}.py").write_text(BASE.format(suppression=suppression))
    (folder / "lazy.py").write_text(LAZY.format(base=f"base_{suppression}"))
    (folder / "plain.py").write_text(PLAIN.format(base=str(find_config(SAME)), kind=suppression))
    return str(folder / "lazy.py"), str(folder / "plain.py")


def export(config, path, checkpoint=None, **more):
    load = LoadOptions(shape=(96, 128), dynamic=True, cfg_options={"model.test_cfg.max_per_img": 40})
    return pipeline.export(ExportSettings(config, checkpoint, str(path), load, **more))


@pytest.mark.parametrize("suppression", ["nms", "soft_nms"])
def test_it_gives_the_file_of_the_same_config_in_the_old_style(tmp_path, suppression):
    lazy, plain = write(tmp_path, suppression)
    task = loading.load(plain, None, LoadOptions(shape=(160, 96), dynamic=True))
    weights = str(tmp_path / "weights.pth")
    torch.save({"state_dict": task.module.model.state_dict()}, weights)
    done = export(lazy, tmp_path / "lazy.onnx", weights, verify=True)
    assert done.ok and sum(result.total for result in done.results) >= 40
    export(plain, tmp_path / "plain.onnx", weights)
    feeds = {name: value.numpy() for name, value in task.preprocess(photographs()[:2], (160, 96)).items()}
    found, expected = (Session(str(tmp_path / f"{name}.onnx")).run(feeds) for name in ("lazy", "plain"))
    assert expected["dets"].shape == (2, 40, 5) and (expected["dets"][..., 4] > 0).all()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_what_the_file_says_of_it_is_readable_and_the_same_each_time(tmp_path):
    lazy, plain = write(tmp_path, "nms")
    texts, kinds = [], []
    for number, config in enumerate((lazy, lazy, plain)):
        path = tmp_path / f"{number}.onnx"
        export(config, path)
        metadata = {item.key: item.value for item in onnx.load(str(path)).metadata_props}
        texts.append(metadata["mmonnx.config_text"])
        kinds.append(parts_of(texts[-1]))
        assert json.loads(metadata["mmonnx.classes"]) == list("0123456789")
    assert texts[0] == texts[1] and "<class" not in texts[0] and " at 0x" not in texts[0]
    assert kinds[0]["bbox_head.type"] == "RTMDetSepBNHead" == kinds[2]["bbox_head.type"]
    (tmp_path / "again.py").write_text(texts[0])
    again = read_config(str(tmp_path / "again.py"))
    assert again.model.test_cfg.max_per_img == 40
    assert loading.load(str(tmp_path / "again.py"), None, LoadOptions(shape=(96, 128))).module is not None
