"""An exported file gives, without PyTorch, what mmdet's and mmcls's own inference gives on the same image file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from models import HOURGLASS, small_file

from mmonnx import cli
from mmonnx.codebases import to_detections
from mmonnx.loading.images import photographs
from mmonnx.runtime import Classifier, Detector
from mmonnx.verifying.matching import match

# files alone, once they are exported
pytestmark = pytest.mark.once

# as large as it becomes a whole number of 32 pixels, and so that the right and the lower edge are padding
EVEN, ODD = (192, 256), (150, 230)
BLOCKED = ["torch", "torchvision", "mmcv", "mmdet", "mmcls", "onnx", "onnxsim", "onnxslim", "skimage", "rich"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    picture = photographs()[1]
    for name, size in (("even.png", EVEN), ("odd.png", ODD)):
        cv2.imwrite(str(folder / name), cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA))
    return folder


DETECTORS = [
    ("mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py", {}),
    ("mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py", {"mask_output": "roi"}),
    ("mmdet::retinanet/retinanet_r50_fpn_1x_coco.py", {}),
]


@pytest.mark.parametrize("name, load", DETECTORS, ids=lambda value: str(value).split("/")[0][7:])
def test_a_detector_answers_as_inference_detector(folder, name, load):
    options = {"data.test.pipeline.1.img_scale": (512, 384)}
    if "retinanet" in name:  # mmcv moves the boxes of each class away, and the overlaps of 80 classes are right to 1e-4
        options["model.test_cfg.max_per_img"] = 50
    path, model = small_file(name, folder, options, **load)
    from mmdet.apis import inference_detector

    detector, image = Detector(path), str(folder / "even.png")
    expected = to_detections(inference_detector(model, image), EVEN)
    found = detector(image)
    result = match(expected, found, score_thr=0.05, limit=options.get("model.test_cfg.max_per_img", 100))
    assert result.ok and result.matched > 10, result
    assert found.dets[:, 2].max() <= EVEN[1] and found.dets[:, 3].max() <= EVEN[0], "in pixels of the picture"
    assert (found.masks is None) == ("mask" not in name)
    assert detector.draw(image, found).shape == (*EVEN, 3)
    assert len(detector.classes) == len(detector.description.palette) == 80 and detector.classes[0] == "person"

    if found.masks is not None:
        check_masks_as_coco(path, image, found)

    # with padding, to which neither proposals nor boxes reach
    padded = detector(str(folder / "odd.png"))
    expected = to_detections(inference_detector(model, str(folder / "odd.png")), ODD)
    result = match(expected, padded, score_thr=0.05, limit=options.get("model.test_cfg.max_per_img", 100))
    assert result.ok and result.matched > 10, result
    assert padded.dets[:, 2].max() <= ODD[1] + 1e-3 and padded.dets[:, 3].max() <= ODD[0] + 1e-3


TESTS = "data.test.pipeline.1."
REACHES = {
    "yolox/yolox_tiny_8x8_300e_coco.py": {TESTS + "img_scale": (256, 256), "model.test_cfg.max_per_img": 50},
    "yolo/yolov3_mobilenetv2_320_300e_coco.py": {TESTS + "img_scale": (256, 256), "model.test_cfg.max_per_img": 50},
    "retinanet/retinanet_r50_fpn_1x_coco.py": {
        **{"model.bbox_head.bbox_coder.clip_border": False, "model.test_cfg.max_per_img": 50},
        **{TESTS + "img_scale": (256, 192)},
    },
    "centernet/centernet_resnet18_140e_coco.py": {TESTS + "flip": False},
    "cornernet/cornernet_hourglass104_mstest_8x6_210e_coco.py": {**HOURGLASS, TESTS + "flip": False},
}


@pytest.mark.parametrize("name", REACHES, ids=lambda name: name.split("/")[0])
def test_boxes_reach_as_far_as_upstream_lets_them(folder, name):
    """Out of the image, or only to its corner; two of these have it in the middle of their input."""
    path, model = small_file("mmdet::" + name, folder, REACHES[name])
    from mmdet.apis import inference_detector

    expected = to_detections(inference_detector(model, str(folder / "odd.png")), ODD)
    found = Detector(path)(str(folder / "odd.png"))
    result = match(expected, found, score_thr=0.01, limit=REACHES[name].get("model.test_cfg.max_per_img", 100))
    low, high = found.dets[:, :2].min(), (found.dets[:, 2:4] - np.float32(ODD[::-1])).max()
    assert result.ok and result.matched >= 10, result
    if name.startswith("cornernet"):  # overlapping boxes are weakened after they were cut at the picture's corner
        assert low == 0 and high > 0.5, (low, high)
    else:
        assert max(high, -low) > 1, (low, high)


def check_masks_as_coco(path, image, found):
    """What ``--json`` and ``--coco`` write of masks is what pycocotools reads."""
    mask_tools = pytest.importorskip("pycocotools.mask")
    coco, answers = (f"{path}.{kind}.json" for kind in ("coco", "answers"))
    assert cli.main(["predict", path, image, "--coco", coco, "--json", answers]) == 0
    annotations = json.loads(Path(coco).read_text())["annotations"]
    (picture,) = json.loads(Path(answers).read_text())
    assert len(annotations) == len(picture["detections"]) == len(found.masks) > 10
    for annotation, detection, mask in zip(annotations, picture["detections"], found.masks):
        assert annotation["segmentation"] == detection["mask"] and annotation["area"] == mask.sum()
        assert (mask_tools.decode(detection["mask"]) == mask).all()


@pytest.fixture(scope="module")
def classifier(folder):
    options = {"model.backbone.widen_factor": 0.25}
    return small_file("mmcls::mobilenet_v2/mobilenet-v2_8xb32_in1k.py", folder, options)


@pytest.mark.parametrize("image", ["even.png", "odd.png"])
def test_a_classifier_answers_as_inference_model(folder, classifier, image):
    path, model = classifier
    from mmcls.apis import inference_model

    runtime = Classifier(path)
    model.CLASSES = runtime.classes
    expected = inference_model(model, str(folder / image))
    label, name, score = runtime.top(runtime(str(folder / image)))[0]
    assert label == expected["pred_label"] and name == expected["pred_class"]
    assert score == pytest.approx(expected["pred_score"], rel=1e-3)


def test_it_runs_where_there_is_neither_torch_nor_openmmlab(folder, classifier, tmp_path):
    """In a process in which these packages cannot be imported."""
    block = f"import sys\nfor name in {BLOCKED}: sys.modules[name] = None\nfrom mmonnx.cli import main\n"
    arguments = ["predict", classifier[0], str(folder / "*.png"), "--out", "drawn", "--json", "found.json"]
    command = [sys.executable, "-c", block + f"sys.exit(main({arguments!r}))"]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(command, cwd=str(tmp_path), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["even.png", "odd.png"]
    found = json.loads((tmp_path / "found.json").read_text())
    assert [Path(entry["file"]).name for entry in found] == ["even.png", "odd.png"]
    assert sum(entry["score"] for entry in found[0]["classes"]) == pytest.approx(1, abs=1e-3)


IMAGES = {
    "empty.png": b"",
    "truncated.png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "text.jpg": b"no image",
}


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_what_is_no_image_is_refused(classifier, tmp_path, capfd, name):
    (tmp_path / name).write_bytes(IMAGES[name])
    before = sorted(tmp_path.rglob("*"))
    status = cli.main(
        ["predict", classifier[0], str(tmp_path / name)]
        + ["--out", str(tmp_path / "out"), "--json", str(tmp_path / "out" / "found.json")]
    )
    lines = capfd.readouterr().err.splitlines()
    assert status == 2 and len(lines) == 1 and "cannot be read" in lines[0], lines
    assert sorted(tmp_path.rglob("*")) == before


def test_odd_images_are_read(classifier, tmp_path):
    """16 bits a channel, grey, with an alpha channel, of a single pixel."""
    rng, runtime = np.random.RandomState(0), Classifier(classifier[0])
    images = {
        "deep": rng.randint(0, 65535, (40, 50, 3)).astype(np.uint16),
        "grey": rng.randint(0, 255, (40, 50), np.uint8),
        "alpha": rng.randint(0, 255, (40, 50, 4), np.uint8),
        "dot": rng.randint(0, 255, (1, 1, 3), np.uint8),
    }
    for name, image in images.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
        assert np.isfinite(runtime(str(tmp_path / f"{name}.png")).probs).all(), name


def test_files_that_mmonnx_did_not_write_are_refused(tmp_path, folder, capfd):
    import onnx
    from onnx import helper

    tensor = helper.make_tensor_value_info("input", 1, [1, 3, 8, 8])
    graph = helper.make_graph([helper.make_node("Relu", ["input"], ["y"])], "g", [tensor], [onnx.ValueInfoProto()])
    graph.output[0].CopyFrom(helper.make_tensor_value_info("y", 1, [1, 3, 8, 8]))
    foreign = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    onnx.save(foreign, str(tmp_path / "foreign.onnx"))
    (tmp_path / "corrupt.onnx").write_bytes(b"\x08\x07not a model")
    onnx.helper.set_model_props(foreign, {"mmonnx.task": '"detection"', "mmonnx.palette": "[[1]]"})
    onnx.save(foreign, str(tmp_path / "broken.onnx"))
    words = {"foreign": "does not say", "corrupt": "cannot be loaded", "broken": "broken metadata", "none": "not exist"}
    for name, said in words.items():
        arguments = ["predict", str(tmp_path / f"{name}.onnx"), str(folder / "even.png")]
        assert cli.main([*arguments, "--out", str(tmp_path / "out")]) == 2
        lines = capfd.readouterr().err.splitlines()
        assert said in lines[-1] and not (tmp_path / "out").exists(), lines
