"""Small detectors of rotated boxes for the tests, from mmrotate's own configs; skipped where it is not installed."""

import copy

import pytest
from models import load_small, small_config

from mmonnx import fallback

fallback.ensure()
pytest.importorskip("mmrotate", reason="mmrotate is not installed (requirements/members.txt)")

SHAPE = (96, 128)
RETINANET = "mmrotate::rotated_retinanet/rotated_retinanet_obb_r50_fpn_1x_dota_le90.py"
_FEW = {"model.test_cfg.nms_pre": 60, "model.test_cfg.max_per_img": 40}
_TWO_STAGE = {
    "model.test_cfg.rpn.nms_pre": 60,
    "model.test_cfg.rpn.max_per_img": 50,
    "model.test_cfg.rcnn.max_per_img": 40,
}


def _of(part, **values):
    """Options of a part of the model."""
    return {f"model.{part}.{key}": value for key, value in values.items()}


ONE_STAGE = {**_FEW, **_of("bbox_head", stacked_convs=1, num_classes=4)}
ROI = {**_TWO_STAGE, **_of("roi_head.bbox_head", num_classes=4, fc_out_channels=64)}
_CASCADE = {**_TWO_STAGE}
for _stage in (0, 1):
    _CASCADE.update(_of(f"roi_head.bbox_head.{_stage}", num_classes=4, fc_out_channels=64))
_REFINED = {**ONE_STAGE, **_of("frm_cfgs.0", in_channels=64)}
_REFINED.update(_of("refine_heads.0", in_channels=64, feat_channels=64, stacked_convs=1, num_classes=4))
_ALIGNED = {
    **_FEW,
    **_of("fam_head", in_channels=64, feat_channels=64, stacked_convs=1, num_classes=4),
    **_of("align_cfgs", channels=64),
    **_of("odm_head", in_channels=64, feat_channels=64, stacked_convs=1, num_classes=4),
}
_POINTS = {**_FEW, **_of("bbox_head", stacked_convs=1, num_classes=4, point_feat_channels=64)}
_EQUIVARIANT = {
    **_CASCADE,
    **_of("backbone", depth=18, pretrained=None),
    **_of("neck", in_channels=[64, 128, 256, 512], out_channels=64),
    **_of("rpn_head", in_channels=64, feat_channels=64),
}
for _stage in (0, 1):
    _EQUIVARIANT.update(_of(f"roi_head.bbox_head.{_stage}", in_channels=64))
    _EQUIVARIANT.update(_of(f"roi_head.bbox_roi_extractor.{_stage}", out_channels=64))
_REFINED_TWICE = {
    **_REFINED,
    **_of("frm_cfgs.1", in_channels=64),
    **_of("refine_heads.1", in_channels=64, feat_channels=64, stacked_convs=1, num_classes=4),
}
SMALL = {
    "cfa/cfa_r50_fpn_1x_dota_le135.py": _POINTS,
    "csl/rotated_retinanet_obb_csl_gaussian_r50_fpn_fp16_1x_dota_le90.py": ONE_STAGE,
    "gliding_vertex/gliding_vertex_r50_fpn_1x_dota_le90.py": ROI,
    "gwd/rotated_retinanet_hbb_gwd_r50_fpn_1x_dota_oc.py": ONE_STAGE,
    "kfiou/s2anet_kfiou_ln_r50_fpn_1x_dota_le135.py": _ALIGNED,
    "kfiou/r3det_kfiou_ln_r50_fpn_1x_dota_oc.py": _REFINED,
    "kfiou/roi_trans_kfiou_ln_r50_fpn_1x_dota_le90.py": _CASCADE,
    "kld/rotated_retinanet_obb_kld_r50_fpn_1x_dota_le135.py": ONE_STAGE,
    "oriented_rcnn/oriented_rcnn_r50_fpn_1x_dota_le90.py": ROI,
    "oriented_reppoints/oriented_reppoints_r50_fpn_1x_dota_le135.py": _POINTS,
    "r3det/r3det_r50_fpn_1x_dota_oc.py": _REFINED,
    "r3det/r3det_refine_r50_fpn_1x_dota_oc.py": _REFINED_TWICE,
    "redet/redet_re50_refpn_1x_dota_le90.py": _EQUIVARIANT,
    "roi_trans/roi_trans_r50_fpn_1x_dota_le135.py": _CASCADE,
    "rotated_atss/rotated_atss_obb_r50_fpn_1x_dota_le90.py": ONE_STAGE,
    "rotated_faster_rcnn/rotated_faster_rcnn_r50_fpn_1x_dota_le90.py": ROI,
    "rotated_fcos/rotated_fcos_r50_fpn_1x_dota_le90.py": ONE_STAGE,
    "rotated_fcos/rotated_fcos_csl_gaussian_r50_fpn_1x_dota_le90.py": ONE_STAGE,
    "rotated_reppoints/rotated_reppoints_r50_fpn_1x_dota_oc.py": _POINTS,
    "rotated_retinanet/rotated_retinanet_hbb_r50_fpn_1x_dota_oc.py": ONE_STAGE,
    "s2anet/s2anet_r50_fpn_1x_dota_le135.py": _ALIGNED,
    "sasm_reppoints/sasm_reppoints_r50_fpn_1x_dota_oc.py": _POINTS,
}
"""Small detectors by config: a small ResNet with each of mmrotate's heads."""


def small_rotated(name, folder, options, **load):
    """The task of a small version of a config, with seeded random weights."""
    return load_small(name, folder, copy.deepcopy(options), shape=load.pop("shape", SHAPE), **load)


__all__ = ["ONE_STAGE", "RETINANET", "ROI", "SHAPE", "SMALL", "small_config", "small_rotated"]
