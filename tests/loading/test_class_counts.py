"""Checkpoints of another number of classes than the config, or the model, are refused by what sets the number."""

import re

import pytest
import torch
from models import small_config
from torch import nn

from mmonnx import cli, loading
from mmonnx.loading.checkpoint import load_weights
from mmonnx.loading.model import remove_pretrained
from mmonnx.support import parse
from mmonnx.support.errors import InputError

ROI = "model.roi_head."
HEADS = {
    "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py": ["model.bbox_head.num_classes"],
    "mmdet::fcos/fcos_r50_caffe_fpn_gn-head_1x_coco.py": ["model.bbox_head.num_classes"],
    "mmdet::yolo/yolov3_mobilenetv2_320_300e_coco.py": ["model.bbox_head.num_classes"],
    "mmdet::yolox/yolox_tiny_8x8_300e_coco.py": ["model.bbox_head.num_classes"],
    "mmdet::ssd/ssdlite_mobilenetv2_scratch_600e_coco.py": ["model.bbox_head.num_classes"],
    "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py": [ROI + "bbox_head.num_classes"],
    "mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py": [ROI + "bbox_head.num_classes", ROI + "mask_head.num_classes"],
    "mmdet::cascade_rcnn/cascade_rcnn_r50_fpn_1x_coco.py": [
        ROI + f"bbox_head.{stage}.num_classes" for stage in range(3)
    ],
    "mmdet::deformable_detr/deformable_detr_r50_16x2_50e_coco.py": ["model.bbox_head.num_classes"],
    "mmcls::mobilenet_v2/mobilenet-v2_8xb32_in1k.py": ["model.head.num_classes"],
    "mmcls::conformer/conformer-tiny-p16_8xb128_in1k.py": ["model.head.num_classes"],
    "mmcls::csra/resnet101-csra_1xb16_voc07-448px.py": ["model.head.num_classes"],
}


def built(config, options):
    """The model of a config with these options, all weights drawn: a few constructors leave what the memory held."""
    _, settings = loading.read(config, options)
    if settings.model.type == "ImageClassifier":
        from mmcls.models import build_classifier as build
    else:
        from mmdet.models import build_detector as build
    remove_pretrained(settings.model)
    model = build(settings.model)
    model.init_weights()
    return model


@pytest.mark.parametrize("name", list(HEADS))
def test_it_is_refused_by_the_keys_that_set_it_which_then_help(tmp_path, capsys, name):
    config, keys = small_config(name, tmp_path), HEADS[name]
    other, path = str(tmp_path / "other.pth"), tmp_path / "made.onnx"
    torch.save({"state_dict": built(config, dict.fromkeys(keys, 13)).state_dict()}, other)
    status = cli.main(["export", config, other, "--shape", "64", "64", "--output-file", str(path)])
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mmonnx: error")]
    assert status == 2 and not path.exists()
    own = 20 if "voc" in name else 1000 if name.startswith("mmcls") else 80
    for key in keys:
        assert f"{key}={own}, as in the config, where it has 13" in line
    assert len(re.findall(r"where it has \d", line)) == len(keys)
    assert re.search(r"'[\w.]+': \([\d, ]+\), not \([\d, ]+\)", line)
    (options,) = re.findall(r"--cfg-options ((?:[\w.]+=\d+ ?)+)", line)
    model = built(config, parse(options.split(), "--cfg-options"))
    assert load_weights(model, other).notes == []


class Named(nn.Module):
    """A model that says how many classes it has."""

    def __init__(self, classes, inside=False, more=0):
        super().__init__()
        self.layer = nn.Linear(4, classes + more)
        self.num_classes = classes


@pytest.mark.parametrize("own, given, more", [(80, "20", 0), (3, "11", 1), (1, "4 or 7", 1), (2, "9", 5)])
def test_a_model_without_a_config_is_told_its_attribute(tmp_path, own, given, more):
    path = str(tmp_path / "x.pth")
    torch.save(Named(int(given.split()[-1]), more=more).state_dict(), path)
    with pytest.raises(InputError) as error:
        load_weights(Named(own, more=more), path)
    line = str(error.value)
    assert f"num_classes={own}, as in the model, where it has {given}" in line and "--cfg-options" not in line


@pytest.mark.parametrize("shape", [(20, 5), (20, 4, 1), (80, 5)], ids=["two sizes", "an axis more", "another size"])
def test_what_no_number_of_classes_explains_is_told_by_its_shapes(tmp_path, shape):
    path = str(tmp_path / "x.pth")
    torch.save({"layer.weight": torch.zeros(shape), "layer.bias": torch.zeros(20)}, path)
    with pytest.raises(InputError) as error:
        load_weights(Named(80), path)
    assert f"'layer.weight': {shape}, not (80, 4)" in str(error.value) and "num_classes" not in str(error.value)
