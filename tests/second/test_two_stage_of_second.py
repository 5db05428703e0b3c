"""Two-stage detectors of mmdet 3: batches of all images at once against upstream's own inference."""

import importlib

import numpy as np
import pytest
import torch
from models import load_small, small_config

pytest.importorskip("mmdet.registry")

from rewriting.bodies import every_opset, export, run

from mmonnx import fallback, loading
from mmonnx.codebases.mmdet.generations import Second
from mmonnx.environment import compat, ties_by_index
from mmonnx.environment.surroundings import inference
from mmonnx.loading import LoadOptions
from mmonnx.loading.images import photographs
from mmonnx.loading.task import to_numpy
from mmonnx.rewriting.rewrites import ExportContext, rewriting
from mmonnx.rewriting.symbolics import set_nms
from mmonnx.verifying.matching import match

FEW = {"model.test_cfg.rpn.nms_pre": 100, "model.test_cfg.rpn.max_per_img": 40, "model.test_cfg.rcnn.max_per_img": 12}
WIDTHS = [16, 32, 64, 128]
ROIS = {"model.test_cfg.rcnn.max_per_img": 12}
QUERIES = {"model.rpn_head.num_proposals": 12, **ROIS}  # as many: upstream fails on fewer detections
MODELS = {
    "ms_rcnn/ms-rcnn_r50_fpn_1x_coco.py": FEW,
    "point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py": FEW,
    "queryinst/queryinst_r50_fpn_1x_coco.py": QUERIES,
    "crowddet/crowddet-rcnn_refine_r50_fpn_8xb2-30e_crowdhuman.py": FEW,
    "cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco.py": FEW,
    "fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py": ROIS,
}
SEMI = "mmdet::soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py"


def answers(task, shape):
    """What PyTorch finds in two pictures, and what the traced module finds in a batch of both."""
    pictures = photographs()
    feeds = task.preprocess([pictures[0], pictures[1][:, ::-1]], shape)
    expected = task.predict(feeds)
    with inference(task.module), rewriting(ExportContext(), module=task.module):
        outputs = task.module(*feeds.values())
    assert len(outputs) == len(task.output_names)
    return expected, task.read(to_numpy(dict(zip(task.output_names, outputs))))


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_gives_what_upstream_finds_in_each_image(name, tmp_path):
    task = load_small(f"mmdet::{name}", tmp_path, MODELS[name], shape=(96, 160))
    for shape in ((96, 160), (128, 96)):
        expected, found = answers(task, shape)
        assert len(expected) == len(found) == 2
        assert sum(len(one.dets) for one in expected) >= 12
        for one, other in zip(expected, found):
            result = match(one, other, score_thr=task.score_thr, limit=task.max_per_img)
            assert result.ok and result.matched == result.total, result
        assert not np.allclose(expected[0].dets[:5], expected[1].dets[:5], atol=1)


def test_a_cascade_gives_the_masks_of_its_regions(tmp_path):
    name = "mmdet::cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py"
    task = load_small(name, tmp_path, FEW, shape=(96, 160), mask_output="roi")
    for one, other in zip(*answers(task, (96, 160))):
        assert one.masks.shape == other.masks.shape == (len(one.dets), 28, 28)
        assert one.masks.dtype == np.float32 and one.masks.min() > 0 and np.ptp(one.masks) > 0.1
        result = match(one, other, score_thr=task.score_thr, limit=task.max_per_img)
        assert result.ok and result.max_mask < 1e-4, result


def test_without_post_processing_the_proposal_network_answers(tmp_path):
    name = "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"
    task = load_small(name, tmp_path, FEW, shape=(96, 160), skip_postprocess=True)
    feeds = task.preprocess(photographs()[:1], (64, 128))
    (expected,) = task.predict(feeds)
    with inference(task.module), rewriting(ExportContext(), module=task.module):
        outputs = task.module(feeds["input"])
    assert len(outputs) == len(expected.values) == 10  # scores and deltas of five levels
    for value, name in zip(outputs, task.output_names):
        torch.testing.assert_close(value, torch.as_tensor(expected.values[name]), atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def semi_supervised(tmp_path_factory):
    few = {key.replace("model.", "model.detector."): value for key, value in FEW.items()}
    small = {"depth": 18, "base_channels": 16, "init_cfg": None, "norm_cfg": dict(type="BN")}
    few.update({f"model.detector.backbone.{key}": value for key, value in small.items()})
    return small_config(SEMI, tmp_path_factory.mktemp("semi"), {**few, "model.detector.neck.in_channels": WIDTHS})


def test_a_semi_supervised_detector_answers_as_its_teacher(semi_supervised):
    task = loading.load(semi_supervised, None, LoadOptions(shape=(96, 160)))
    assert type(task.module.model).__name__ == "FasterRCNN"
    black = task.preprocess([np.zeros((32, 32, 3), np.uint8)], (32, 32))["input"]
    assert [round(float(value)) for value in black[0, :, 0, 0]] == [-104, -116, -124]
    for one, other in zip(*answers(task, (96, 160))):
        result = match(one, other, score_thr=task.score_thr, limit=task.max_per_img)
        assert len(one.dets) and result.ok, result


@pytest.mark.parametrize("name", ["teacher", "student"])
def test_the_part_that_answers_is_the_one_that_is_exported(name, semi_supervised):
    config = compat.config_type().fromfile(semi_supervised)
    config.model.semi_test_cfg.predict_on = name
    model = Second().build(config)
    assert Second().detector(model) is getattr(model, name)
    assert Second().detector(model.teacher) is model.teacher


CROWDED = dict(score_thr=0.3, nms=dict(type="nms", iou_threshold=0.5), max_per_img=500)


def crowd(images, rois, seed=0):
    """RoIs (images * rois, 5) in bunches, and what a head of two instances says of them."""
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(images * rois, 2, generator=generator) * 12 + torch.randint(0, 2, (images * rois, 1)) * 30
    size = torch.rand(images * rois, 2, generator=generator) * 8 + 16
    number = torch.arange(images).repeat_interleave(rois)[:, None].float()
    scores = torch.randn(images * rois, 4, generator=generator)
    deltas = torch.randn(images * rois, 8, generator=generator) * 0.3
    return torch.cat([number, low, low + size], 1), scores, deltas


@pytest.fixture(scope="module")
def head_of_sets():
    fallback.ensure()
    importlib.import_module("mmdet.models")
    from mmdet.registry import MODELS

    coder = dict(type="DeltaXYWHBBoxCoder", target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2])
    widths = dict(in_channels=4, fc_out_channels=8, roi_feat_size=2, num_shared_fcs=1)
    head = dict(type="mmdet.MultiInstanceBBoxHead", num_instance=2, with_refine=False, num_classes=1, bbox_coder=coder)
    loss = dict(type="mmdet.CrossEntropyLoss", loss_weight=1.0, use_sigmoid=False, reduction="none")
    return MODELS.build(dict(head, **widths, loss_cls=loss)).eval()


@pytest.mark.parametrize("more", [{}, {"max_per_img": 5}, {"max_per_img": -2}, {"score_thr": 2.0}])
def test_sets_are_suppressed_as_upstream_does_it_image_by_image(more, head_of_sets):
    from mmengine import ConfigDict

    cfg, meta = ConfigDict({**CROWDED, **more}), {"img_shape": (64, 64)}
    rois, scores, deltas = crowd(2, 25)
    own = [rois[:, 0] == number for number in range(2)]
    with ties_by_index():
        parts = [(rois[mine], scores[mine], deltas[mine]) for mine in own]
        expected = [head_of_sets._predict_by_feat_single(*part, meta, rcnn_test_cfg=cfg) for part in parts]
    context = ExportContext()
    with rewriting(context):
        context.start(torch.zeros(2, 3, 64, 64))
        context.image_index = rois[:, 0].long()
        head_of_sets._predict_by_feat_single(rois, scores, deltas, meta, rcnn_test_cfg=cfg)
    for number, one in enumerate(expected):
        valid = context.found.valid[number]
        order = one.scores.argsort(descending=True, stable=True)
        torch.testing.assert_close(context.found.dets[number][valid][:, 4], one.scores[order])
        torch.testing.assert_close(context.found.dets[number][valid][:, :4], one.bboxes[order].float())
    kept = sum(len(one.scores) for one in expected)
    assert kept == 0 if "score_thr" in more else 2 <= kept < int((scores.reshape(-1, 2).softmax(1)[:, 1] > 0.3).sum())


class Sets(torch.nn.Module):
    def forward(self, conflict, taken):
        return set_nms(conflict, taken)


def table(boxes, generator=0):
    """Who suppresses whom among boxes whose order is random, and which of them take part."""
    generator = torch.Generator().manual_seed(generator)
    before = torch.randperm(boxes, generator=generator)
    conflict = (before[:, None] < before) & (torch.rand(2, boxes, boxes, generator=generator) < 0.3)
    return conflict.float(), (torch.rand(2, 1, boxes, generator=generator) < 0.8).float()


@every_opset
def test_the_body_of_the_suppression_by_a_table(opset):
    model = export(Sets(), table(6), opset)
    for boxes in (0, 1, 40):
        conflict, taken = table(boxes, boxes)
        (kept,) = run(model, (conflict, taken))
        assert np.array_equal(kept, set_nms(conflict, taken).numpy())
        for number in range(2):
            left = kept[number, 0]
            hit = (left[:, None] * conflict[number].numpy()).any(0)
            assert np.array_equal(left > 0, (taken[number, 0].numpy() > 0) & ~hit)
    assert 0 < kept.sum() < taken.sum()
