"""Panoptic models of mmdet 3: the file against PyTorch, with segments of things and of stuff in all pictures."""

import numpy as np
import pytest

pytest.importorskip("mmengine")

from models import matches  # noqa: E402

from mmonnx import fallback, loading  # noqa: E402
from mmonnx.loading.images import photographs  # noqa: E402

fallback.ensure()

SMALL = {"model.backbone.depth": 18, "model.backbone.base_channels": 16}
QUERIES = {
    **SMALL,
    "model.panoptic_head.in_channels": [16, 32, 64, 128],
    "model.panoptic_head.num_queries": 20,
    "model.panoptic_head.transformer_decoder.num_layers": 2,
    "model.panoptic_head.pixel_decoder.encoder.num_layers": 1,
    # random weights are not sure of anything
    "model.test_cfg.object_mask_thr": 0.0,
    "model.test_cfg.iou_thr": 0.0,
    "model.test_cfg.max_per_image": 20,
}
MODELS = {
    "panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py": {
        **SMALL,
        "model.neck.in_channels": [16, 32, 64, 128],
        "model.test_cfg.rpn.nms_pre": 50,
        "model.test_cfg.rpn.max_per_img": 50,
        "model.test_cfg.rcnn.score_thr": 0.02,
        "model.test_cfg.rcnn.max_per_img": 10,
        "model.test_cfg.panoptic.stuff_area_limit": 100,
    },
    "maskformer/maskformer_r50_ms-16xb1-75e_coco.py": QUERIES,
    "mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py": QUERIES,
}


ANOTHER = {"maskformer/maskformer_r50_ms-16xb1-75e_coco.py": (192, 128)}
"""Masks of random weights are saturated, and alike: at (128, 96) a rounding decides which is the greatest."""


@pytest.mark.parametrize("name", MODELS)
def test_it_gives_the_answers_of_pytorch(name):
    options = loading.LoadOptions(shape=(96, 128), dynamic=True, cfg_options=MODELS[name])
    task = loading.load("mmdet::" + name, None, options)
    (one,) = task.predict(task.preprocess(photographs()[:1], (96, 128)))
    assert len(np.unique(one.segments)) > 2
    for result in matches(task, [(96, 128), ANOTHER.get(name, (128, 96))]):
        assert result.ok and result.total > 2, (result.name, result.problems)
