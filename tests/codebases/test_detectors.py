"""Detectors as tasks: which axes are dynamic, and what of a config is left out."""

import numpy as np
import pytest
from models import load_small
from torch import nn

from mmonnx.loading.model import remove_pretrained
from mmonnx.loading.sizes import another_size
from mmonnx.support.errors import FixedSizeError, InputError


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


def test_norms_that_ask_for_a_process_group_are_ordinary_ones(tmp_path):
    results = []
    for options in ({"type": "MMSyncBN", "stats_mode": "N"}, {"type": "SyncBN"}, {"type": "BN"}):
        options = {f"model.roi_head.bbox_head.norm_cfg.{key}": value for key, value in options.items()}
        options["model.roi_head.bbox_head.type"] = "Shared4Conv1FCBBoxHead"
        task = load_small("mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py", tmp_path, options, shape=(64, 64))
        norm = task.module.model.roi_head.bbox_head.shared_convs[0].bn
        assert isinstance(norm, nn.modules.batchnorm._BatchNorm) and not isinstance(norm, nn.SyncBatchNorm)
        results.append(task.predict(task.inputs)[0].dets)
    assert len(results[0]) >= 10 and all(np.array_equal(one, results[0]) for one in results)


def test_a_detector_that_takes_no_small_image_is_scaled_on_one_of_the_exports_size(tmp_path):
    ssd512 = "mmdet::ssd/ssd512_coco.py"
    task = load_small(ssd512, tmp_path, shape=(512, 512))
    (found,) = task.predict(task.inputs)
    assert len(found.dets) >= 10
    with pytest.raises(InputError, match=r"Kernel size can't be greater .* give another --shape$"):
        load_small(ssd512, tmp_path, shape=(192, 256))


def test_a_size_that_a_model_does_not_take_is_not_said_to_be_the_only_one():
    def run(shape):
        assert shape[0] >= 512, "too small"

    with pytest.raises(InputError, match="ssd does not take images of 320x320 .*too small") as caught:
        another_size("ssd", (320, 320), run)
    assert not isinstance(caught.value, FixedSizeError)
    assert another_size("ssd", (512, 512), run) == (544, 576)
