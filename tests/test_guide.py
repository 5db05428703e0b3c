"""The guide's two examples, as they are: full models, random weights, every case of the main job."""

import numpy as np
import onnx
import pytest
from models import first_config

from mmonnx import loading
from mmonnx.loading.images import photographs
from mmonnx.pipeline import ExportSettings, export
from mmonnx.runtime.session import Session
from mmonnx.verifying.cases import darkness
from mmonnx.verifying.verification import Case, verify

FASTER_RCNN = "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"
MOBILENET = "mmcls::mobilenet_v2/mobilenet-v2_8xb32_in1k.py"
OLD_MOBILENET = "mmcls::mobilenet_v2/mobilenet_v2_b32x8_imagenet.py"


def test_mobilenet_v2(tmp_path):
    options = loading.LoadOptions(dynamic=True)
    file = tmp_path / "mobilenet_v2.onnx"
    name = first_config(MOBILENET, OLD_MOBILENET)
    found = export(ExportSettings(name, output_file=str(file), load=options, simplify=True, verify=True))
    assert found.ok and all(result.ok for result in found.results)
    names = [result.name for result in found.results]
    assert "photograph 128x192 batch 2" in names and "dark 224x224" in names


@pytest.fixture(scope="module")
def faster_rcnn(tmp_path_factory):
    """The task and a session of the simplified file."""
    file = str(tmp_path_factory.mktemp("guide") / "faster_rcnn.onnx")
    options = loading.LoadOptions(dynamic=True)
    found = export(ExportSettings(FASTER_RCNN, output_file=file, load=options, simplify=True))
    onnx.checker.check_model(file)
    return found.task, Session(file)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("shape", [pytest.param((800, 1216), marks=pytest.mark.once), (320, 480), (64, 64)])
@pytest.mark.parametrize("kind", ["photograph", "dark"])
def test_faster_rcnn(faster_rcnn, kind, shape, batch):
    if kind == "dark" and shape[0] > 320 and batch > 1:
        pytest.skip("one large dark image is enough")
    task, session = faster_rcnn
    pictures = photographs()[:batch] if kind == "photograph" else [darkness(shape)] * batch
    case = Case(f"{kind} {shape} {batch}", task.preprocess(pictures, shape), [np.zeros((*shape, 3), np.uint8)] * batch)
    (result,) = verify(task, session.run, [case])
    assert result.ok, result.problems
    if kind == "photograph" and shape != (64, 64):
        assert result.matched >= 100 * batch and result.max_box < 0.01 and result.max_score < 1e-4
