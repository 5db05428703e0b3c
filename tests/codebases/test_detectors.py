"""Detectors as tasks: which axes are dynamic."""

from models import load_small


def test_the_batch_alone_is_dynamic(tmp_path):
    name = "mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py"
    task = load_small(name, tmp_path, shape=(64, 64), dynamic_batch=True)
    assert task.dynamic_batch and not task.dynamic_size
    assert task.dynamic_axes["masks"] == {0: "batch", 1: "num_dets"}
    dynamic = load_small(name, tmp_path, shape=(64, 64), dynamic=True)
    assert dynamic.dynamic_size and dynamic.dynamic_axes["masks"] == {
        0: "batch",
        1: "num_dets",
        2: "height",
        3: "width",
    }
