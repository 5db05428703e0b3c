"""Models of masks of the whole image from config to file: PyTorch's answers at sizes that the trace never saw."""

import numpy as np
import pytest
from models import load_small, matches

from mmonnx.codebases.mmdet import detectors as mmdet
from mmonnx.graph.check import check_target
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.results import Panoptic
from mmonnx.targets import find_target
from mmonnx.tracing.tracer import trace

GRIDS = {
    "model.mask_head.num_classes": 8,
    "model.mask_head.num_grids": [12, 10, 8, 6, 4],
    "model.test_cfg.score_thr": 0.01,
    "model.test_cfg.filter_thr": 0.002,
}
QUERIES = {
    "model.backbone.depth": 18,
    "model.backbone.base_channels": 16,
    "model.panoptic_head.in_channels": [16, 32, 64, 128],
    "model.panoptic_head.num_queries": 20,
    "model.panoptic_head.transformer_decoder.num_layers": 3,
    "model.test_cfg.object_mask_thr": 0.05,
    "model.test_cfg.iou_thr": 0.05,
}
MODELS = {
    "solo/solo_r50_fpn_1x_coco.py": GRIDS,
    "solo/decoupled_solo_light_r50_fpn_3x_coco.py": GRIDS,
    "solov2/solov2_r50_fpn_1x_coco.py": GRIDS,
    "yolact/yolact_r50_1x8_coco.py": {},
    "mask2former/mask2former_r50_lsj_8x2_50e_coco.py": QUERIES,
}
PANOPTIC = {
    "mask2former/mask2former_r50_lsj_8x2_50e_coco-panoptic.py": QUERIES,
    "maskformer/maskformer_r50_mstrain_16x1_75e_coco.py": QUERIES,
    "panoptic_fpn/panoptic_fpn_r50_fpn_1x_coco.py": {
        "model.test_cfg.rpn.max_per_img": 50,
        "model.test_cfg.panoptic.score_thr": 0.3,
    },
}
SIZES = [(96, 128), (128, 96), (64, 96)]


@pytest.mark.parametrize("name", list(MODELS))
def test_it_gives_the_answers_of_pytorch(tmp_path, name):
    task = load_small("mmdet::" + name, tmp_path, MODELS[name], dynamic=True, shape=SIZES[0])
    assert task.output_names == ["dets", "labels", "masks"] and mmdet.covers(task.module.model)
    for result in matches(task, SIZES):
        assert result.ok and result.total >= 20, (result.name, result.problems)
        # or as far as PyTorch is from itself: a score of SOLO's depends on how many pixels of other masks are inside
        assert result.max_score < max(1e-4, result.allowed[1]) and result.max_mask < 0.01


def test_grids_of_kernels_are_never_empty_where_a_runtime_cannot_take_it(tmp_path):
    name = "mmdet::solov2/solov2_r50_fpn_1x_coco.py"
    task = load_small(name, tmp_path, GRIDS, dynamic=True, shape=SIZES[0])
    mnn = find_target("mnn")
    model = lower(trace(task, 16, ExportContext(mnn.capabilities)))
    assert [str(finding) for finding in check_target(model, mnn) if "is empty when" in finding.rule] == []


@pytest.mark.parametrize("name", list(PANOPTIC))
def test_a_panoptic_map_is_an_output_of_its_own(tmp_path, name):
    task = load_small("mmdet::" + name, tmp_path, PANOPTIC[name], dynamic=True, shape=SIZES[0])
    assert task.output_names[-1] == "panoptic_seg" and mmdet.covers(task.module.model)
    (found,) = task.predict(task.inputs)
    assert isinstance(found, Panoptic) and found.segments.shape == SIZES[0] and found.segments.dtype == np.int32
    results = matches(task, SIZES)
    for result in results:
        assert result.ok and result.total, (result.name, result.problems)
    assert sum(result.total for result in results) >= 10


@pytest.mark.parametrize("name", ["solo/decoupled_solo_light_r50_fpn_3x_coco.py", "yolact/yolact_r50_1x8_coco.py"])
def test_images_without_any_instance(tmp_path, name):
    options = {**MODELS[name], "model.test_cfg.score_thr": 2.0}
    task = load_small("mmdet::" + name, tmp_path, options, dynamic=True, shape=SIZES[0])
    for result in matches(task, SIZES[:2]):
        assert result.ok and result.total == 0, (result.name, result.problems)
