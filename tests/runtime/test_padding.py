"""Pictures of odd sizes, which the test pipelines pad: files answer as mmdet's own inference, without an option."""

import numpy as np
import onnx
import pytest
from models import HOURGLASS, SHAPE, load_small, once_if, small_file

from mmonnx.codebases import to_detections
from mmonnx.loading.images import photographs
from mmonnx.loading.task import to_numpy
from mmonnx.pipeline import ExportSettings, export_task
from mmonnx.runtime import Detector
from mmonnx.runtime.session import Session
from mmonnx.targets import TARGETS, find_target
from mmonnx.verifying.matching import Tolerances, match

pytestmark = pytest.mark.once

PICTURES = 20
"""Of each of the five models with two stages: a hundred."""
TESTS = "data.test.pipeline.1."
SIZE = {TESTS + "img_scale": (224, 160)}
# mmcv moves the boxes of each class away by its number, and the overlaps of 80 classes are right to 1e-4 only
BOXES = {**SIZE, "model.test_cfg.rcnn.max_per_img": 30}
MASKS = {**BOXES, "model.roi_head.bbox_head.num_classes": 8, "model.roi_head.mask_head.num_classes": 8}
TWO_STAGES = {
    "faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py": {**BOXES, "model.roi_head.bbox_head.num_classes": 8},
    "mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py": MASKS,
    "libra_rcnn/libra_faster_rcnn_r50_fpn_1x_coco.py": {**BOXES, "model.roi_head.bbox_head.num_classes": 8},
    "grid_rcnn/grid_rcnn_r50_fpn_gn-head_2x_coco.py": {**BOXES, "model.roi_head.bbox_head.num_classes": 8},
    "sabl/sabl_faster_rcnn_r50_fpn_1x_coco.py": {**BOXES, "model.roi_head.bbox_head.num_classes": 8},
}
ONE = {**SIZE, "model.test_cfg.max_per_img": 30}
QUERIES = {
    **{"model.backbone.depth": 18, "model.backbone.base_channels": 16, "model.bbox_head.in_channels": 128},
    **{"model.bbox_head.num_query": 20, "model.test_cfg.max_per_img": 20, **SIZE},
    **{f"model.bbox_head.transformer.{part}.num_layers": 2 for part in ("encoder", "decoder")},
}
GRIDS = {
    **{"model.mask_head.num_classes": 8, "model.mask_head.num_grids": [12, 10, 8, 6, 4], **SIZE},
    **{"model.test_cfg.score_thr": 0.01, "model.test_cfg.filter_thr": 0.002},
}
OTHERS = {
    "fcos/fcos_r50_caffe_fpn_gn-head_1x_coco.py": ONE,
    "atss/atss_r50_fpn_1x_coco.py": ONE,
    "paa/paa_r50_fpn_1x_coco.py": ONE,
    "tood/tood_r50_fpn_1x_coco.py": ONE,
    "detr/detr_r50_8x2_150e_coco.py": QUERIES,
}

# what differs between the stacks, the others have too
SIBLINGS = {"grid_rcnn", "libra_rcnn", "sabl", "atss", "tood"}


def cut(number, seed=0, sizes=()):
    """Crops of photographs, of sides from 90 to 300 pixels, odd and even, or of these (height, width)."""
    rng, sources = np.random.RandomState(seed), photographs()
    found = []
    for place in range(number):
        source = sources[place % len(sources)]
        height, width = sizes[place % len(sizes)] if sizes else rng.randint(90, 300, 2)
        top, left = (rng.randint(0, whole - side + 1) for whole, side in zip(source.shape, (height, width)))
        found.append(np.ascontiguousarray(source[top : top + height, left : left + width]))
    return found


def differing(path, model, pictures, score=1e-4):
    """What differs between a file's answers and ``inference_detector``'s, and how many answers there are."""
    from mmdet.apis import inference_detector

    detector, problems, total = Detector(path), [], 0
    for number, picture in enumerate(pictures):
        expected = to_detections(inference_detector(model, picture), picture.shape[:2])
        found = match(expected, detector(picture), tolerances=Tolerances(box=0.01, score=score))
        total += found.matched
        if found.matched != found.total or not found.total:
            problems.append((number, picture.shape, found))
    return problems, total


@pytest.mark.parametrize("name", once_if(lambda name: name.split("/")[0] in SIBLINGS, TWO_STAGES))
def test_two_stages_answer_as_inference_detector(tmp_path, name):
    load = {"mask_output": "roi"} if "mask_rcnn" in name else {}
    path, model = small_file("mmdet::" + name, tmp_path, TWO_STAGES[name], **load)
    problems, total = differing(path, model, cut(PICTURES, list(TWO_STAGES).index(name)))
    assert not problems and total >= 10 * PICTURES, (len(problems), problems[:3], total)


@pytest.mark.parametrize("name", once_if(lambda name: name.split("/")[0] in SIBLINGS, OTHERS))
def test_other_detectors_answer_as_inference_detector(tmp_path, name):
    path, model = small_file("mmdet::" + name, tmp_path, OTHERS[name])
    problems, total = differing(path, model, cut(20))
    assert not problems and total >= 100, (len(problems), problems[:3], total)


def test_masks_of_the_image_answer_as_inference_detector(tmp_path):
    """Of pictures that are padded and not resized: a mask of the input's size is resized otherwise than upstream's."""
    path, model = small_file("mmdet::solov2/solov2_r50_fpn_1x_coco.py", tmp_path, GRIDS)
    pictures = cut(12, sizes=[(160, 201), (131, 224), (160, 224), (224, 143)])
    # a score is a mean of a mask's pixels above a threshold: one that rounding moves across it weighs more than 1e-4
    problems, total = differing(path, model, pictures, score=1e-3)
    assert not problems and total >= 100, (len(problems), problems[:3], total)


WITHOUT_EFFECT = ["yolo/yolov3_mobilenetv2_320_300e_coco.py", "tood/tood_r50_fpn_1x_coco.py"]


def inputs(path):
    return [value.name for value in onnx.load(str(path)).graph.input]


@pytest.mark.once
def test_without_the_input_a_picture_fills_the_input(tmp_path):
    """As other programs use it: the same to the bit as being told so, or more than there is; and not as padded."""
    name = "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"
    task = load_small(name, tmp_path, TWO_STAGES[name[7:]], dynamic=True)
    path = tmp_path / "model.onnx"
    exported = export_task(task, ExportSettings("", output_file=str(path)))
    assert inputs(path) == ["input", "img_shape"] and exported.task.optional.keys() == {"img_shape"}
    session, feeds = Session(str(path)), to_numpy(task.preprocess_padded(photographs()[:1], SHAPE, (150, 201)))
    alone = session.run({"input": feeds["input"]})
    for told in (SHAPE, (9000, 9000)):
        other = session.run({"input": feeds["input"], "img_shape": np.array(told, np.float32)})
        assert all(np.array_equal(value, other[key]) for key, value in alone.items())
    dets = session.run(feeds)["dets"][0]
    assert dets[:, 2].max() == 201 and dets[:, 3].max() == 150 and alone["dets"][0, :, 2].max() > 201


@pytest.mark.parametrize("name", once_if(lambda name: "yolo" in name, WITHOUT_EFFECT))
def test_an_input_that_has_no_effect_is_left_out(tmp_path, name):
    task = load_small("mmdet::" + name, tmp_path, ONE, dynamic=True)
    exported = export_task(task, ExportSettings("", output_file=str(tmp_path / "model.onnx"), verify=True))
    assert exported.ok and inputs(exported.path) == list(exported.task.inputs) == ["input"]
    assert exported.task.preprocess_padded is None
    assert list(exported.task.preprocess(photographs()[:1], (96, 128))) == ["input"]


NOTE = "has no inputs that may be left out"


@pytest.mark.parametrize(
    "target, name, options, note",
    [
        ("pplnn", "retinanet/retinanet_r50_fpn_1x_coco.py", {}, True),
        ("pplnn", "yolo/yolov3_mobilenetv2_320_300e_coco.py", {}, False),
        ("onnxruntime", "retinanet/retinanet_r50_fpn_1x_coco.py", {"image_size": False}, False),
    ],
)
def test_a_file_without_the_input_says_what_that_means(tmp_path, capsys, target, name, options, note):
    task = load_small("mmdet::" + name, tmp_path, ONE, dynamic=True, shape=(96, 128), **options)
    settings = ExportSettings("", output_file=str(tmp_path / "model.onnx"), target=target)
    exported = export_task(task, settings)
    assert inputs(exported.path) == ["input"] and exported.task.preprocess_padded is None
    assert (NOTE in capsys.readouterr().out) == note
    assert any(NOTE in line for line in exported.task.notes) == note and not any(NOTE in line for line in task.notes)


def test_targets_say_whether_inputs_may_be_left_out():
    """Only ONNX Runtime, in whichever form, takes an input that has a default."""
    taken = {name for name in TARGETS if find_target(name).capabilities.optional_inputs}
    assert taken == {"onnxruntime", "onnxruntime-mmcv", "onnxruntime-web"}


def test_padding_is_made_as_the_pipelines_make_it(tmp_path):
    """Zeros behind the normalised picture; around it where the config puts it into the middle."""
    picture = [photographs()[0]]
    task = load_small("mmdet::retinanet/retinanet_r50_fpn_1x_coco.py", tmp_path)
    pixels = task.preprocess(picture, (99, 150))["input"]
    feeds = task.preprocess_padded(picture, (128, 160), (99, 150))
    assert feeds["img_shape"].tolist() == [99, 150] and feeds["input"].shape == (1, 3, 128, 160)
    assert (feeds["input"][:, :, :99, :150] == pixels).all()
    assert not feeds["input"][:, :, 99:].any() and not feeds["input"][..., 150:].any()

    corner = "mmdet::cornernet/cornernet_hourglass104_mstest_8x6_210e_coco.py"
    task = load_small(corner, tmp_path, HOURGLASS, shape=(64, 64))
    pixels = task.preprocess(picture, (40, 50))["input"]
    feeds = task.preprocess_padded(picture, (64, 128), (40, 50))
    assert feeds["img_corner"].tolist() == [12, 39] and "img_shape" not in feeds
    assert (feeds["input"][:, :, 12:52, 39:89] == pixels).all()
    assert np.count_nonzero(feeds["input"]) == np.count_nonzero(pixels)
