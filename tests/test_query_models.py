"""Detectors with queries from config to file: PyTorch's answers at sizes and images that the trace never saw."""

import pytest
from models import load_small, matches, once_if

from mmonnx.codebases.mmdet import detectors as mmdet

SMALL = {"model.backbone.depth": 18, "model.backbone.base_channels": 16}
DETR = {
    **SMALL,
    "model.bbox_head.num_query": 20,
    "model.test_cfg.max_per_img": 20,
    "model.bbox_head.transformer.encoder.num_layers": 1,
    "model.bbox_head.transformer.decoder.num_layers": 2,
}
DEFORMABLE = {
    **DETR,
    "model.neck.in_channels": [32, 64, 128],
    "model.bbox_head.transformer.two_stage_num_proposals": 20,
}
SPARSE = {"model.rpn_head.num_proposals": 20, "model.test_cfg.rcnn.max_per_img": 20}
for stage in range(6):
    SPARSE[f"model.roi_head.bbox_head.{stage}.dynamic_conv_cfg.feat_channels"] = 4
    SPARSE[f"model.roi_head.bbox_head.{stage}.feedforward_channels"] = 32
NARROW_MASKS = {f"model.roi_head.mask_head.{stage}.dynamic_conv_cfg.feat_channels": 4 for stage in range(6)}
MODELS = {
    "detr/detr_r50_8x2_150e_coco.py": {**DETR, "model.bbox_head.in_channels": 128},
    "deformable_detr/deformable_detr_r50_16x2_50e_coco.py": DEFORMABLE,
    "deformable_detr/deformable_detr_twostage_refine_r50_16x2_50e_coco.py": DEFORMABLE,
    "sparse_rcnn/sparse_rcnn_r50_fpn_1x_coco.py": SPARSE,
    "queryinst/queryinst_r50_fpn_1x_coco.py": {**SPARSE, **NARROW_MASKS},
}
TWINS = "sparse_rcnn/sparse_rcnn_r50_fpn_1x_coco.py", "deformable_detr/deformable_detr_r50_16x2_50e_coco.py"
"""Of whose ways the last two have all."""


@pytest.mark.parametrize("name", once_if(TWINS.__contains__, MODELS))
def test_it_gives_the_answers_of_pytorch(tmp_path, name):
    task = load_small("mmdet::" + name, tmp_path, MODELS[name], dynamic=True, shape=(96, 128))
    assert mmdet.covers(task.module.model)
    for result in matches(task, [(96, 128), (128, 96), (64, 100)]):
        assert result.ok and result.total >= 20, (result.name, result.problems)
        assert result.max_box < 0.01 and result.max_score < 1e-4
