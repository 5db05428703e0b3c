"""The export hook in trainings on pictures that have not three channels."""

import cv2
import onnx
import pytest
from models import once_if
from trainings import check_upstreams_answer, make_data, read_config, train

from mmonnx import loading
from mmonnx.runtime import open_model
from mmonnx.runtime.session import Session
from mmonnx.verifying.matching import match

pytestmark = pytest.mark.once

SHAPES = {"classifier": (64, 64), "detector": (96, 128)}
MEANS = [100.0, 110.0, 120.0, 200.0]
READ = {1: "grayscale", 4: "unchanged"}
CASES = [(kind, channels) for kind in SHAPES for channels in READ]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A few digits whose pictures have a fourth channel; read as grey they have one."""
    folder = make_data(tmp_path_factory.mktemp("data"))
    for path in folder.rglob("*.png"):
        picture = cv2.imread(str(path))
        cv2.imwrite(str(path), cv2.merge([*cv2.split(picture), picture.min(axis=2)]))
    return folder


def options_of(kind, channels):
    """What the digit configs need for that many channels: the model, and how a picture is read and normalized."""
    steps = {
        "classifier": {"train": ("0", "2"), "val": ("0", "3"), "test": ("0", "3")},
        "detector": {"train": ("0", "5"), "val": ("0", "1.transforms.2"), "test": ("0", "1.transforms.2")},
    }
    norm = dict(mean=MEANS[:channels], std=[50.0] * channels, to_rgb=False)
    found = {}
    for part, (load, normalize) in steps[kind].items():
        found[f"data.{part}.pipeline.{load}.color_type"] = READ[channels]
        found.update({f"data.{part}.pipeline.{normalize}.{key}": value for key, value in norm.items()})
    if kind == "detector":
        # upstream distorts the colours of three channels alone
        found.update({"data.train.pipeline.4.type": "RandomFlip", "data.train.pipeline.4.flip_ratio": 0.0})
        return {**found, "model.backbone.in_channels": channels}
    found["model.backbone"] = dict(
        type="ResNet", depth=18, stem_channels=16, base_channels=16, in_channels=channels, _delete_=True
    )
    return {**found, "model.head.in_channels": 128}


@pytest.mark.parametrize(("kind", "channels"), once_if([("classifier", 4), ("detector", 1)].__contains__, CASES))
def test_every_epochs_file_takes_the_channels_of_the_training(data, tmp_path, kind, channels):
    shape = SHAPES[kind]
    hook = dict(type="ONNXExportHook", shape=shape, strict=True)
    found = train(kind, data, tmp_path / "run", [hook], options_of(kind, channels), validate=True)
    assert found.files == ["epoch_1.onnx", "epoch_2.onnx"]
    assert all(line["onnx_verified"].endswith("cases agree") for line in found.exports)
    path = str(found.folder / "epoch_2.onnx")
    dims = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["batch", channels, "height", "width"]

    config = tmp_path / "config.py"
    cfg = read_config(kind, data, options_of(kind, channels))
    cfg.dump(str(config))
    load = loading.LoadOptions(shape=shape, trust_checkpoint=True)
    task = loading.load(str(config), str(found.folder / "epoch_2.pth"), load)
    feeds = {name: value.numpy() for name, value in task.inputs.items()}
    actual, expected = task.read(Session(path).run(feeds))[0], task.predict(task.inputs)[0]
    assert match(expected, actual, score_thr=0.05).ok
    model, runtime = task.module.model, open_model(path)
    model.cfg, model.CLASSES = cfg, runtime.classes
    for picture in sorted(map(str, (data / "detection" / "train").glob("*.png")))[:2]:
        check_upstreams_answer(kind, model, runtime, picture)
