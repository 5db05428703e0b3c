"""Detectors whose configs have limits that few have, at sizes on both sides of them: PyTorch's answers in one file."""

import pytest
from models import case, load_small

from mmonnx.loading.images import photographs
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.session import Session
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import verify

RETINANET = "retinanet/retinanet_r50_fpn_1x_coco.py"
FASTER_RCNN = "faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"
SPLIT = dict(type="nms", iou_threshold=0.1, class_agnostic=True, split_thr=700)
RPN_SPLIT = dict(SPLIT, iou_threshold=0.7, split_thr=500)
CASES = [
    # nms_pre is more than a level of any size has
    (RETINANET, {"nms": SPLIT, "nms_pre": 5000, "score_thr": 0.0}),
    (RETINANET, {"nms": dict(SPLIT, type="soft_nms", min_score=0.4), "nms_pre": 60, "max_per_img": 40}),
    (RETINANET, {"nms": dict(type="nms", iou_threshold=0.5, max_num=30), "max_per_img": -1, "nms_pre": 100}),
    (RETINANET, {"nms": dict(type="nms", iou_threshold=1.0), "max_per_img": -2, "nms_pre": 50}),
    ("fcos/fcos_r50_caffe_fpn_gn-head_1x_coco.py", {"nms": SPLIT, "nms_pre": 5000, "score_thr": 0.0}),
    ("paa/paa_r50_fpn_1x_coco.py", {"nms": SPLIT, "nms_pre": 30, "score_thr": 0.0, "score_voting": False}),
    ("yolox/yolox_tiny_8x8_300e_coco.py", {"nms": dict(SPLIT, split_thr=300), "score_thr": 0.0}),
    (FASTER_RCNN, {"rcnn.nms": SPLIT, "rcnn.score_thr": 0.011, "rpn.nms_pre": 100, "rpn.max_per_img": 60}),
    (FASTER_RCNN, {"rpn.nms": RPN_SPLIT, "rpn.nms_pre": 200, "rpn.min_bbox_size": 12, "rcnn.score_thr": 0.0}),
    (FASTER_RCNN, {"rpn.nms": dict(type="nms", iou_threshold=0.6, max_num=40), "rpn.max_per_img": -1}),
]


def identity(value):
    name, options = value
    return name.split("/")[0] + " " + " ".join(options)


@pytest.mark.parametrize("given", CASES, ids=identity)
def test_it_gives_the_answers_of_pytorch(tmp_path, given):
    name, options = given
    options = {f"model.test_cfg.{key}": value for key, value in options.items()}
    task = load_small("mmdet::" + name, tmp_path, options, dynamic=True, shape=(128, 160))
    one, two, three = photographs()[:3]
    cases = [case(task, (128, 160), [one]), case(task, (64, 64), [two, three]), case(task, (192, 224), [three])]
    session = Session(lower(trace(task, 11, ExportContext())))
    for result in verify(task, session.run, cases):
        assert result.ok and result.total >= 5, (result.name, result.problems)
