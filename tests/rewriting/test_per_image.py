"""Heads with post-processing of the user's own, made for one image at a time."""

import sys

import numpy as np
import pytest
from models import small_config

from mmonnx import loading, pipeline
from mmonnx.environment.surroundings import inference
from mmonnx.loading import LoadOptions
from mmonnx.loading.images import photographs
from mmonnx.loading.task import to_numpy
from mmonnx.pipeline import ExportSettings
from mmonnx.rewriting.rewrites import ExportContext, rewriting
from mmonnx.runtime.session import Session
from mmonnx.verifying.matching import match
from mmonnx.verifying.verification import make_cases, verify

HEADS = """
import torch
from mmcv.ops import batched_nms
from mmdet.core import multiclass_nms
from mmdet.models.builder import HEADS
from mmdet.models.dense_heads import RetinaHead, RPNHead


@HEADS.register_module(force=True)
class Old(RetinaHead):
    # in the style of mmdet before 2.18
    def _get_bboxes_single(self, cls_scores, bbox_preds, factors, priors, img_meta, cfg, rescale=False, *args, **kw):
        cfg = self.test_cfg if cfg is None else cfg
        boxes, scores = [], []
        for score, delta, prior in zip(cls_scores, bbox_preds, priors):
            score = score.permute(1, 2, 0).reshape(-1, self.cls_out_channels).sigmoid()
            delta = delta.permute(1, 2, 0).reshape(-1, 4)
            if 0 < cfg.nms_pre < score.shape[0]:
                _, top = score.max(1)[0].topk(cfg.nms_pre)
                score, delta, prior = score[top], delta[top], prior[top]
            boxes.append(self.bbox_coder.decode(prior, delta, max_shape=img_meta["img_shape"]))
            scores.append(score)
        scores = torch.cat(scores)
        scores = torch.cat([scores, scores.new_zeros(scores.shape[0], 1)], 1)
        return multiclass_nms(torch.cat(boxes), scores, cfg.score_thr, cfg.nms, cfg.max_per_img)


@HEADS.register_module(force=True)
class Loop(RetinaHead):
    # over images, and over classes
    def get_bboxes(self, cls_scores, bbox_preds, score_factors=None, img_metas=None, cfg=None, rescale=False, **kw):
        sizes = [score.shape[-2:] for score in cls_scores]
        anchors = torch.cat(self.prior_generator.grid_priors(sizes, device=cls_scores[0].device))
        results = []
        for number, meta in enumerate(img_metas):
            score = torch.cat([one[number].permute(1, 2, 0).reshape(-1, self.cls_out_channels) for one in cls_scores])
            delta = torch.cat([one[number].permute(1, 2, 0).reshape(-1, 4) for one in bbox_preds])
            boxes = self.bbox_coder.decode(anchors, delta, max_shape=meta["img_shape"])
            score, dets, labels = score.sigmoid(), [], []
            for label in range(self.num_classes):
                keep = score[:, label] > 0.3
                if not keep.any():
                    continue
                found, rows = batched_nms(boxes[keep], score[keep, label], torch.zeros_like(score[keep, 0]).long(),
                                          self.test_cfg.nms)
                dets.append(found)
                labels.append(torch.zeros_like(rows) + label)
            found = (torch.cat(dets), torch.cat(labels)) if dets else (boxes.new_zeros(0, 5), boxes.new_zeros(0))
            results.append(found)
        return results


@HEADS.register_module(force=True)
class Mean(RetinaHead):
    # a value of the whole image, then upstream's way
    def _get_bboxes_single(self, cls_score_list, *args, **kwargs):
        mean = torch.stack([score.mean() for score in cls_score_list]).mean()
        return super()._get_bboxes_single([score - mean for score in cls_score_list], *args, **kwargs)


@HEADS.register_module(force=True)
class After(RetinaHead):
    # what is left after the suppression of one image
    def _bbox_post_process(self, *args, **kwargs):
        dets, labels = super()._bbox_post_process(*args, **kwargs)
        keep = dets[:, 4] > dets[:, 4].mean()
        return dets[keep], labels[keep]


@HEADS.register_module(force=True)
class Each(RetinaHead):
    # right for all images together: nothing of it depends on the image
    def _get_bboxes_single(self, cls_score_list, *args, **kwargs):
        return super()._get_bboxes_single([score * 0.9 - 0.1 for score in cls_score_list], *args, **kwargs)


@HEADS.register_module(force=True)
class Proposals(RPNHead):
    def _get_bboxes_single(self, *args, **kwargs):
        dets = super()._get_bboxes_single(*args, **kwargs)
        return dets[dets[:, 4] > dets[:, 4].mean()]
"""
ONE_STAGE = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
TWO_STAGES = "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"
SHAPE = (128, 160)


@pytest.fixture
def config_of(tmp_path, monkeypatch):
    (tmp_path / "dense_heads_of_a_user.py").write_text(HEADS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "dense_heads_of_a_user", raising=False)

    def config(head):
        part, name = ("rpn_head", TWO_STAGES) if head == "Proposals" else ("bbox_head", ONE_STAGE)
        options = {
            "custom_imports": {"imports": ["dense_heads_of_a_user"], "allow_failed_imports": False},
            f"model.{part}.type": head,
            "model.test_cfg.nms_pre": 100,
        }
        return small_config(
            name, tmp_path, {**options, "model.bbox_head.num_classes": 3} if part[0] == "b" else options
        )

    return config


@pytest.mark.parametrize("head", ["Old", "Loop", "Mean", "After", "Proposals"])
def test_a_head_for_one_image_gives_pytorchs_detections_of_each_image_of_a_batch(head, config_of):
    task = loading.load(config_of(head), None, LoadOptions(shape=SHAPE, batch=2, dynamic=True))
    assert not task.dynamic_batch and task.dynamic_size
    assert any(f"{head}." in note and "one image at a time" in note and "batch of 2" in note for note in task.notes)
    pictures = photographs()
    for shape in (SHAPE, (96, 192)):
        feeds = task.preprocess([pictures[0], pictures[1][:, ::-1]], shape)
        expected = task.predict(feeds)
        with inference(task.module), rewriting(ExportContext(), module=task.module):
            outputs = task.module(*feeds.values())
        found = task.read(to_numpy(dict(zip(task.output_names, outputs))))
        for one, other in zip(expected, found):
            assert len(one.dets) > 10
            assert match(one, other, score_thr=0.0).ok, match(one, other, score_thr=0.0)
            assert (np.diff(other.dets[:, 4]) <= 0).all()
        assert not np.allclose(expected[0].dets[:10], expected[1].dets[:10], atol=1)


def test_a_head_that_is_right_for_all_images_together_keeps_a_dynamic_batch(config_of):
    task = loading.load(config_of("Each"), None, LoadOptions(shape=SHAPE, dynamic=True))
    assert task.dynamic_batch and not any("one image" in note for note in task.notes)


@pytest.mark.parametrize("head, batch", [("Old", 1), ("Mean", 2), ("After", 1), ("Each", 1)])
def test_the_file_of_such_a_head_holds_at_other_sizes(head, batch, config_of, tmp_path):
    load = LoadOptions(shape=SHAPE, batch=batch, dynamic=True)
    exported = pipeline.export(ExportSettings(config_of(head), None, str(tmp_path / "head.onnx"), load))
    task = exported.task
    results = verify(task, Session(exported.model).run, make_cases(task, None, task.shape, batch))
    assert all(result.ok for result in results), results
    assert sum(result.matched for result in results) > 100
