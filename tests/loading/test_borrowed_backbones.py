"""Detectors on backbones of other packages: MMClassification's, and timm's by way of it."""

import pytest
import torch
from detector_texts import FASTER, RETINANET
from models import case, run_known

from mmonnx import loading
from mmonnx.loading.images import photographs
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.session import Session
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import verify

BACKBONES = {
    "ConvNeXt": (
        "type='mmcls.ConvNeXt', arch=dict(depths=[1, 1, 2, 1], channels=[8, 16, 24, 32]), out_indices=[0, 1, 2, 3],"
        " gap_before_final_norm=False, layer_scale_init_value=0.0",
        [8, 16, 24, 32],
        [4, 8, 16, 32],
    ),
    "MobileNetV3": ("type='mmcls.MobileNetV3', arch='small', out_indices=(3, 8, 11)", [24, 48, 96], [8, 16, 32]),
    "MobileNetV2": ("type='mmcls.MobileNetV2', widen_factor=0.25, out_indices=(2, 4, 6)", [8, 24, 80], [8, 16, 32]),
    "EfficientNet": ("type='mmcls.EfficientNet', arch='b0', out_indices=(3, 4, 5)", [40, 112, 320], [8, 16, 32]),
    "RegNet": (
        "type='mmcls.RegNet', arch='regnetx_400mf', out_indices=(1, 2, 3)",
        [64, 160, 384],
        [8, 16, 32],
    ),
    "SwinTransformer": (
        "type='mmcls.SwinTransformer', arch=dict(embed_dims=12, depths=[2, 2, 2], num_heads=[1, 2, 3]), img_size=56,"
        " out_indices=(0, 1, 2), pad_small_map=True",
        [12, 24, 48],
        [4, 8, 16],
    ),
    "VAN": (
        "type='mmcls.VAN', arch=dict(embed_dims=[8, 16, 24, 32], depths=[1, 1, 1, 1], ffn_ratios=[2, 2, 2, 2]),"
        " out_indices=(1, 2, 3)",
        [16, 24, 32],
        [8, 16, 32],
    ),
    "PoolFormer": (
        "type='mmcls.PoolFormer', arch=dict(layers=[1, 1, 1, 1], embed_dims=[8, 16, 24, 32], mlp_ratios=[2, 2, 2, 2],"
        " layer_scale_init_value=1e-5), out_indices=(2, 4, 6)",
        [16, 24, 32],
        [8, 16, 32],
    ),
    "ShuffleNetV2": ("type='mmcls.ShuffleNetV2', widen_factor=0.5, out_indices=(0, 1, 2)", [48, 96, 192], [8, 16, 32]),
    "CSPDarkNet": ("type='mmcls.CSPDarkNet', depth=53, out_indices=(2, 3, 4)", [256, 512, 1024], [8, 16, 32]),
}
TIMM = {
    "resnet18": ("out_indices=(2, 3, 4)", [128, 256, 512], [8, 16, 32]),
    "mobilenetv3_small_050": ("out_indices=(2, 3, 4)", [16, 24, 288], [8, 16, 32]),
    "efficientnet_lite0": ("out_indices=(2, 3, 4)", [40, 112, 320], [8, 16, 32]),
    "convnext_atto": ("out_indices=(1, 2, 3)", [80, 160, 320], [8, 16, 32]),
    "repvgg_a0": ("out_indices=(2, 3, 4)", [96, 192, 1280], [8, 16, 32]),
    "mobileone_s0": ("out_indices=(2, 3, 4)", [128, 256, 1024], [8, 16, 32]),
}


def check(text, tmp_path, backbone, channels, strides):
    """The file of a detector gives PyTorch's detections at sizes and of batches that the trace has not seen."""
    path = tmp_path / "config.py"
    path.write_text(text.format(backbone=backbone, channels=channels, maps=len(channels), strides=strides))
    task = loading.load(str(path), None, loading.LoadOptions(shape=(128, 160), dynamic=True))
    session = Session(lower(trace(task, 11, ExportContext())))
    one, two, three = photographs()[:3]
    cases = [
        case(task, (128, 160), [one]),
        case(task, (192, 96), [two, three]),
        case(task, (96, 224), [one, two, three]),
    ]
    results = verify(task, run_known(session), cases)
    assert all(result.ok for result in results), [result.problems for result in results]
    assert all(result.total > 5 for result in results)
    return task


@pytest.mark.once
@pytest.mark.parametrize(
    "detector, name",
    [*((RETINANET, name) for name in BACKBONES), *((FASTER, name) for name in ("ConvNeXt", "MobileNetV3", "VAN"))],
    ids=[*BACKBONES, "ConvNeXt, two stages", "MobileNetV3, two stages", "VAN, two stages"],
)
def test_backbones_of_classifiers(tmp_path, detector, name):
    task = check(detector, tmp_path, *BACKBONES[name])
    assert type(task.module.model.backbone).__module__.startswith("mmcls.")


@pytest.mark.parametrize("name", list(TIMM))
def test_backbones_of_timm(tmp_path, name):
    pytest.importorskip("timm")
    options, channels, strides = TIMM[name]
    backbone = f"type='mmcls.TIMMBackbone', model_name='{name}', features_only=True, {options}"
    task = check(RETINANET, tmp_path, backbone, channels, strides)
    with torch.no_grad():
        maps = task.module.model.backbone(torch.rand(1, 3, 64, 96))
    assert [value.shape[1] for value in maps] == channels
