"""The operators of the domain ``mmcv``, with the attributes that mmcv 1.x gives them."""

from typing import Dict

from .base import Operator

_NMS = {"iou_threshold": "float", "offset": "int"}
_ROI = {"output_height": "int", "output_width": "int", "spatial_scale": "float", "sampling_ratio": "int"}
_CONV = {"stride": "ints", "padding": "ints", "dilation": "ints", "groups": "int", "deform_groups": "int"}

MMCV_OPERATORS: Dict[str, Operator] = {
    f"mmcv::{name}": Operator(1, 1, attributes)
    for name, attributes in {
        "MMCVRoiAlign": {**_ROI, "mode": "string", "aligned": "int"},
        "NonMaxSuppression": _NMS,
        "grid_sampler": {"interpolation_mode": "int", "padding_mode": "int", "align_corners": "int"},
        "MMCVModulatedDeformConv2d": _CONV,
        "SoftNonMaxSuppression": {**_NMS, "sigma": "float", "min_score": "float", "method": "int"},
        "MMCVRoIAlignRotated": {**_ROI, "aligned": "int", "clockwise": "int"},
        "MMCVRotatedFeatureAlign": {"spatial_scale": "float", "points": "int"},
        "cummax": {"dim": "int"},
        "cummin": {"dim": "int"},
        "MMCVCornerPool": {"mode": "int"},
        "MMCVDeformConv2d": {**_CONV, "bias": "int", "im2col_step": "int"},
    }.items()
}
