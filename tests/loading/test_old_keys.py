"""A config of an early mmdet 2 is refused by naming the keys that are called otherwise today."""

import pytest
from models import SHAPE, small_config

from mmonnx import loading
from mmonnx.loading.old_keys import RENAMED, old_keys
from mmonnx.support.errors import MmonnxError

FASTER = "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"
RETINANET = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
RPN = dict(nms_pre=100, min_bbox_size=0, _delete_=True)
CASES = {
    "rpn": (FASTER, "model.test_cfg.rpn", dict(RPN, nms_thr=0.7, max_num=100), ("nms_thr", "max_num")),
    "rpn, its nms alone": (FASTER, "model.test_cfg.rpn", dict(RPN, nms_thr=0.7, max_per_img=100), ("nms_thr",)),
    "one stage": (RETINANET, "model.test_cfg", dict(nms_pre=100, score_thr=0.1, nms_thr=0.5, max_num=9), ("nms_thr",)),
    "renamed nms": (
        RETINANET,
        "model.test_cfg",
        dict(nms_pre=100, score_thr=0.1, max_per_img=9, min_bbox_size=0, nms_cfg=dict(type="nms", iou_thr=0.5)),
        ("nms_cfg", "nms_cfg.iou_thr"),
    ),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_its_keys_are_named(tmp_path, name):
    config, path, value, keys = CASES[name]
    file = small_config(config, tmp_path, {path: dict(value, _delete_=True)})
    with pytest.raises(MmonnxError) as refused:
        loading.load(file, None, loading.LoadOptions(shape=SHAPE))
    told = str(refused.value)
    assert "\n" not in told and "--shape" not in told and "PyTorch's own inference on a picture of 192x256" in told
    assert ("fails in RPNHead." if config == FASTER else "fails in RetinaHead.") in told
    for key in keys:
        assert f"{RENAMED[key.split('.')[-1]]} in the place of {path}.{key}" in told


def test_a_model_that_cannot_be_built_is_said_to_be_so(tmp_path):
    file = small_config(FASTER, tmp_path, {"model.roi_head.bbox_head.no_such": 1})
    with pytest.raises(MmonnxError, match="the model cannot be built: PyTorch fails.*no_such") as refused:
        loading.load(file, None, loading.LoadOptions(shape=SHAPE))
    assert "--shape" not in str(refused.value) and "in the place of" not in str(refused.value)


def test_keys_of_training_and_todays_are_none_of_them():
    today = dict(nms=dict(type="nms", iou_threshold=0.5), max_per_img=9)
    config = dict(model=dict(train_cfg=dict(max_num=3), test_cfg=today), test_cfg=dict(rpn=[dict(max_num=1)]))
    assert old_keys(config) == [("test_cfg.rpn.0.max_num", "max_per_img")]
