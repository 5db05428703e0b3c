"""Single-stage detectors of mmdet 3 from config to file: PyTorch's answers at sizes and images the trace never saw."""

import pytest
from models import HOURGLASS, load_small, matches

from mmonnx.environment import compat

if not compat.is_second_generation():
    pytest.skip("mmdet 3 has these heads", allow_module_level=True)

FAST = {"model.test_cfg.nms_pre": 200}
SIZES = [(128, 160), (160, 128)]
MODELS = {
    "yolo/yolov3_mobilenetv2_8xb24-320-300e_coco.py": {**FAST, "model.test_cfg.conf_thr": 0.3},
    "yolox/yolox_tiny_8xb8-300e_coco.py": {},
    "paa/paa_r50_fpn_1x_coco.py": FAST,
    "sabl/sabl-retinanet_r50_fpn_1x_coco.py": FAST,
    "ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py": FAST,
    "centernet/centernet_r18_8xb16-crop512-140e_coco.py": {},
    "cornernet/cornernet_hourglass104_8xb6-210e-mstest_coco.py": HOURGLASS,
    "centripetalnet/centripetalnet_hourglass104_16xb6-crop511-210e-mstest_coco.py": HOURGLASS,
}


@pytest.mark.parametrize("name", list(MODELS))
def test_it_gives_the_answers_of_pytorch(tmp_path, name):
    task = load_small("mmdet::" + name, tmp_path, MODELS[name], dynamic=True, shape=SIZES[0])
    for result in matches(task, SIZES):
        assert result.ok and result.total >= 10, (result.name, result.problems)


@pytest.mark.parametrize("limit", [-1, 40])
def test_the_best_of_all_classes_enter_the_suppression_of_yolov3(tmp_path, limit):
    """Without a limit upstream's cut ``[:-1]`` leaves the weakest out, which a low threshold shows."""
    options = {"model.test_cfg.nms_pre": limit, "model.test_cfg.score_thr": 0.6, "model.test_cfg.max_per_img": 4000}
    name = "mmdet::yolo/yolov3_mobilenetv2_8xb24-320-300e_coco.py"
    task = load_small(name, tmp_path, options, dynamic=True, shape=(64, 96))
    totals = []
    for result in matches(task, [(64, 96), (96, 64)]):
        assert result.ok and result.total, (result.name, result.problems)
        totals.append(result.total)
    assert min(totals) > 40 or max(totals) <= 80
