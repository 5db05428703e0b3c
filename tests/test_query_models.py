"""Detectors with queries from config to file: PyTorch's answers at sizes and images that the trace never saw."""

import io

import numpy as np
import onnx
import pytest
from models import load_small, matches, once_if

from mmonnx.codebases.mmdet import detectors as mmdet
from mmonnx.pipeline import ExportSettings, final_model
from mmonnx.runtime.session import Session
from mmonnx.terminal.report import Report
from mmonnx.verifying.inside import Inside

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


@pytest.mark.once
def test_what_is_inside_is_compared_though_the_file_has_the_branches_of_the_last_layer_alone(tmp_path):
    """PyTorch calls those of all layers: which call is the file's is known by what the trace gave."""
    name = "deformable_detr/deformable_detr_twostage_refine_r50_16x2_50e_coco.py"
    task = load_small("mmdet::" + name, tmp_path, MODELS[name], dynamic=True, shape=(96, 128))
    final = final_model(task, ExportSettings("", simplify=True), Report(io.StringIO()))
    inside = Inside(final.task, final.model, lambda model: Session(model).run, traced=final.traced)
    names = [probe.name for probe in inside.probes]
    assert "bbox_head.reg_branches.0.4.output_0" in names and len(final.traced) > len(names) > 4
    (case, *_) = final.cases
    result = inside.on_picture(case)
    assert result.ok and result.total == len(names)
    assert Inside(final.task, final.model, lambda model: Session(model).run).on_picture(case) is None
    wrong = onnx.ModelProto()
    wrong.CopyFrom(final.model)
    (place,) = [number for number, node in enumerate(wrong.graph.node) if names[0] in node.output]
    wrong.graph.node[place].output[:] = ["right"]
    wrong.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(1.001), "factor"))
    wrong.graph.node.insert(place + 1, onnx.helper.make_node("Mul", ["right", "factor"], [names[0]]))
    inside = Inside(final.task, wrong, lambda model: Session(model).run, traced=final.traced)
    assert not inside.on_picture(case).ok
