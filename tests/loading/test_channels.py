"""Models of images that have not three channels: how many is what the first layer takes."""

import cv2
import numpy as np
import onnx
import pytest
import torch
from models import load_small, once_if, picture_file, small_config
from torch import nn

from mmonnx import fallback, loading
from mmonnx.loading.channels import channel_notes, input_channels, with_channels
from mmonnx.loading.images import make_input, photographs
from mmonnx.pipeline import ExportSettings, export, export_task
from mmonnx.support.errors import InputError

pytestmark = pytest.mark.once

RETINANET = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
FASTER = "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"


class Focus(nn.Module):
    """Pixels become channels in front of the first convolution, as in YOLOX."""

    def __init__(self, channels):
        super().__init__()
        self.unused, self.conv = nn.Conv2d(7, 8, 1), nn.Conv2d(4 * channels, 8, 3)

    def forward(self, x):
        return self.conv(torch.cat([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], 1))


class Coordinates(nn.Module):
    """Two channels more, which say where a pixel is."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels + 2, 8, 3)

    def forward(self, x):
        grid = torch.stack(torch.meshgrid([torch.linspace(-1, 1, side) for side in x.shape[2:]]))
        return self.conv(torch.cat([x, grid[None].repeat(len(x), 1, 1, 1)], 1))


class OwnMean(nn.Module):
    """Fails at other channels before the first layer sees them."""

    def __init__(self, channels):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.conv = nn.Conv2d(channels, 8, 3)

    def forward(self, x):
        return self.conv(x - self.mean)


MODELS = {
    "convolution": lambda channels: nn.Sequential(nn.Conv2d(channels, 8, 3)),
    "groups": lambda channels: nn.Sequential(nn.Conv2d(channels, 4 * channels, 3, groups=channels)),
    "norm": lambda channels: nn.Sequential(nn.BatchNorm2d(channels), nn.Conv2d(channels, 8, 3)),
    "flat": lambda channels: nn.Sequential(nn.Flatten(), nn.Linear(channels * 32 * 48, 8)),
    "patches": lambda channels: nn.Sequential(nn.Unfold(4, stride=4), Transposed(), nn.LayerNorm(channels * 16)),
    "focus": Focus,
    "coordinates": Coordinates,
    "own mean": OwnMean,
}


class Transposed(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


@pytest.mark.parametrize("channels", (1, 2, 3, 4, 5, 13))
@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_first_layer_says_it(name, channels):
    model = MODELS[name](channels).eval()
    for means in (None, 1, channels, 3):
        norm = means and dict(mean=[0.0] * means, std=[1.0] * means)
        assert input_channels(model, model, norm, (32, 48)) == channels
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_where_no_layer_says_it_the_means_do():
    model = nn.Sequential(nn.ReLU())
    assert input_channels(model, model, None, (8, 8)) == 3
    assert input_channels(model, model, dict(mean=[0.0] * 6), (8, 8)) == 6


@pytest.mark.parametrize("own, channels", [(1, 3), (3, 1), (3, 2), (3, 4), (3, 6), (1, 4), (5, 5), (4, 3)])
def test_an_image_gets_as_many_channels_as_it_has_to_have(own, channels):
    image = photographs()[0][..., [0, 1, 2, 0, 1][:own]]
    image = image[..., 0] if own == 1 else image
    found = with_channels(image, channels)
    assert found.shape == (image.shape if own == channels else (*image.shape[:2], channels)[: 2 + (channels > 1)])
    assert found.dtype == np.uint8 and (found == with_channels(image, channels)).all()
    kept = min(own, channels)
    if channels > 1:
        first, own_first = (one.reshape(*image.shape[:2], -1)[..., :kept] for one in (found, image))
        assert (first == own_first).all()
    elif own == 3:
        assert (found == cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)).all()
    notes = channel_notes([image], channels)
    assert len(notes) == (channels > own and (own, channels) != (1, 3))
    for note in notes:
        assert f"{channels} channels" in note and f"have {own}" in note and "random" in note


@pytest.mark.parametrize("channels", (1, 2, 3, 4, 5))
@pytest.mark.parametrize("means", ("none", "one", "all"))
@pytest.mark.parametrize("to_rgb", (False, True))
def test_an_input_is_normalised_as_mmcv_does_it(channels, means, to_rgb):
    fallback.ensure()
    import mmcv

    image = np.random.RandomState(0).randint(0, 256, (16, 24, channels)).astype(np.uint8)
    image = image[..., 0] if channels == 1 else image
    number = {"none": 0, "one": 1, "all": channels}[means]
    norm = dict(mean=10.0 * np.arange(1, number + 1), std=3.0 * np.arange(1, number + 1), to_rgb=to_rgb)
    found = make_input([image], (16, 24), norm if number else None, channels)[0].numpy()
    expected = image.astype(np.float32)
    if number:
        try:
            expected = mmcv.imnormalize(image, norm["mean"], norm["std"], to_rgb)
        except cv2.error:  # it takes no such image
            assert channels in (2, 5)
            return
    expected = expected.reshape(16, 24, channels).transpose(2, 0, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def pipeline_of(color, *norm, **resize):
    """A detector's test pipeline that reads pictures in a way."""
    inner = [dict(type="Resize", keep_ratio=True), *norm, dict(type="Pad", size_divisor=32)]
    inner += [dict(type="ImageToTensor", keys=["img"]), dict(type="Collect", keys=["img"])]
    augmented = dict(type="MultiScaleFlipAug", img_scale=(256, 192), flip=False, transforms=inner)
    return [dict(type="LoadImageFromFile", color_type=color), augmented]


def normalize(*means):
    return dict(type="Normalize", mean=list(means), std=[50.0] * len(means), to_rgb=False)


DETECTORS = {
    "one": (RETINANET, 1, pipeline_of("grayscale")),
    "two, one mean": (RETINANET, 2, pipeline_of("unchanged", normalize(100.0))),
    "three, one mean": (FASTER, 3, pipeline_of("color", normalize(110.0))),
    "four": (FASTER, 4, pipeline_of("unchanged", normalize(100.0, 90.0, 110.0, 50.0))),
    "five, nothing": (RETINANET, 5, pipeline_of("unchanged")),
}


@pytest.mark.parametrize("name", once_if(lambda name: "one mean" in name, sorted(DETECTORS)))
def test_a_detector_of_any_channels_matches(tmp_path, name):
    config, channels, steps = DETECTORS[name]
    options = {"model.backbone.in_channels": channels, "data.test.pipeline": steps}
    settings = loading.LoadOptions(dynamic=True)
    task = load_small(config, tmp_path, options, dynamic=True)
    done = export_task(task, ExportSettings("x", None, str(tmp_path / "x.onnx"), settings, verify=True))
    assert done.ok and task.channels == channels
    counted = [result.matched for result in done.results if result.name.startswith("photograph")]
    assert len(counted) > 2 and min(counted) > 0
    (image, *_) = onnx.load(str(done.path)).graph.input
    assert image.type.tensor_type.shape.dim[1].dim_value == channels
    assert any("random numbers" in note for note in task.notes) == (channels > 3)


def test_focus_takes_three(tmp_path):
    task = load_small("mmdet::yolox/yolox_tiny_8x8_300e_coco.py", tmp_path, shape=(64, 64))
    assert task.channels == 3


CLASSIFIERS = {
    "one, no mean": (1, "grayscale", []),
    "three, one mean": (3, "color", [normalize(127.0)]),
    "four": (4, "unchanged", [normalize(100.0, 100.0, 100.0, 50.0)]),
    "five, no mean": (5, "unchanged", []),
}


def classifier(folder, channels, color, norm):
    """A small classifier's config."""
    steps = [dict(type="LoadImageFromFile", color_type=color), dict(type="Resize", size=(32, 32)), *norm]
    steps += [dict(type="ImageToTensor", keys=["img"]), dict(type="Collect", keys=["img"])]
    backbone = dict(type="ResNet_CIFAR", depth=18, in_channels=channels, base_channels=8, stem_channels=8)
    backbone.update(num_stages=4, out_indices=(3,), style="pytorch")
    head = dict(type="LinearClsHead", num_classes=5, in_channels=64)
    model = dict(type="ImageClassifier", backbone=backbone, neck=dict(type="GlobalAveragePooling"), head=head)
    path = folder / "classifier.py"
    path.write_text(f"model = {model}\ndata = dict(test=dict(pipeline={steps}))\n")
    return str(path)


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_a_classifier_of_any_channels_matches(tmp_path, name):
    channels = CLASSIFIERS[name][0]
    settings = loading.LoadOptions(dynamic=True)
    config = classifier(tmp_path, *CLASSIFIERS[name])
    done = export(ExportSettings(config, None, str(tmp_path / "x.onnx"), settings, verify=True))
    assert done.ok and done.task.channels == channels and len(done.results) > 4


@pytest.mark.parametrize("channels", (2, 4, 5))
def test_a_plain_model_of_any_channels_matches(tmp_path, monkeypatch, channels):
    text = f"""
from torch import nn
def make():
    return nn.Sequential(nn.Conv2d({channels}, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""
    (tmp_path / f"many_{channels}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = loading.LoadOptions(shape=(32, 32), dynamic=True)
    done = export(ExportSettings(f"many_{channels}:make", None, str(tmp_path / "x.onnx"), settings, verify=True))
    assert done.ok and done.task.channels == channels


@pytest.mark.parametrize("kind, channels", [("npy", 5), ("npy", 1), ("tif", 5), ("tif", 2), ("png", 4)])
@pytest.mark.parametrize("option", ("image", "test_image"))
def test_a_users_picture_is_taken_with_all_its_channels(tmp_path, kind, channels, option):
    path, image = picture_file(tmp_path, kind, channels, (120, 160), 1)
    config = classifier(tmp_path, channels, "unchanged", [])
    options = loading.LoadOptions(shape=(120, 160), image=path if option == "image" else None)
    settings = ExportSettings(config, None, str(tmp_path / "x.onnx"), options, verify=True, test_image=path)
    done = export(settings)
    assert done.ok
    expected = image.reshape(120, 160, channels).transpose(2, 0, 1)
    feed = done.task.preprocess([image], (120, 160))["input"][0].numpy()
    np.testing.assert_array_equal(feed, expected)
    if option == "image":
        np.testing.assert_array_equal(done.task.inputs["input"][0].numpy(), expected)
        assert not any("random numbers" in note for note in done.task.notes)


def test_a_users_picture_with_too_few_channels_gets_random_ones_and_it_is_said(tmp_path):
    path, image = picture_file(tmp_path, "png", 3, (120, 160), 1)
    config = classifier(tmp_path, 5, "unchanged", [])
    options = loading.LoadOptions(shape=(32, 32), image=path)
    done = export(ExportSettings(config, None, str(tmp_path / "x.onnx"), options, verify=True))
    assert done.ok and sum("have 3: the last 2 hold random numbers" in note for note in done.task.notes) == 1


@pytest.mark.parametrize("value", [np.zeros((3, 4, 5, 6), np.uint8), np.zeros((4, 4), np.complex64), np.zeros(0)])
def test_an_array_that_is_no_picture_is_refused(tmp_path, value):
    np.save(str(tmp_path / "x.npy"), value)
    config = small_config(RETINANET, tmp_path)
    with pytest.raises(InputError, match=r"x\.npy' is .*; expected uint8, uint16 or float32"):
        export(ExportSettings(config, None, str(tmp_path / "x.onnx"), test_image=str(tmp_path / "x.npy")))
