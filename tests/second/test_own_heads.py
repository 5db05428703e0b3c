"""Heads of mmdet 3 with post-processing of the user's own, made for one image at a time."""

import sys

import numpy as np
import pytest
from models import small_config

pytest.importorskip("mmdet.registry")

from mmonnx import loading, pipeline
from mmonnx.environment.surroundings import inference
from mmonnx.loading import LoadOptions
from mmonnx.loading.images import photographs
from mmonnx.loading.task import to_numpy
from mmonnx.pipeline import ExportSettings
from mmonnx.rewriting.rewrites import ExportContext, rewriting
from mmonnx.runtime.session import Session
from mmonnx.support.errors import ExportError
from mmonnx.verifying.matching import match
from mmonnx.verifying.verification import make_cases, verify

HEADS = """
import torch
from mmdet.models.dense_heads import RetinaHead, RPNHead
from mmdet.models.detectors import RetinaNet
from mmdet.registry import MODELS
from mmengine.structures import InstanceData


@MODELS.register_module(force=True)
class Mean(RetinaHead):
    # a value of the whole image, then upstream's way
    def _predict_by_feat_single(self, cls_score_list, *args, **kwargs):
        mean = torch.stack([score.mean() for score in cls_score_list]).mean()
        return super()._predict_by_feat_single([score - mean for score in cls_score_list], *args, **kwargs)


@MODELS.register_module(force=True)
class After(RetinaHead):
    # what is left after the suppression of one image
    def _bbox_post_process(self, *args, **kwargs):
        found = super()._bbox_post_process(*args, **kwargs)
        return found[found.scores > found.scores.mean()]


@MODELS.register_module(force=True)
class Whole(RetinaHead):
    # all of a head's work, with more in its instances
    def predict(self, x, batch_data_samples, rescale=False):
        results = super().predict(x, batch_data_samples, rescale=rescale)
        for found in results:
            found.scores = found.scores / found.scores.sum()
            found.doubled = found.scores * 2
        return results


@MODELS.register_module(force=True)
class Each(RetinaHead):
    # right for all images together: nothing of it depends on the image
    def _predict_by_feat_single(self, cls_score_list, *args, **kwargs):
        return super()._predict_by_feat_single([score * 0.9 - 0.1 for score in cls_score_list], *args, **kwargs)


@MODELS.register_module(force=True)
class Proposals(RPNHead):
    def _predict_by_feat_single(self, *args, **kwargs):
        found = super()._predict_by_feat_single(*args, **kwargs)
        return found[found.scores > found.scores.mean()]


@MODELS.register_module(force=True)
class Several(RetinaNet):
    # as Co-DETR: the head that answers has another name, and test_cfg is a list with a part for each head
    def __init__(self, test_cfg, **kwargs):
        super().__init__(test_cfg=test_cfg, **kwargs)
        self.query_head, self.test_cfg = self.bbox_head, [test_cfg, None]
        del self.bbox_head

    def predict(self, batch_inputs, batch_data_samples, rescale=True):
        results = self.query_head.predict(self.extract_feat(batch_inputs), batch_data_samples, rescale=rescale)
        return self.add_pred_to_datasample(batch_data_samples, results)


@MODELS.register_module(force=True)
class Alone(RetinaNet):
    # boxes of no step that all heads share
    def predict(self, batch_inputs, batch_data_samples, rescale=True):
        scores = self.extract_feat(batch_inputs)[0].sigmoid().flatten(1)
        results = []
        for one in scores:
            best, place = one.topk(20)
            boxes = torch.stack([place, place, place + 8, place + 8], 1).float()
            results.append(InstanceData(bboxes=boxes, scores=best, labels=place % 3))
        return self.add_pred_to_datasample(batch_data_samples, results)
"""
ONE_STAGE = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
TWO_STAGES = "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"
SHAPE = (96, 160)
DETECTORS = ("Several", "Alone")


@pytest.fixture
def config_of(tmp_path, monkeypatch):
    (tmp_path / "dense_heads_of_a_user_of_second.py").write_text(HEADS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "dense_heads_of_a_user_of_second", raising=False)

    def config(head):
        part, name = ("rpn_head", TWO_STAGES) if head == "Proposals" else ("bbox_head", ONE_STAGE)
        options = {
            "custom_imports": {"imports": ["dense_heads_of_a_user_of_second"], "allow_failed_imports": False},
            f"model.{part}.type": "Mean" if head in DETECTORS else head,
        }
        if head in DETECTORS:
            options["model.type"] = head
        few = {"model.bbox_head.num_classes": 3, "model.test_cfg.nms_pre": 100} if part == "bbox_head" else {}
        return small_config(name, tmp_path, {**options, **few})

    return config


@pytest.mark.parametrize("head", ["Mean", "After", "Whole", "Proposals", "Several"])
def test_a_head_for_one_image_gives_pytorchs_detections_of_each_image_of_a_batch(head, config_of):
    task = loading.load(config_of(head), None, LoadOptions(shape=SHAPE, batch=2, dynamic=True))
    assert not task.dynamic_batch and task.dynamic_size
    owner = "Mean" if head == "Several" else head
    assert task.max_per_img == 100 and task.score_thr == 0.05
    assert any(f"{owner}." in note and "one image at a time" in note and "batch of 2" in note for note in task.notes)
    pictures = photographs()
    feeds = task.preprocess([pictures[0], pictures[1][:, ::-1]], (128, 96))
    expected = task.predict(feeds)
    with inference(task.module), rewriting(ExportContext(), module=task.module):
        outputs = task.module(*feeds.values())
    found = task.read(to_numpy(dict(zip(task.output_names, outputs))))
    for one, other in zip(expected, found):
        assert len(one.dets) > 5
        assert match(one, other, score_thr=0.0).ok, match(one, other, score_thr=0.0)
        assert (np.diff(other.dets[:, 4]) <= 0).all()
    assert not np.allclose(expected[0].dets[:5], expected[1].dets[:5], atol=1)


def test_a_head_that_is_right_for_all_images_together_keeps_a_dynamic_batch(config_of):
    task = loading.load(config_of("Each"), None, LoadOptions(shape=SHAPE, dynamic=True))
    assert task.dynamic_batch and not any("one image" in note for note in task.notes)


def test_the_file_of_such_a_head_holds_at_other_sizes(config_of, tmp_path):
    load = LoadOptions(shape=SHAPE, batch=2, dynamic=True)
    exported = pipeline.export(ExportSettings(config_of("Mean"), None, str(tmp_path / "head.onnx"), load))
    task = exported.task
    results = verify(task, Session(exported.model).run, make_cases(task, None, task.shape, 2))
    assert all(result.ok for result in results), results
    assert sum(result.matched for result in results) > 50


def test_a_detector_whose_answers_are_from_code_of_its_own_is_told_of(config_of, tmp_path):
    settings = ExportSettings(config_of("Alone"), None, str(tmp_path / "x.onnx"), LoadOptions(shape=SHAPE))
    with pytest.raises(ExportError, match=r"Alone \(dense_heads_of_a_user_of_second\) has its answers from code"):
        pipeline.export(settings)
    assert not (tmp_path / "x.onnx").exists()
