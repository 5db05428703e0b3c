"""Models that have not three channels, over a dataset, beside PyTorch, on single pictures, and after a training."""

import json

import cv2
import numpy as np
import pytest
import torch
from sample_sets import make_coco_set, make_imagenet_set

from mmonnx import cli, fallback
from mmonnx.codebases import to_detections
from mmonnx.datasets import digits
from mmonnx.evaluation import EvaluationSettings, evaluate
from mmonnx.loading import LoadOptions
from mmonnx.pipeline import ExportSettings, export
from mmonnx.runtime import Classifier, Detector
from mmonnx.verifying.matching import match

pytestmark = pytest.mark.once

MEANS = {1: [100.0], 3: [110.0], 4: [100.0, 90.0, 110.0, 50.0]}
COLORS = {1: "grayscale", 3: "color", 4: "unchanged"}
NORMS = [(1, True), (1, False), (3, True), (4, True), (4, False)]
"""Channels, and whether there is a ``Normalize``: of one mean for three of them."""


def with_alpha(folder):
    """Give the pictures of a folder a fourth channel that is no constant."""
    for path in folder.glob("*.png"):
        image = cv2.imread(str(path))
        alpha = cv2.GaussianBlur(255 - image[..., 1], (5, 5), 0)
        assert cv2.imwrite(str(path), np.dstack([image, alpha]))


def norm_of(channels, normalised):
    return [dict(type="Normalize", mean=MEANS[channels], std=[50.0] * len(MEANS[channels]), to_rgb=False)] * normalised


def build(config, build_model):
    """A config's model with seeded weights, spread so that its answers differ, and their file."""
    fallback.ensure()
    from mmcv import Config

    torch.manual_seed(0)
    model = build_model(Config.fromfile(config).model).eval()
    checkpoint = config.replace(".py", ".pth")
    torch.save(dict(state_dict=model.state_dict(), meta=dict(CLASSES=digits.CLASSES)), checkpoint)
    return checkpoint


def classifier(folder, channels, normalised):
    test = make_imagenet_set(folder / "set", 12)
    if channels == 4:
        with_alpha(folder / "set" / "val")
    steps = [dict(type="LoadImageFromFile", color_type=COLORS[channels]), dict(type="Resize", size=(32, 32))]
    steps += [*norm_of(channels, normalised), dict(type="ImageToTensor", keys=["img"])]
    steps += [dict(type="Collect", keys=["img"], meta_keys=["filename"])]
    backbone = dict(type="ResNet_CIFAR", depth=18, in_channels=channels, base_channels=8, stem_channels=8)
    backbone.update(num_stages=4, out_indices=(3,), style="pytorch")
    head = dict(type="LinearClsHead", num_classes=10, in_channels=64, loss=dict(type="CrossEntropyLoss"))
    model = dict(type="ImageClassifier", backbone=backbone, neck=dict(type="GlobalAveragePooling"), head=head)
    path = folder / "classifier.py"
    test.update(pipeline=steps, classes=list(digits.CLASSES))
    path.write_text(f"model = {model}\ndata = dict(samples_per_gpu=4, workers_per_gpu=0, test={test})\n")
    from mmcls.models import build_classifier

    return str(path), build(str(path), build_classifier)


def detector(folder, channels, normalised):
    fallback.ensure()
    from mmcv import Config
    from mmdet.models import build_detector
    from models import small_config

    test = make_coco_set(folder / "set", 4)
    if channels == 4:
        with_alpha(folder / "set" / "val")
    inner = [dict(type="Resize", keep_ratio=True), *norm_of(channels, normalised), dict(type="Pad", size_divisor=32)]
    inner += [dict(type="ImageToTensor", keys=["img"]), dict(type="Collect", keys=["img"])]
    steps = [dict(type="LoadImageFromFile", color_type=COLORS[channels])]
    steps += [dict(type="MultiScaleFlipAug", img_scale=(256, 192), flip=False, transforms=inner)]
    options = {"model.backbone.in_channels": channels, "model.bbox_head.num_classes": 10}
    path = small_config("mmdet::retinanet/retinanet_r18_fpn_1x_coco.py", folder, options)
    config = Config.fromfile(path)
    config.data.test = dict(test, pipeline=steps, classes=digits.CLASSES)
    config.dump(path)
    return path, build(path, build_detector)


def scores_of(config, checkpoint, file, metric):
    """What ``mmonnx test`` prints as JSON for the file, and for PyTorch beside it."""
    settings = EvaluationSettings(config, file, [metric], compare_with=checkpoint, workers=0, batch_size=2)
    found = evaluate(settings)
    assert found.scores.keys() == found.reference.keys()
    for name, value in found.reference.items():
        assert found.scores[name] == pytest.approx(value, abs=1e-3), name
    line = ["test", config, file, "--metrics", metric, "--compare-with", checkpoint, "--workers", "0"]
    assert cli.main(line) == 0
    return found


@pytest.mark.parametrize(("channels", "normalised"), NORMS)
def test_a_classifier(tmp_path, capsys, channels, normalised):
    config, checkpoint = classifier(tmp_path, channels, normalised)
    file = str(tmp_path / "x.onnx")
    picture = str(sorted((tmp_path / "set" / "val").glob("*.png"))[1])
    load = LoadOptions(shape=(32, 32), dynamic=True, image=picture)
    done = export(ExportSettings(config, checkpoint, file, load, verify=True, test_image=picture))
    assert done.ok and done.task.channels == channels
    assert not any("random numbers" in note for note in done.task.notes)
    scores_of(config, checkpoint, file, "accuracy")
    from mmcls.apis import init_model
    from mmcls.datasets.pipelines import Compose

    model = init_model(config, checkpoint, device="cpu")
    image = Compose(model.cfg.data.test.pipeline)(dict(img_info=dict(filename=picture), img_prefix=None))["img"]
    with torch.no_grad():  # upstream's own inference of one picture gives the layers bytes where nothing normalises
        (expected,) = model(img=image[None].float(), return_loss=False)
    np.testing.assert_allclose(Classifier(file)(picture).probs, expected, atol=1e-4)
    assert cli.main(["predict", file, picture, "--json", str(tmp_path / "found.json")]) == 0
    assert cli.main(["inspect", file]) == 0
    assert f"{channels}" in capsys.readouterr().out


@pytest.mark.parametrize(("channels", "normalised"), [(1, False), (3, True), (4, True)])
def test_a_detector(tmp_path, capsys, channels, normalised):
    config, checkpoint = detector(tmp_path, channels, normalised)
    file = str(tmp_path / "x.onnx")
    picture = str(sorted((tmp_path / "set" / "val").glob("*.png"))[1])
    load = LoadOptions(shape=(192, 256), dynamic=True, image=picture)
    done = export(ExportSettings(config, checkpoint, file, load))
    assert done.ok and done.task.channels == channels
    assert not any("random numbers" in note for note in done.task.notes)
    scores_of(config, checkpoint, file, "bbox")
    from mmdet.apis import inference_detector, init_detector

    image = cv2.imread(picture)
    expected = to_detections(inference_detector(init_detector(config, checkpoint, device="cpu"), picture), image.shape)
    found = Detector(file)(picture)
    result = match(expected, found, score_thr=0.05, limit=100)
    assert result.ok
    assert cli.main(["predict", file, picture, "--json", str(tmp_path / "found.json")]) == 0
    with open(str(tmp_path / "found.json")) as text:
        assert len(json.load(text)[0]["detections"]) == len(found.labels)
    assert cli.main(["inspect", file]) == 0
    assert f"(batch, {channels}, height, width)" in capsys.readouterr().out


LOADING = """
import os

import numpy as np
from mmcls.datasets import PIPELINES


@PIPELINES.register_module()
class LoadBands:
    def __call__(self, results):
        name = results["img_info"]["filename"]
        name = name if results["img_prefix"] is None else os.path.join(results["img_prefix"], name)
        image = np.load(name.replace(".png", ".npy"))
        results.update(filename=name, img=image, img_shape=image.shape, ori_shape=image.shape)
        return results
"""


def test_a_classifier_whose_own_loader_reads_five_channels(tmp_path, monkeypatch):
    """Upstream's loader reads no more than four."""
    config, _ = classifier(tmp_path, 4, True)
    for path in sorted((tmp_path / "set" / "val").glob("*.png")):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        np.save(str(path.with_suffix(".npy")), np.dstack([image, 255 - image[..., 0]]))
    (tmp_path / "my_loading.py").write_text(LOADING)
    monkeypatch.syspath_prepend(str(tmp_path))
    changed = tmp_path / "five.py"
    changed.write_text(
        "_base_ = './classifier.py'\ncustom_imports = dict(imports=['my_loading'])\n"
        "model = dict(backbone=dict(in_channels=5))\n"
        "steps = [dict(type='LoadBands'), dict(type='Resize', size=(32, 32)),"
        " dict(type='Normalize', mean=[90.0] * 5, std=[50.0] * 5, to_rgb=False),"
        " dict(type='ImageToTensor', keys=['img']), dict(type='Collect', keys=['img'], meta_keys=['filename'])]\n"
        "data = dict(test=dict(pipeline=steps))\n"
    )
    from mmcls.models import build_classifier

    config, file = str(changed), str(tmp_path / "x.onnx")
    checkpoint = build(config, build_classifier)
    load = LoadOptions(shape=(32, 32), dynamic=True, image=str(sorted((tmp_path / "set" / "val").glob("*.npy"))[0]))
    done = export(ExportSettings(config, checkpoint, file, load, verify=True))
    assert done.ok and done.task.channels == 5
    scores_of(config, checkpoint, file, "accuracy")
