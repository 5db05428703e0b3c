"""What a config asks for beside the model: augmentation when it is tested, and half precision when it is trained."""

import copy
import io

import pytest
import torch
from models import SHAPE, case, once_if, run_known, small_config

from mmonnx import loading
from mmonnx.loading.images import photographs
from mmonnx.pipeline import ExportSettings, export
from mmonnx.runtime.session import Session
from mmonnx.terminal.report import Report
from mmonnx.verifying.verification import verify

pytestmark = pytest.mark.once

RETINANET = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
FASTER = "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"
MASK = "mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py"
CONVNEXT = "mmcls::convnext/convnext-tiny_32xb128_in1k.py"
MOBILENET = "mmcls::mobilenet_v2/mobilenet-v2_8xb32_in1k.py"
AUGMENTED = {
    "flipped": (dict(flip=True), "flipped copies"),
    "two scales": (dict(img_scale=[(256, 192), (320, 224)]), "2 scales"),
    "both, two directions": (
        dict(img_scale=[(256, 192), (320, 224), (64, 64)], flip=True, flip_direction=["horizontal", "vertical"]),
        "3 scales, flipped copies",
    ),
    "factors": (dict(img_scale=None, scale_factor=[0.5, 1.0]), "2 scales"),
}
"""Settings of the step of the test pipeline, and what is said of them."""


def told_of(config, folder, checkpoint=None, **load):
    told = io.StringIO()
    path = str(folder / "made.onnx")
    options = loading.LoadOptions(**{"shape": SHAPE, "dynamic": True, **load})
    return export(ExportSettings(config, checkpoint, path, options, verify=True), Report(told)), told.getvalue()


def agrees(found):
    """Whether the file gives PyTorch's answers for a size and a batch that it was not traced on, of which are some."""
    unseen = case(found.task, (256, 224), photographs()[1:4])
    (result,) = verify(found.task, run_known(Session(found.model)), [unseen])
    return result.ok and result.total >= 3


@pytest.mark.parametrize("name", once_if({"flipped", "factors"}.__contains__, AUGMENTED))
def test_augmentation_is_said_once_and_one_pass_is_exported(tmp_path, name):
    changed, told = AUGMENTED[name]
    plain = small_config(RETINANET, tmp_path)
    before = loading.load(plain, None, loading.LoadOptions(shape=SHAPE, dynamic=True))
    prefix = "data.test.pipeline.1."
    config = small_config(RETINANET, tmp_path, {f"{prefix}{key}": value for key, value in changed.items()})
    found, text = told_of(config, tmp_path)
    assert text.count(f"the config asks for test-time augmentation ({told})") == 1
    assert found.ok and agrees(found)
    feeds = found.task.preprocess(photographs()[:2], (224, 256))
    for one, other in zip(before.predict(feeds), found.task.predict(feeds)):
        assert len(one.dets) and (one.dets == other.dets).all() and (one.labels == other.labels).all()


@pytest.mark.parametrize(
    "changed, count",
    [({}, 0), ({"data.test.pipeline.1.img_scale": [(256, 192)]}, 0), ({"tta_model": {"type": "DetTTAModel"}}, 0)],
    ids=["none", "a list of one", "a model of its own"],
)
def test_only_what_is_asked_for_is_said(tmp_path, changed, count):
    task = loading.load(small_config(RETINANET, tmp_path, changed), None, loading.LoadOptions(shape=SHAPE))
    assert sum("test-time augmentation" in note for note in task.notes) == count


def rounded(model):
    """Weights that half precision holds as they are."""
    model = copy.deepcopy(model)
    for value in (*model.parameters(), *model.buffers()):
        if value.is_floating_point():
            value.data.copy_(value.data.half().float())
    return model


@pytest.mark.parametrize(
    "name, scale",
    [
        (RETINANET, 512.0),
        pytest.param(FASTER, "dynamic", marks=(pytest.mark.once, pytest.mark.long)),
        pytest.param(MASK, 512.0, marks=(pytest.mark.once, pytest.mark.long)),
        (CONVNEXT, "dynamic"),
        (MOBILENET, 512.0),
    ],
)
def test_a_training_in_half_precision_gives_a_file_in_single(tmp_path, name, scale):
    options = {"fp16": dict(loss_scale=scale)}
    if name.startswith("mmcls"):
        load = dict(shape=(64, 64), dynamic=True)
        if "convnext" in name:
            options["model.backbone.arch"] = {"_delete_": True, "depths": [1, 1, 1, 1], "channels": [8, 16, 24, 32]}
            options["model.head.in_channels"] = 32
    else:
        load = dict(shape=SHAPE, dynamic=True)
    config = small_config(name, tmp_path, options)
    task = loading.load(config, None, loading.LoadOptions(**load))
    model = rounded(task.module.model)
    path = str(tmp_path / "half.pth")
    half = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    torch.save({"meta": {}, "state_dict": half}, path)
    found, text = told_of(config, tmp_path, path, **load)
    assert found.ok and "warning" not in text and agrees(found)
    own = found.task.module.model
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in own.state_dict().items())
    assert not any(value.dtype == torch.float16 for value in own.state_dict().values())
    types = {value.data_type for value in found.model.graph.initializer}
    assert 1 in types and 10 not in types  # float32, and no float16
