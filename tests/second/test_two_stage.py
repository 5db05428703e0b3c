"""Two-stage detectors of mmdet 3: batches of all images at once against upstream's own inference."""

import numpy as np
import pytest
import torch
from models import SHAPE, load_small

pytest.importorskip("mmdet.registry")

from rewriting.bodies import every_opset, run

from mmonnx.environment.surroundings import inference
from mmonnx.loading.images import photographs
from mmonnx.loading.task import to_numpy
from mmonnx.rewriting.rewrites import ExportContext, rewriting
from mmonnx.verifying.matching import match

FEW = {"model.test_cfg.rpn.nms_pre": 100, "model.test_cfg.rpn.max_per_img": 40, "model.test_cfg.rcnn.max_per_img": 12}
ROIS = {"model.test_cfg.rcnn.max_per_img": 12}
QUERIES = {"model.rpn_head.num_proposals": 20, **ROIS}
MODELS = {
    "ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py": FEW,
    "point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py": FEW,
    "queryinst/queryinst_r50_fpn_1x_coco.py": QUERIES,
    "crowddet/crowddet-rcnn_refine_r50_fpn_8xb2-30e_crowdhuman.py": FEW,
    "cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco.py": FEW,
    "guided_anchoring/ga-faster-rcnn_r50_fpn_1x_coco.py": FEW,
    "sabl/sabl-cascade-rcnn_r50_fpn_1x_coco.py": FEW,
    "fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py": ROIS,
}


def answers(task, shape):
    """What PyTorch finds in two pictures, and what the traced module finds in a batch of both."""
    pictures = photographs()
    feeds = task.preprocess([pictures[0], pictures[1][:, ::-1]], shape)
    expected = task.predict(feeds)
    with inference(task.module), rewriting(ExportContext(), module=task.module):
        outputs = task.module(*feeds.values())
    assert len(outputs) == len(task.output_names)
    return expected, task.read(to_numpy(dict(zip(task.output_names, outputs))))


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_gives_what_upstream_finds_in_each_image(name, tmp_path):
    task = load_small(f"mmdet::{name}", tmp_path, MODELS[name], shape=(96, 160))
    for shape in ((96, 160), (128, 96)):
        expected, found = answers(task, shape)
        assert len(expected) == len(found) == 2
        assert sum(len(one.dets) for one in expected) >= 12
        for one, other in zip(expected, found):
            result = match(one, other, score_thr=task.score_thr, limit=task.max_per_img)
            assert result.ok and result.matched == result.total, result
        assert not np.allclose(expected[0].dets[:5], expected[1].dets[:5], atol=1)
