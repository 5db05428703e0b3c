"""What an evaluation does with boxes, metrics and figures, without a model."""

from types import SimpleNamespace

import numpy as np
import pytest
from mmcv import Config

from mmonnx.codebases import mmcls, mmdet
from mmonnx.evaluation import pictures, scoring
from mmonnx.exporting import describe
from mmonnx.loading import LoadOptions

MMDET, MMCLS = mmdet.CODEBASE.evaluator(), mmcls.CODEBASE.evaluator()


def test_options_are_the_configs_and_then_those_that_are_asked_for():
    config = Config(dict(evaluation=dict(interval=2, save_best="auto", metric="bbox", classwise=True)))
    assert scoring.evaluation_options(MMDET, config, {"iou_thrs": [0.5]}) == {"classwise": True, "iou_thrs": [0.5]}
    config = Config(dict(evaluation=dict(interval=1, metric="accuracy", metric_options=dict(topk=(1, 5)))))
    assert scoring.evaluation_options(MMCLS, config, {}) == {"metric_options": {"topk": (1, 5)}}
    # a list from the command line is a tuple to mmcls
    assert scoring.evaluation_options(MMCLS, config, {"topk": [1, 2]}) == {"metric_options": {"topk": (1, 2)}}
    assert scoring.evaluation_options(MMCLS, Config({}), {}) == {}


def test_a_row_has_both_figures_and_their_difference():
    ours = {"mAP": np.float64(0.5), "f1": np.array([1.0, 2.0]), "copypaste": "0.5 0.5", "equal": 1}
    theirs = {"mAP": 0.75, "f1": np.array([1.0, 3.0]), "copypaste": "0.7 0.7", "equal": 1, "missing": 2.0}
    assert scoring.rows(ours, theirs) == [
        ["mAP", "0.5000", "0.7500", "-0.2500"],
        ["f1", "1.0000, 2.0000", "1.0000, 3.0000", "-"],
        ["equal", "1.0000", "1.0000", "0"],
        ["missing", "-", "2.0000", "-"],
    ]
    assert scoring.rows({"mAP": 0.5}, None) == [["mAP", "0.5000"]]


@pytest.mark.parametrize(
    "name, path",
    [
        ("n01/a.JPEG", "n01/a.JPEG"),
        ("/data/val/a.png", "data/val/a.png"),
        ("../../a.png", "a.png"),
        ("a.webp", "a.webp.png"),
    ],
)
def test_a_drawing_lies_in_its_folder_whatever_the_picture_is_called(tmp_path, name, path):
    assert pictures.place(str(tmp_path), {"ori_filename": name, "filename": name}) == tmp_path / path


def test_a_file_of_a_model_without_rois_says_that_its_masks_lie_in_the_image():
    asked = LoadOptions(mask_output="roi")
    for model, expected in ((SimpleNamespace(roi_head=None), "roi"), (SimpleNamespace(), "image")):
        assert describe._mask_output(SimpleNamespace(module=SimpleNamespace(model=model)), asked) == expected
