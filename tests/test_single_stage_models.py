"""Single-stage detectors from config to file: PyTorch's answers at sizes and images that the trace never saw."""

import numpy as np
import pytest
from kernels import compiled
from models import HOURGLASS, case, load_small, padded, run_known, with_all_values

from mmonnx.loading import LoadOptions
from mmonnx.loading.images import photographs
from mmonnx.loading.sizes import another_size
from mmonnx.loading.task import to_numpy
from mmonnx.pipeline import ExportSettings, export_task
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import Capabilities, ExportContext
from mmonnx.runtime.session import Session
from mmonnx.support.errors import FixedSizeError
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import verify

FAST = {"model.test_cfg.nms_pre": 200}
SSD = {"dynamic": True, "shape": (300, 300)}
RPN = {"model.test_cfg.rpn.nms_pre": 100, "model.test_cfg.rpn.max_per_img": 50}
OTHERS = [
    ("centernet/centernet_resnet18_140e_coco.py", {}),
    ("cornernet/cornernet_hourglass104_mstest_8x6_210e_coco.py", HOURGLASS),
    ("centripetalnet/centripetalnet_hourglass104_mstest_16x6_210e_coco.py", HOURGLASS),
    ("guided_anchoring/ga_retinanet_r50_fpn_1x_coco.py", FAST),
    ("guided_anchoring/ga_rpn_r50_fpn_1x_coco.py", RPN),
    ("cascade_rpn/crpn_r50_caffe_fpn_1x_coco.py", RPN),
    ("yolof/yolof_r50_c5_8x8_1x_coco.py", FAST),
    ("lad/lad_r101_paa_r50_fpn_coco_1x.py", FAST),
]
MODELS = [
    "tood/tood_r50_fpn_1x_coco.py",
    "reppoints/reppoints_moment_r50_fpn_1x_coco.py",
    "retinanet/retinanet_r50_fpn_1x_coco.py",
    "fcos/fcos_r50_caffe_fpn_gn-head_1x_coco.py",
    "atss/atss_r50_fpn_1x_coco.py",
    "gfl/gfl_r50_fpn_1x_coco.py",
    "foveabox/fovea_r50_fpn_4x4_1x_coco.py",
    "fsaf/fsaf_r50_fpn_1x_coco.py",
    "autoassign/autoassign_r50_fpn_8x2_1x_coco.py",
    "paa/paa_r50_fpn_1x_coco.py",
    "sabl/sabl_retinanet_r50_fpn_1x_coco.py",
    "ssd/ssdlite_mobilenetv2_scratch_600e_coco.py",
    "yolo/yolov3_mobilenetv2_320_300e_coco.py",
]


def check(task, context, cases):
    session = Session(lower(trace(task, 11, context)))
    for result in verify(task, run_known(session), cases):
        assert result.ok and result.total >= 10, (result.name, result.problems)


@pytest.mark.parametrize("name", MODELS)
def test_it_gives_the_answers_of_pytorch(tmp_path, name):
    task = load_small("mmdet::" + name, tmp_path, FAST, dynamic=True, shape=(128, 160))
    one, two, three = photographs()[:3]
    cases = [case(task, (128, 160), [one]), case(task, (160, 128), [two, three]), case(task, (96, 96), [three])]
    check(task, ExportContext(), [*cases, padded(task, (128, 160), (107, 123), [two, three])])


@pytest.mark.parametrize("name, options", OTHERS, ids=[name.split("/")[0] for name, _ in OTHERS])
def test_keypoints_and_proposals_of_their_own(tmp_path, name, options):
    if compiled() is not None and name.startswith("guided_anchoring"):
        pytest.skip("mmcv compiles masked convolutions for GPUs alone")
    task = load_small("mmdet::" + name, tmp_path, options, dynamic=True, shape=(128, 160))
    one, two, three = photographs()[:3]
    cases = [case(task, (128, 160), [one]), case(task, (160, 128), [two, three])]
    check(task, ExportContext(), [*cases, padded(task, (128, 160), (107, 123), [two, three])])


@pytest.mark.long
@pytest.mark.once
def test_a_detector_that_takes_no_small_image_is_compared_on_larger_ones(tmp_path):
    task = load_small("mmdet::ssd/ssd300_coco.py", tmp_path, {"model.test_cfg.max_per_img": 20}, **SSD)
    assert task.other_shape == (332, 364)  # not (192, 256), where its last convolutions have nothing to stand on
    path = str(tmp_path / "ssd.onnx")
    settings = ExportSettings("ssd300", output_file=path, load=LoadOptions(**SSD), simplify=True, verify=True)
    result = export_task(task, settings)
    assert result.ok and {one.shape for one in result.results} == {(300, 300), (332, 364)}
    with pytest.raises(FixedSizeError, match="takes images of 300x300 and not of 332x364"):
        another_size("it", (300, 300), one_size_alone)


def one_size_alone(shape):
    assert shape == (300, 300)


def test_a_flipped_copy_that_is_left_out_is_told(tmp_path):
    name, options = OTHERS[1]
    task = load_small("mmdet::" + name, tmp_path, options, shape=(64, 64))
    assert any("(flipped copies)" in note for note in task.notes)


def test_without_a_limit_the_weakest_of_a_level_is_left_out_as_upstream_does(tmp_path):
    """Its cut ``[:-1]`` of a list without a limit; enough detections to see it."""
    options = {"model.test_cfg.nms_pre": -1, "model.test_cfg.max_per_img": 5000, "model.test_cfg.score_thr": 0.5}
    task = load_small("mmdet::fcos/fcos_r50_caffe_fpn_gn-head_1x_coco.py", tmp_path, options, dynamic=True)
    check(task, ExportContext(), [case(task, (64, 96), photographs()[:1]), case(task, (96, 64), photographs()[1:3])])


@pytest.mark.parametrize("score_thr", [0.05, 2.0])
def test_nothing_on_the_way_is_empty_where_a_runtime_cannot_take_it(tmp_path, score_thr):
    options = {**FAST, "model.test_cfg.score_thr": score_thr}
    task = load_small("mmdet::atss/atss_r50_fpn_1x_coco.py", tmp_path, options, dynamic=True, shape=(128, 160))
    model = lower(trace(task, 11, ExportContext(Capabilities(empty_tensors=False))))
    session, plain = with_all_values(model), Session(model)
    for pictures, shape in ((photographs()[:1], (128, 160)), (photographs()[1:3], (96, 64))):
        for key, value in session.run(to_numpy(task.preprocess(pictures, shape))).items():
            assert np.asarray(value).size, f"{key} is empty"
    (result,) = verify(task, plain.run, [case(task, (96, 128), photographs()[:2])])
    assert result.ok, result.problems
