"""Detectors as tasks: which axes are dynamic, and what of a config is left out."""

from models import load_small

from mmonnx.codebases.model import remove_pretrained


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


def test_what_would_be_downloaded_is_taken_out_of_a_config():
    model = {
        "pretrained": "torchvision://resnet50",
        "backbone": {"pretrained": True, "depth": 50, "init_cfg": {"type": "Pretrained", "checkpoint": "somewhere"}},
        "heads": [{"pretrained": False, "init_cfg": {"type": "Normal"}}],
    }
    remove_pretrained(model)
    assert model == {
        "pretrained": None,
        "backbone": {"pretrained": False, "depth": 50, "init_cfg": None},  # timm's take a bool alone
        "heads": [{"pretrained": False, "init_cfg": {"type": "Normal"}}],
    }
