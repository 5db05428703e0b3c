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


_MAPS = {"model.backbone.depth": 18, "model.backbone.base_channels": 16, "model.auxiliary_head": None}
_FOUR = [16, 32, 64, 128]
_VIT = {"model.backbone.embed_dims": 48, "model.backbone.num_layers": 4, "model.backbone.num_heads": 3}
_SLIDE = {"_delete_": True, "mode": "slide", "crop_size": (64, 64), "stride": (43, 43)}
_WHOLE = {"_delete_": True, "mode": "whole"}


def _head(channels=32, **more):
    """Options of a narrow head, and of what else it has."""
    return {f"model.decode_head.{name}": value for name, value in dict(channels=channels, **more).items()}


HEADS = {
    "pspnet/pspnet_r50-d8_512x1024_40k_cityscapes.py": RESNET,
    "ann/ann_r50-d8_512x1024_40k_cityscapes.py": {**_MAPS, **_head(in_channels=[64, 128], project_channels=16)},
    "apcnet/apcnet_r50-d8_512x1024_40k_cityscapes.py": RESNET,
    "ccnet/ccnet_r50-d8_512x1024_40k_cityscapes.py": RESNET,
    "danet/danet_r50-d8_512x1024_40k_cityscapes.py": {**RESNET, "model.decode_head.pam_channels": 8},
    "deeplabv3/deeplabv3_r50-d8_512x1024_40k_cityscapes.py": RESNET,
    "deeplabv3plus/deeplabv3plus_r50-d8_512x1024_40k_cityscapes.py": {
        **RESNET,
        **_head(in_channels=128, c1_in_channels=16, c1_channels=8),
    },
    "dmnet/dmnet_r50-d8_512x1024_40k_cityscapes.py": RESNET,
    "dnlnet/dnl_r50-d8_512x1024_40k_cityscapes.py": RESNET,
    "emanet/emanet_r50-d8_512x1024_80k_cityscapes.py": {
        **_MAPS,
        **_head(in_channels=128, ema_channels=32, num_bases=8),
    },
    "encnet/encnet_r50-d8_512x1024_40k_cityscapes.py": {**_MAPS, **_head(in_channels=[32, 64, 128])},
    "gcnet/gcnet_r50-d8_512x1024_40k_cityscapes.py": RESNET,
    "isanet/isanet_r50-d8_512x1024_40k_cityscapes.py": {**RESNET, "model.decode_head.isa_channels": 16},
    "nonlocal_net/nonlocal_r50-d8_512x1024_40k_cityscapes.py": RESNET,
    "psanet/psanet_r50-d8_512x1024_40k_cityscapes.py": {**RESNET, "model.decode_head.mask_size": (25, 33)},
    "sem_fpn/fpn_r50_512x1024_80k_cityscapes.py": {**_MAPS, "model.neck.in_channels": _FOUR},
    "upernet/upernet_r50_512x1024_40k_cityscapes.py": {**_MAPS, **_head(in_channels=_FOUR)},
}
"""Small segmentors by config: a small ResNet with each of mmseg's heads."""
OTHERS = {
    "bisenetv1/bisenetv1_r18-d32_4x4_1024x1024_160k_cityscapes.py": {},
    "bisenetv2/bisenetv2_fcn_4x4_1024x1024_160k_cityscapes.py": {},
    "cgnet/cgnet_512x1024_60k_cityscapes.py": {},
    "erfnet/erfnet_fcn_4x4_512x1024_160k_cityscapes.py": {},
    "fastscnn/fast_scnn_lr0.12_8x4_160k_cityscapes.py": {},
    "icnet/icnet_r18-d8_832x832_80k_cityscapes.py": {},
    "stdc/stdc1_512x1024_80k_cityscapes.py": {},
    "segformer/segformer_mit-b0_8x1_1024x1024_160k_cityscapes.py": {
        "model.backbone.num_layers": [1, 1, 1, 1],
        "model.test_cfg": _WHOLE,
    },
    "segmenter/segmenter_vit-s_mask_8x1_512x512_160k_ade20k.py": {
        **_VIT,
        **_head(48, in_channels=48, embed_dims=48, num_heads=3),
        "model.backbone.img_size": (96, 128),  # the trace's own, where the position embedding is not resized
        "model.test_cfg": _WHOLE,
    },
    "setr/setr_mla_512x512_160k_b8_ade20k.py": {
        **_VIT,
        **_head(64, in_channels=(32,) * 4, mla_channels=16),
        "model.backbone.img_size": (64, 64),
        "model.backbone.out_indices": (0, 1, 2, 3),
        "model.neck.in_channels": [48] * 4,
        "model.neck.out_channels": 32,
        "model.auxiliary_head": None,
        "model.test_cfg": _SLIDE,
    },
    "dpt/dpt_vit-b16_512x512_160k_ade20k.py": {
        **_VIT,
        **_head(in_channels=(48,) * 4, embed_dims=48, post_process_channels=[8, 16, 32, 48]),
        "model.backbone.out_indices": (0, 1, 2, 3),
    },
    "swin/upernet_swin_tiny_patch4_window7_512x512_160k_ade20k_pretrain_224x224_1K.py": {
        "model.backbone.embed_dims": 12,
        "model.backbone.depths": [2, 2, 1, 1],
        "model.backbone.num_heads": [1, 2, 3, 6],
        **_head(in_channels=[12, 24, 48, 96]),
        "model.auxiliary_head": None,
    },
    "twins/twins_svt-s_uperhead_8x2_512x512_160k_ade20k.py": {
        "model.backbone.embed_dims": [8, 16, 32, 64],
        "model.backbone.num_heads": [1, 2, 4, 8],
        "model.backbone.depths": [1, 1, 2, 1],
        **_head(in_channels=[8, 16, 32, 64]),
        "model.auxiliary_head": None,
    },
    "unet/fcn_unet_s5-d16_4x4_512x1024_160k_cityscapes.py": {
        "model.backbone.base_channels": 4,
        **_head(16, in_channels=4),
        "model.auxiliary_head": None,
        "model.test_cfg": _WHOLE,
    },
    "beit/upernet_beit-base_640x640_160k_ade20k_ms.py": {
        **_VIT,
        **_head(in_channels=[48] * 4),
        "model.backbone.img_size": (64, 64),
        "model.backbone.out_indices": [0, 1, 2, 3],
        "model.neck.embed_dim": 48,
        "model.auxiliary_head": None,
        "model.test_cfg": _SLIDE,
    },
    "knet/knet_s3_fcn_r50-d8_8x2_512x512_adamw_80k_ade20k.py": {
        **_MAPS,
        "model.decode_head.kernel_generate_head.in_channels": 128,
    },
    "point_rend/pointrend_r50_512x512_160k_ade20k.py": {**_MAPS, "model.neck.in_channels": _FOUR},
}
"""The same with other backbones, and with heads of a cascade."""


def small_segmentor(name, folder, options, **load):
    """The task of a small version of a config, with seeded random weights."""
    # mmcv takes _delete_ out of what it merges
    return load_small(name, folder, copy.deepcopy(options), shape=load.pop("shape", SHAPE), **load)


__all__ = ["BINARY", "FCN", "HEADS", "OTHERS", "RESNET", "SHAPE", "SLIDING", "small_config", "small_segmentor"]
