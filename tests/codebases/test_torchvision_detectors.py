"""torchvision's detectors, which take a list of images and give a dict for each."""

import numpy as np
import pytest

from mmonnx import loading
from mmonnx.pipeline import ExportSettings, export
from mmonnx.runtime.results import Detections
from mmonnx.support.errors import InputError

MINE = """
from torchvision.models import detection
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead


def make(kind, **more):
    return kind(
        resnet_fpn_backbone(backbone_name="resnet18", weights=None),
        box_head=TwoMLPHead(256 * 7 * 7, 64),
        box_predictor=FastRCNNPredictor(64, 3),
        min_size=160,
        max_size=240,
        rpn_post_nms_top_n_test=200,
        box_detections_per_img=20,
        **more,
    )


def boxes():
    return make(detection.FasterRCNN)


def masks():
    head = detection.mask_rcnn.MaskRCNNHeads(256, [32], 1)
    return make(detection.MaskRCNN, mask_head=head, mask_predictor=detection.mask_rcnn.MaskRCNNPredictor(32, 32, 3))


def points():
    head = detection.keypoint_rcnn.KeypointRCNNHeads(256, [32])
    last = detection.keypoint_rcnn.KeypointRCNNPredictor(32, 3)
    return make(detection.KeypointRCNN, keypoint_head=head, keypoint_predictor=last)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    detection = pytest.importorskip("torchvision.models.detection")
    if not hasattr(detection, "FasterRCNN_ResNet50_FPN_Weights"):
        pytest.skip("this torchvision's backbones take no weights=None")
    (tmp_path / "my_detectors.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "more"),
    [pytest.param("boxes", set(), marks=pytest.mark.once), ("masks", {"masks"}), ("points", {"keypoints"})],
)
def test_they_give_pytorchs_detections_at_sizes_that_the_trace_has_not_seen(mine, name, more):
    load = loading.LoadOptions(shape=(128, 192), dynamic=True)
    done = export(ExportSettings(f"my_detectors:{name}", None, f"{name}.onnx", load=load, verify=True))
    assert done.ok and {"boxes", "scores", "labels", *more} <= set(done.task.output_names)
    kinds = [result.name.split()[0].rstrip(",") for result in done.results]
    assert kinds[:4] == ["photograph", "photograph", "dark", "inside"] and "driven" in kinds
    assert all(result.total >= 10 for result in done.results[:2])
    assert done.task.notes[:1] == ["the batch is 1: the model takes a list of images"]


def test_key_points_are_of_each_detection(mine):
    task = loading.load("my_detectors:points", None, loading.LoadOptions(shape=(128, 192)))
    (found,) = task.predict(task.inputs)
    assert isinstance(found, Detections) and len(found.dets) >= 10
    assert found.more["keypoints"].shape == (len(found.dets), 3, 3)
    assert found.more["keypoints_scores"].shape == (len(found.dets), 3)
    assert len(np.unique(found.more["keypoints"][..., :2])) > 10


@pytest.mark.parametrize("load", [dict(batch=2), dict(output_names=["a", "b", "c"])])
def test_a_batch_and_names_are_refused(mine, load):
    with pytest.raises(InputError, match="takes a list of images"):
        loading.load("my_detectors:boxes", None, loading.LoadOptions(shape=(128, 192), **load))
