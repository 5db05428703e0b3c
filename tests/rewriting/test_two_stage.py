"""Each rewritten function of the two-stage path, in eager mode, against the function that it stands for."""

import importlib

import numpy as np
import pytest
import torch

from mmonnx import fallback
from mmonnx.rewriting.rewrites import ExportContext, rewriting
from mmonnx.rewriting.rewrites.roi_pooling import inverse

fallback.ensure()
importlib.import_module("mmdet.models")

HEIGHT, WIDTH = 256, 320


def context_for(images, opset=11):
    context = ExportContext(opset=opset)
    context.start(torch.zeros(images, 3, HEIGHT, WIDTH))
    return context


def random_boxes(number, seed=0):
    """Boxes of all sizes, clipped, so that many are thinner than a feature cell."""
    generator = torch.Generator().manual_seed(seed)
    center = torch.rand(number, 2, generator=generator) * torch.tensor([WIDTH, HEIGHT]).float()
    size = torch.exp(torch.rand(number, 2, generator=generator) * 7 - 1)
    boxes = torch.cat([center - size / 2, center + size / 2], 1)
    return torch.stack([boxes[:, i].clamp(0, (WIDTH, HEIGHT)[i % 2]) for i in range(4)], 1)


def random_rois(number, images=2, seed=0):
    generator = torch.Generator().manual_seed(seed + 1)
    index = torch.randint(0, images, (number, 1), generator=generator).float()
    return torch.cat([index, random_boxes(number, seed)], 1)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize(
    "options", [{}, {"stds": (0.1, 0.1, 0.2, 0.2)}, {"add_ctr_clamp": True}, {"clip_border": False}]
)
def test_delta2bbox(classes, options):
    from mmdet.core.bbox.coder import delta_xywh_bbox_coder as module

    boxes = random_boxes(50)
    deltas = torch.randn(50, classes * 4, generator=torch.Generator().manual_seed(3)) * 3
    expected = module.delta2bbox(boxes, deltas, max_shape=(HEIGHT, WIDTH, 3), **options)
    with rewriting(context_for(1)):
        found = module.delta2bbox(boxes, deltas, max_shape=(HEIGHT, WIDTH, 3), **options)
        none = module.delta2bbox(boxes[:0], deltas[:0], max_shape=(HEIGHT, WIDTH, 3), **options)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-4)
    assert none.shape == (0, classes * 4)


@pytest.mark.parametrize("shape", [(50,), (2, 25), (0,), (2, 0)])
@pytest.mark.parametrize("clips", [False, True])
def test_distance2bbox(shape, clips):
    from mmdet.core.bbox import transforms as module

    generator = torch.Generator().manual_seed(3)
    points = torch.rand(*shape, 2, generator=generator) * torch.tensor([WIDTH, HEIGHT])
    distances = torch.randn(*shape, 4, generator=generator) * 100
    expected = module.distance2bbox(points, distances, (HEIGHT, WIDTH) if clips else None)
    traced = torch.tensor(HEIGHT), torch.tensor(WIDTH)
    with rewriting(context_for(1)):
        for size in ((HEIGHT, WIDTH), traced) if clips else (None,):
            assert torch.equal(module.distance2bbox(points, distances, size).reshape(expected.shape), expected)


def in_one_order(rows):
    return rows[torch.from_numpy(np.lexsort(rows.numpy().round(2).T[:4]))]


def make_rpn(use_sigmoid=True, **test_cfg):
    from mmcv import ConfigDict
    from mmdet.models import build_head

    cfg = dict(nms_pre=100, max_per_img=50, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0)
    cfg.update(test_cfg)
    head = build_head(
        dict(
            type="RPNHead",
            in_channels=8,
            feat_channels=8,
            anchor_generator=dict(type="AnchorGenerator", scales=[4], ratios=[0.5, 1.0, 2.0], strides=[8, 16, 32]),
            bbox_coder=dict(type="DeltaXYWHBBoxCoder"),
            loss_cls=dict(type="CrossEntropyLoss", use_sigmoid=use_sigmoid),
            test_cfg=ConfigDict(cfg),
        )
    )
    return head.eval()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nms_pre": 5, "max_per_img": 3},
        {"nms_pre": -1, "max_per_img": 5000},
        {"min_bbox_size": 20},
        {"min_bbox_size": -1},
        {"min_bbox_size": 100000},
        {"nms": dict(type="nms", iou_threshold=0.3)},
        {"nms": dict(type="nms", iou_threshold=0.5, offset=1)},
        {"use_sigmoid": False},
    ],
    ids=str,
)
def test_rpn_gives_each_image_its_own_proposals_in_order(options):
    head = make_rpn(**options)
    generator = torch.Generator().manual_seed(0)
    channels = 3 * head.cls_out_channels
    sizes = [(HEIGHT // stride, WIDTH // stride) for stride in (8, 16, 32)]
    scores = [torch.randn(3, channels, *size, generator=generator) * 2 for size in sizes]
    deltas = [torch.randn(3, 12, *size, generator=generator) * 0.5 for size in sizes]
    metas = [dict(img_shape=(HEIGHT, WIDTH, 3), scale_factor=np.ones(4)) for _ in range(3)]
    expected = head.get_bboxes(scores, deltas, img_metas=metas)
    context = context_for(3)
    with rewriting(context):
        (found,) = head.get_bboxes(scores, deltas, img_metas=metas[:1])
    assert found.shape[0] == context.image_index.shape[0] == sum(len(rows) for rows in expected)
    for number, rows in enumerate(expected):
        mine = found[context.image_index == number]
        assert (mine[:-1, 4] >= mine[1:, 4]).all()
        # equal scores have no order
        torch.testing.assert_close(in_one_order(mine), in_one_order(rows), rtol=1e-5, atol=1e-4)


def make_extractor(levels=4, **layer):
    from mmdet.models import build_roi_extractor

    layer = dict(dict(type="RoIAlign", output_size=7, sampling_ratio=0), **layer)
    return build_roi_extractor(
        dict(type="SingleRoIExtractor", roi_layer=layer, out_channels=6, featmap_strides=[4, 8, 16, 32][:levels])
    )


def make_features(levels=4):
    generator = torch.Generator().manual_seed(5)
    strides = [4, 8, 16, 32][:levels]
    return tuple(torch.randn(2, 6, HEIGHT // s, WIDTH // s, generator=generator) for s in strides)


ROIS = {
    "none": torch.zeros(0, 5),
    "one": torch.tensor([[1.0, 10.0, 20.0, 200.0, 230.0]]),
    "random": random_rois(200),
    "one level": torch.cat([random_rois(20)[:, :3], random_rois(20)[:, 1:3] + 30], 1),
    "largest level": torch.tensor([[0.0, 0.0, 0.0, 320.0, 256.0]] * 3),
    "no extent": torch.tensor([[0.0, 5.0, 5.0, 5.0, 90.0], [1.0, 7.0, 7.0, 7.0, 7.0], [0.0, 0.0, 9.0, 50.0, 9.0]]),
    "at the border": torch.tensor([[0.0, 0.0, 0.0, 0.5, 256.0], [1.0, 319.2, 3.0, 320.0, 80.0]]),
}


@pytest.mark.parametrize("opset", [11, 16])
@pytest.mark.parametrize("rois", list(ROIS))
@pytest.mark.parametrize(
    "levels,layer,factor",
    [
        (4, {}, None),
        (4, {}, 1.3),
        (1, {}, None),
        (4, {"output_size": (7, 5)}, None),
        (3, {"output_size": 14, "sampling_ratio": 2}, None),
        (4, {"sampling_ratio": 2}, None),
        (1, {"output_size": 4, "sampling_ratio": 3}, None),
        (2, {"aligned": False}, None),
    ],
)
def test_roi_extractor(opset, rois, levels, layer, factor):
    extractor, features, rois = make_extractor(levels, **layer), make_features(levels), ROIS[rois]
    expected = extractor(features, rois, roi_scale_factor=factor)
    with rewriting(context_for(2, opset)):
        found = extractor(features, rois, roi_scale_factor=factor)
    # places are right to a float32's rounding, 4e-6 of a cell, and these features change by up to 6 from cell to cell
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=5e-5)


def test_inverse_permutation():
    permutation = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(permutation[inverse(permutation)], torch.arange(1000))
    assert inverse(permutation[:0]).shape == (0,)


def make_bbox_head(agnostic=False):
    from mmdet.models import build_head

    return build_head(
        dict(
            type="Shared2FCBBoxHead",
            in_channels=6,
            fc_out_channels=16,
            roi_feat_size=7,
            num_classes=4,
            bbox_coder=dict(type="DeltaXYWHBBoxCoder", target_stds=[0.1, 0.1, 0.2, 0.2]),
            reg_class_agnostic=agnostic,
        )
    ).eval()


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_per_img": 3},
        {"max_per_img": -1},
        {"score_thr": 0.5},
        {"score_thr": 1.0},
        {"nms": dict(type="nms", iou_threshold=0.2)},
        {"nms": dict(type="nms", iou_threshold=0.5, class_agnostic=True)},
        {"nms": dict(type="nms", iou_threshold=0.5, offset=1)},
        {"nms": dict(type="nms", iou_threshold=0.5, max_num=7)},
        {"nms": dict(type="nms", iou_threshold=0.5, score_threshold=0.3)},
        {"nms": dict(type="soft_nms", iou_threshold=0.5, min_score=0.05)},
        {"nms": dict(type="soft_nms", iou_threshold=0.3, min_score=0.05, class_agnostic=True), "max_per_img": 20},
        {"nms": dict(type="soft_nms", iou_threshold=0.3, method="naive"), "max_per_img": -1},
        {"nms": dict(type="soft_nms", sigma=0.3, method="gaussian", min_score=0.2), "score_thr": 0.0},
    ],
    ids=str,
)
def test_bbox_head_gives_each_image_its_own_detections(agnostic, options):
    from mmcv import ConfigDict

    head = make_bbox_head(agnostic)
    cfg = ConfigDict(dict(dict(score_thr=0.05, nms=dict(type="nms", iou_threshold=0.5), max_per_img=100), **options))
    rois = random_rois(120, images=3)
    rois = rois[rois[:, 0].argsort()]
    rois = rois[rois[:, 0] != 1]  # the second image has no proposal
    generator = torch.Generator().manual_seed(2)
    scores = torch.randn(len(rois), 5, generator=generator) * 2
    deltas = torch.randn(len(rois), 4 if agnostic else 16, generator=generator)
    context = context_for(3)
    context.image_index = rois[:, 0].long()
    with rewriting(context):
        dets, labels = head.get_bboxes(rois, scores, deltas, (HEIGHT, WIDTH, 3), None, cfg=cfg)
    found = context.detections
    assert torch.equal(found.dets[found.valid], dets) and torch.equal(found.labels[found.valid], labels)
    assert (found.dets[~found.valid] == 0).all() and (found.labels[~found.valid] == -1).all()
    longest = 0
    for number in range(3):
        own = rois[:, 0] == number
        expected, expected_labels = torch.zeros(0, 5), torch.zeros(0, dtype=torch.long)
        if own.any():  # upstream does not call it for an image without proposals
            expected, expected_labels = head.get_bboxes(
                rois[own], scores[own], deltas[own], (HEIGHT, WIDTH, 3), None, cfg=cfg
            )
        mine = context.image_index == number
        torch.testing.assert_close(dets[mine], expected.reshape(-1, 5), rtol=1e-5, atol=1e-4)
        assert torch.equal(labels[mine], expected_labels)
        longest = max(longest, len(expected))
    assert found.dets.shape == (3, longest, 5)
