"""A test pipeline as data makes of an image, bit for bit, what the pipeline of mmdet or mmcls makes of it."""

import importlib
import json
from types import SimpleNamespace

import numpy as np
import pytest

from mmonnx import fallback
from mmonnx.runtime import pipeline
from mmonnx.runtime.transforms import from_config
from mmonnx.support.errors import InputError

NORM = {"type": "Normalize", "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "to_rgb": True}
CAFFE = {**NORM, "std": [1.0, 1.0, 1.0], "to_rgb": False}
SIZES = [(120, 200), (211, 97), (64, 64), (1, 9)]


def flip_aug(*transforms, **keywords):
    return [{"type": "MultiScaleFlipAug", "flip": False, "transforms": list(transforms), **keywords}]


CENTRED = {
    **{"type": "RandomCenterCropPad", "crop_size": None, "ratios": None, "border": None, "test_mode": True},
    **{"test_pad_mode": ["logical_or", 127], **{key: NORM[key] for key in ("mean", "std", "to_rgb")}},
}
ONE_MORE = {"test_pad_mode": ["logical_or", 31], "test_pad_add_pix": 1}
RATIO = {"type": "Resize", "keep_ratio": True}
DETECTION = {
    "two-stage": flip_aug(RATIO, NORM, {"type": "Pad", "size_divisor": 32}, img_scale=(133, 80)),
    "caffe": flip_aug(RATIO, {"type": "RandomFlip"}, CAFFE, {"type": "Pad", "size_divisor": 32}, img_scale=(133, 80)),
    "ssd": flip_aug({"type": "Resize", "keep_ratio": False}, CAFFE, img_scale=(100, 60)),
    "pillow": flip_aug({**RATIO, "backend": "pillow"}, NORM, img_scale=(133, 80)),
    "yolox": flip_aug(
        RATIO, {"type": "Pad", "pad_to_square": True, "pad_val": {"img": (114.0,) * 3}}, img_scale=(96, 96)
    ),
    "factor": flip_aug(RATIO, NORM, scale_factor=1.5),
    "cornernet": flip_aug({"type": "Resize"}, CENTRED, NORM, scale_factor=1.0),
    "centernet": flip_aug({"type": "Resize"}, {**CENTRED, **ONE_MORE, "to_rgb": False}, CAFFE, scale_factor=1.0),
    "centred": flip_aug(RATIO, {**CENTRED, "test_pad_mode": ["size_divisor", 32]}, NORM, img_scale=(133, 80)),
    "pad first": flip_aug(RATIO, {"type": "Pad", "size": (140, 140)}, NORM, img_scale=(133, 80)),
}
CLASSIFICATION = {
    "short": [{"type": "Resize", "size": (64, -1)}, {"type": "CenterCrop", "crop_size": 56}, NORM],
    "pillow": [{"type": "Resize", "size": (64, -1), "backend": "pillow", "interpolation": "bicubic"}, NORM],
    "exact": [{"type": "Resize", "size": 32}, NORM],
    "long": [{"type": "Resize", "size": (64, -1), "adaptive_side": "long", "interpolation": "area"}, NORM],
    "efficient": [
        {"type": "CenterCrop", "crop_size": 48, "efficientnet_style": True, "interpolation": "bicubic"},
        NORM,
    ],
}


def steps_of(transforms):
    """As a file keeps them."""
    return json.loads(json.dumps(from_config(transforms)))


def image_of(size):
    return np.random.RandomState(sum(size)).randint(0, 255, (*size, 3), np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", sorted(DETECTION))
def test_of_mmdet(name, size):
    fallback.ensure()
    from mmdet.datasets.pipelines import Compose

    image, transforms = image_of(size), DETECTION[name]
    if CENTRED["type"] in str(transforms):
        image = image.astype(np.float32)  # upstream insists on it
    collect = {"type": "Collect", "keys": ["img"], "meta_keys": ("img_shape", "scale_factor", "border")}
    collected = [{**transforms[0], "transforms": [*transforms[0]["transforms"], collect]}]
    data = {"img": image.copy(), "img_shape": image.shape, "ori_shape": image.shape, "img_fields": ["img"]}
    data["border"] = (0, 0, 0, 0)
    expected = Compose(collected)(data)
    prepared = pipeline.apply(steps_of(transforms), image)
    assert (prepared.image == expected["img"][0]).all() and prepared.feed.dtype == np.float32
    meta = expected["img_metas"][0].data
    assert prepared.shape == meta["img_shape"][:2] and prepared.original == size
    assert np.float32(prepared.scale * 2).tolist() == meta["scale_factor"].tolist()
    assert prepared.offset == (meta["border"][2], meta["border"][0])


@pytest.mark.parametrize("size", SIZES[:3])
@pytest.mark.parametrize("name", sorted(CLASSIFICATION))
def test_of_mmcls(name, size):
    fallback.ensure()
    from mmcls.datasets.pipelines import Compose

    image = image_of(size)
    expected = Compose(CLASSIFICATION[name])({"img": image.copy()})["img"]
    found = pipeline.apply(steps_of(CLASSIFICATION[name]), image)
    assert (found.image == expected).all()


@pytest.mark.parametrize("package, pipelines", [("mmdet", DETECTION), ("mmcls", CLASSIFICATION)])
def test_built_transforms_tell_what_their_config_tells(package, pipelines):
    fallback.ensure()
    compose = importlib.import_module(f"{package}.datasets.pipelines").Compose
    from mmonnx.integration.training.data import config_of_tests

    for name, transforms in pipelines.items():
        dataset = SimpleNamespace(pipeline=compose(transforms))
        hook = SimpleNamespace(dataloader=SimpleNamespace(dataset=SimpleNamespace(datasets=[dataset])))
        found = config_of_tests(SimpleNamespace(hooks=[object(), hook]))
        assert close(steps_of(found.data.test.pipeline), steps_of(transforms)), name


def close(one, other):
    """Whether steps are the same: what is built keeps means in single precision."""
    numbers = [[step.pop(key) for step in steps for key in ("mean", "std") if key in step] for steps in (one, other)]
    return one == other and np.array_equal(*np.float32(numbers))


def test_what_cannot_be_applied_is_said():
    steps = steps_of(flip_aug({"type": "RandomCenterCropPad"}, NORM, scale_factor=1.0, flip=True))
    assert [step["what"] for step in steps if step["type"] == "left out"] == ["flipped images"]
    with pytest.raises(InputError, match="RandomCenterCropPad"):
        pipeline.check(steps, "'x.onnx'")


def test_an_image_far_too_long_is_refused_before_memory_is_gone():
    steps = steps_of(flip_aug(RATIO, NORM, scale_factor=9000.0))
    with pytest.raises(InputError, match="would become"):
        pipeline.apply(steps, image_of((10, 10)))


@pytest.mark.parametrize("name", sorted(DETECTION))
def test_for_a_file_of_one_size(name):
    steps = pipeline.for_fixed_size(steps_of(DETECTION[name]), (96, 160))
    for size in SIZES[:3]:
        prepared = pipeline.apply(steps, image_of(size))
        assert prepared.shape[0] <= 96 and prepared.shape[1] <= 160
        assert 96 in prepared.shape or 160 in prepared.shape or name == "ssd"


@pytest.mark.parametrize("shape", [(1, 1, 3), (37, 53, 3), (64, 48), (20, 30, 1), (20, 30, 6)])
@pytest.mark.parametrize("more", [{}, {"divided": True}, {"unit": True}, {"unit": True, "divided": True}])
def test_bytes_are_normalized_as_floats_are(shape, more):
    channels = shape[2] if len(shape) == 3 else 1
    random_state = np.random.RandomState(0)
    mean, std = random_state.uniform(0, 255, channels).tolist(), random_state.uniform(0.1, 70, channels).tolist()
    step = {"type": "normalize", "mean": mean, "std": std, "to_rgb": True, **more}
    image = random_state.randint(0, 256, shape).astype(np.uint8)
    fast, slow = (pipeline.apply([step], one).image for one in (image, image.astype(np.float32)))
    assert fast.dtype == slow.dtype == np.float32 and fast.shape == slow.shape and (fast == slow).all()


@pytest.mark.parametrize(
    "steps, most",
    [
        ([{"type": "resize", "rule": "within", "size": [800, 1333]}, {"type": "pad", "divisor": 32}], 800 * 1344),
        ([{"type": "resize", "rule": "within", "size": [800, 1333], "least": 64}], None),
        ([{"type": "resize", "rule": "short", "size": [256]}], None),
        ([{"type": "resize", "rule": "short", "size": [256]}, {"type": "crop", "size": [224, 200]}], 224 * 200),
        ([{"type": "resize", "rule": "exact", "size": [64, 96]}, {"type": "normalize"}], 64 * 96),
        ([{"type": "resize", "rule": "exact", "size": [64, 96]}, {"type": "pad", "square": True}], 96 * 96),
        ([{"type": "pad", "divisor": 32}], None),
        ([{"type": "pad", "size": [64, 64]}], 64 * 64),
        ([{"type": "line", "height": 32, "most": 100}], 3200),
        ([{"type": "line", "height": 32, "most": None}], None),
        ([{"type": "crop", "size": [8, 8]}, {"type": "align", "size": [64, 64]}], None),
        ([{"type": "person", "size": [256, 192]}], None),
        ([], None),
    ],
)
def test_the_most_that_any_picture_becomes(steps, most):
    assert pipeline.most_pixels(steps) == most
