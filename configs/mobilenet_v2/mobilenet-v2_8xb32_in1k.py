# MobileNetV2 of the installed mmcls, exported while it is trained.
from mmonnx import base_config

_base_ = base_config("mmcls::mobilenet_v2/mobilenet-v2_8xb32_in1k.py")
del base_config  # mmcv takes every name here for a setting

custom_imports = dict(imports=["mmonnx"], allow_failed_imports=False)
deployment = dict(shape=(224, 224), dynamic=True, simplify=True, verify=True, target="onnxruntime")
custom_hooks = [dict(type="ONNXExportHook", interval=10, keep=3, **deployment)]
