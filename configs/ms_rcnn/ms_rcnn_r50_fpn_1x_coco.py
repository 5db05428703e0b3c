# Mask Scoring R-CNN of the installed mmdet, exported while it is trained.
from mmonnx import base_config

_base_ = base_config("mmdet::ms_rcnn/ms_rcnn_r50_fpn_1x_coco.py")
del base_config  # mmcv takes every name here for a setting

custom_imports = dict(imports=["mmonnx"], allow_failed_imports=False)
model = dict(
    roi_head=dict(
        bbox_roi_extractor=dict(type="NonZeroRoIExtractor"),
        mask_roi_extractor=dict(type="NonZeroRoIExtractor"),
    )
)
deployment = dict(shape=(800, 1216), dynamic=True, simplify=True, verify=True, target="onnxruntime")
custom_hooks = [dict(type="NumClassCheckHook"), dict(type="ONNXExportHook", interval=1, keep=3, **deployment)]
