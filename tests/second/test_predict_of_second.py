"""Files of mmdet 3 and mmpretrain on pictures, without PyTorch: what upstream's own inferencers say."""

import copy
import json
import warnings

import cv2
import numpy as np
import pytest
import torch
from models import HOURGLASS

pytest.importorskip("mmengine")
pytest.importorskip("mmdet.registry")
pytest.importorskip("mmpretrain")

from sample_sets import CLASSIFIER, weights_of  # noqa: E402
from second_sets import META_KEYS, NORM, write_classifier, write_detector, write_detector_weights  # noqa: E402

from mmonnx import cli, fallback, loading  # noqa: E402
from mmonnx.datasets import digits  # noqa: E402
from mmonnx.loading import LoadOptions, photographs  # noqa: E402
from mmonnx.loading.config import find_config  # noqa: E402
from mmonnx.loading.second_generation import transforms  # noqa: E402
from mmonnx.pipeline import ExportSettings, export  # noqa: E402
from mmonnx.runtime import from_config, open_model, pipeline, read_picture  # noqa: E402

RGB = dict(NORM, bgr_to_rgb=True)
GREY = (114, 114, 114)


def load(**more):
    return dict(type="LoadImageFromFile", **more)


def pack():
    return dict(type="PackDetInputs", meta_keys=META_KEYS[1:])


PIPELINES = {
    "faster_rcnn": ([dict(type="Resize", scale=(333, 200), keep_ratio=True)], dict(RGB, pad_size_divisor=32)),
    "rtmdet": (
        [
            dict(type="Resize", scale=(160, 160), keep_ratio=True),
            dict(type="Pad", size=(160, 192), pad_val=dict(img=GREY)),
        ],
        dict(mean=[103.53, 116.28, 123.675], std=[57.375, 57.12, 58.395], bgr_to_rgb=False),
    ),
    "yolox": (
        [
            dict(type="Resize", scale=(160, 160), keep_ratio=True),
            dict(type="Pad", pad_to_square=True, pad_val=dict(img=114)),
        ],
        dict(pad_size_divisor=64, pad_value=7),
    ),
    "ssd": ([dict(type="Resize", scale=(150, 100), keep_ratio=False)], dict(RGB, std=[1, 1, 1], pad_size_divisor=1)),
    "text": ([dict(type="FixScaleResize", scale=(333, 200), keep_ratio=True, backend="pillow")], RGB),
    "text, stretched": ([dict(type="FixScaleResize", scale=(150, 100), keep_ratio=False)], RGB),
    "pillow": ([dict(type="Resize", scale=(333, 200), keep_ratio=True, backend="pillow")], RGB),
    "divisor": ([dict(type="Pad", size_divisor=48, pad_val=9)], dict(NORM, pad_size_divisor=32, pad_value=1.5)),
}
SIZES = ((333, 517), (60, 200), (517, 301))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Photographs of odd sizes, and a grey one."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{height}x{width}.png" for height, width in SIZES]
    for path, (height, width) in zip(paths, SIZES):
        cv2.imwrite(str(path), cv2.resize(photographs()[0], (width, height)))
    cv2.imwrite(str(folder / "grey.png"), cv2.cvtColor(cv2.resize(photographs()[1], (93, 75)), cv2.COLOR_BGR2GRAY))
    return [str(path) for path in (*paths, folder / "grey.png")]


@pytest.mark.parametrize("name", PIPELINES)
def test_a_picture_is_prepared_as_upstream_does_it_to_the_bit(name, pictures):
    fallback.ensure()
    from mmdet.registry import MODELS
    from mmengine.dataset import Compose
    from mmengine.registry import DefaultScope

    steps, preprocessor = PIPELINES[name]
    steps = [load(), *steps, pack()]
    settings = dict(type="DetDataPreprocessor", **preprocessor)
    config = {"model": {"data_preprocessor": settings}, "test_dataloader": {"dataset": {"pipeline": steps}}}
    kept = json.loads(json.dumps(from_config(transforms(config))))
    with DefaultScope.overwrite_default_scope("mmdet"):
        compose, prepare = Compose(copy.deepcopy(steps)), MODELS.build(settings)
    for path in pictures:
        given = compose(dict(img_path=path))
        made = prepare(dict(inputs=[given["inputs"]], data_samples=[given["data_samples"]]), False)
        known = made["data_samples"][0].metainfo
        found = pipeline.apply(kept, read_picture(path, 3))
        np.testing.assert_array_equal(found.feed, made["inputs"].float().numpy())
        assert tuple(found.shape) == tuple(known["img_shape"])
        assert tuple(found.scale) == tuple(known.get("scale_factor", (1.0, 1.0)))


class Setup:
    """Detectors of several pipelines, by their files and by upstream's inferencer."""

    def __init__(self, folder):
        self.folder = folder
        self.base = write_detector(folder, 1, masks=True)
        self.checkpoint = write_detector_weights(self.base, folder / "detector.pth", masks=True)
        samples = [sample for sample in digits.detection_samples("test", 20) if len(sample.boxes) > 2]
        self.pictures = [str(folder / f"{number}.png") for number in range(3)]
        for path, sample, (height, width) in zip(self.pictures, samples, SIZES):
            cv2.imwrite(path, cv2.resize(sample.image, (width, height)))

    def config(self, name):
        from mmengine import Config

        config = Config.fromfile(self.base)
        steps, preprocessor = PIPELINES[name]
        config.test_dataloader.dataset.pipeline = [load(), *steps, pack()]
        config.model.data_preprocessor = dict(type="DetDataPreprocessor", **dict(preprocessor, **RGB))
        config.visualizer = dict(type="DetLocalVisualizer", name="visualizer")  # the inferencer fails without
        path = str(self.folder / f"{name}.py")
        config.dump(path)
        return path

    def file(self, name, **more):
        path = self.folder / f"{name}{len(more)}.onnx"
        load_options = LoadOptions(**{**dict(shape=(224, 320), dynamic=True, mask_output="roi"), **more})
        export(ExportSettings(self.config(name), self.checkpoint, output_file=str(path), load=load_options))
        return str(path)


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(tmp_path_factory.mktemp("predict"))


def test_a_detector_finds_what_upstreams_inferencer_does(setup):
    """Boxes and masks in the pictures' own pixels, though each axis has its own scale, and padding counts as image."""
    from mmdet.apis import DetInferencer

    file, total, differ = open_model(setup.file("rtmdet"), "cpu"), 0, 0
    assert any(step.get("counts") for step in file._steps)
    for name in ("rtmdet", "ssd", "faster_rcnn"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            upstream = DetInferencer(setup.config(name), setup.checkpoint, device="cpu", show_progress=False)
        right = json.loads(json.dumps(from_config(transforms(upstream.cfg))))  # one model, of three pipelines
        wrong = [{key: value for key, value in step.items() if key != "counts"} for step in right]
        for path in setup.pictures:
            (expected,) = upstream(path, return_datasamples=True, no_save_vis=True)["predictions"]
            file._steps = right
            assert is_alike(file(path), expected, path)
            file._steps = wrong
            differ += name == "rtmdet" and not is_alike(file(path), expected, path)
            total += len(expected.pred_instances)
    assert total > 20 and differ, "no box came to the padding"


def is_alike(found, sample, path):
    """Whether a file's detections in a picture are those of a data sample."""
    expected = sample.pred_instances.cpu().numpy()
    order = np.argsort(-expected.scores, kind="stable")
    assert found.masks is None or found.masks.shape[1:] == cv2.imread(path).shape[:2]
    if len(order) != len(found.labels) or not np.array_equal(found.labels, expected.labels[order]):
        return False
    boxes = np.abs(found.dets[:, :4] - expected.bboxes[order]).max(initial=0) < 0.01
    scores = np.abs(found.dets[:, 4] - expected.scores[order]).max(initial=0) < 1e-4
    if found.masks is None or not len(order):
        return boxes and scores
    return boxes and scores and np.not_equal(found.masks, expected.masks[order]).mean() < 1e-4


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("centernet/centernet_r18_8xb16-crop512-140e_coco.py", {}),
        ("cornernet/cornernet_hourglass104_8xb6-210e-mstest_coco.py", HOURGLASS),
        ("centripetalnet/centripetalnet_hourglass104_16xb6-crop511-210e-mstest_coco.py", HOURGLASS),
    ],
)
def test_a_picture_in_the_middle_of_the_input_gives_what_upstreams_inferencer_finds(name, options, pictures, tmp_path):
    fallback.ensure()
    from mmdet.apis import DetInferencer
    from mmengine import Config

    config = Config.fromfile(str(find_config(f"mmdet::{name}")))
    config.merge_from_dict({**options, "model.backbone.init_cfg": None})
    config.dump(str(tmp_path / "config.py"))
    config, weights, file = (str(tmp_path / name) for name in ("config.py", "weights.pth", "file.onnx"))
    shape = LoadOptions(shape=(128, 256), dynamic=True)
    torch.save({"state_dict": loading.load(config, None, shape).module.model.state_dict()}, weights)
    export(ExportSettings(config, weights, output_file=file, load=shape))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        upstream = DetInferencer(config, weights, device="cpu", show_progress=False)
    model, total = open_model(file, "cpu"), 0
    for path in pictures[:3]:
        (expected,) = upstream(path, return_datasamples=True, no_save_vis=True)["predictions"]
        assert is_alike(model(path), expected, path), path
        total += len(expected.pred_instances)
    assert total > 20


def test_a_classifier_says_what_upstreams_inferencer_does(tmp_path, pictures, capsys):
    from mmengine.registry import DefaultScope
    from mmpretrain import ImageClassificationInferencer

    config, weights = write_classifier(tmp_path, 1), weights_of(CLASSIFIER)
    export(ExportSettings(config, weights, output_file=str(tmp_path / "c.onnx"), load=LoadOptions(dynamic=True)))
    # where another inferencer has run in the process, mmengine takes its names for everybody's
    with warnings.catch_warnings(), DefaultScope.overwrite_default_scope("mmpretrain"):
        warnings.simplefilter("ignore")
        upstream = ImageClassificationInferencer(config, weights, device="cpu", classes=list(digits.CLASSES))
        expected = upstream(pictures)
    assert cli.main(["predict", str(tmp_path / "c.onnx"), *pictures, "--json", str(tmp_path / "found.json")]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert len({one["pred_class"] for one in expected}) > 1
    for ours, theirs in zip(found, expected):
        scores = {entry["label"]: entry["score"] for entry in ours["classes"]}
        np.testing.assert_allclose([scores[label] for label in range(10)], theirs["pred_scores"], atol=1e-5)
        assert ours["classes"][0]["name"] == theirs["pred_class"]


@pytest.mark.parametrize(
    ("kind", "sizes"), [("FixScaleResize", [(96, 150), (200, 310)]), ("Resize", [(97, 150), (200, 311)])]
)
def test_a_resize_is_made_to_fit_by_its_own_rounding(kind, sizes):
    fallback.ensure()
    from mmonnx.codebases.mmdet.sample_fitting import fitted, may_be_larger

    image, steps = np.zeros((333, 517, 3), np.uint8), [dict(type=kind, scale=(333, 200), keep_ratio=True)]
    assert may_be_larger(steps, (97, 150)) and not may_be_larger(steps, (333, 333))
    for size, expected in zip(((97, 150), (333, 333)), sizes):
        (step,) = fitted(steps, size)
        made = step.pop("type")(**step)(dict(img=image, img_shape=image.shape[:2]))["img"]
        assert made.shape[:2] == expected
