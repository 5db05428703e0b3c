"""Heads of single-stage detectors of mmdet 3: one list of a batch's instances has what upstream finds in each image."""

import pytest
from heads import SIZE, build_head, check_head, random_maps
from models import load_small, matches

from mmonnx.environment import compat

if not compat.is_second_generation():
    pytest.skip("mmdet 3 has these heads", allow_module_level=True)

YOLO = "yolo/yolov3_d53_8xb8-320-273e_coco.py"
PYRAMID = (256, [8, 16, 32, 64, 128])
CORNERS = {"corner_topk": 100, "distance_threshold": 2.0, "local_maximum_kernel": 3}


@pytest.mark.parametrize("size", [SIZE, (75, 101)])
@pytest.mark.parametrize(
    "name",
    [
        "paa/paa_r50_fpn_1x_coco.py",
        "lad/lad_r50-paa-r101_fpn_2xb8_coco_1x.py",
        "sabl/sabl-retinanet_r50_fpn_1x_coco.py",
    ],
)
def test_boxes_that_end_at_the_picture(name, size):
    head = build_head(name, "bbox_head", {"nms_pre": 60})
    check_head(head, random_maps(head, *PYRAMID, spread=1.0), size)


@pytest.mark.parametrize("options", [{}, {"conf_thr": 0.6}, {"nms_pre": 40}, {"nms_pre": -1, "max_per_img": 5000}])
def test_the_best_of_all_classes_enter_the_suppression_of_yolov3(options):
    """Not positions with an object alone, as in 1.x; without a limit a cut ``[:-1]`` leaves the weakest out."""
    head = build_head(YOLO, "bbox_head", {"conf_thr": -1, "score_thr": 0.9, **options})
    check_head(head, random_maps(head, [512, 256, 128], [32, 16, 8], spread=1.0), least=5)


def test_yolox():
    head = build_head("yolox/yolox_tiny_8xb8-300e_coco.py", "bbox_head", {"score_thr": 0.5})
    check_head(head, random_maps(head, 96, [8, 16, 32]))


def test_centernet():
    head = build_head("centernet/centernet_r18_8xb16-crop512-140e_coco.py", "bbox_head")
    check_head(head, random_maps(head, 64, [4]))


def test_corners_by_embeddings():
    head = build_head("cornernet/cornernet_hourglass104_8xb6-210e-mstest_coco.py", "bbox_head", CORNERS)
    check_head(head, random_maps(head, 256, [4, 4]))


def test_corners_by_shifts():
    name = "centripetalnet/centripetalnet_hourglass104_16xb6-crop511-210e-mstest_coco.py"
    options = {**CORNERS, "corner_topk": 400, "local_maximum_kernel": 1}  # no cells without a score, which are alike
    head = build_head(name, "bbox_head", options, num_classes=1)  # corners of one class make a box
    check_head(head, random_maps(head, 256, [4, 4], spread=1.0), least=5)


def test_a_head_of_ssd_predicts(tmp_path):
    """Upstream's own lacks what it asks itself for, so that no config of it runs in 3.1 to 3.3."""
    name, options = "mmdet::ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py", {"model.test_cfg.nms_pre": 200}
    task = load_small(name, tmp_path, options, dynamic=True, shape=(128, 160))
    for result in matches(task, [(128, 160), (160, 128)]):
        assert result.ok and result.total >= 10, (result.name, result.problems)
