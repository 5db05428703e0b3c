"""mmcv's own functions and layers on whatever serves as ``mmcv._ext``: they pass what the operators take."""

import numpy as np
import pytest
import torch
from kernels import boxes, compiled, randn, rois
from torch.autograd import gradcheck

from mmonnx import fallback

gpu_only = pytest.mark.skipif(compiled() is not None, reason="mmcv compiles this for CUDA only")


@pytest.fixture(scope="module")
def ops():
    fallback.ensure()
    import mmcv.ops

    return mmcv.ops


def leaf(*shape, seed):
    return randn(*shape, seed=seed).double().requires_grad_()


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align_trains(ops, mode, ratio):
    regions = rois(4, 2, 0, extent=8).double()
    assert gradcheck(lambda x: ops.roi_align(x, regions, (2, 3), 0.5, ratio, mode, True), leaf(2, 2, 6, 6, seed=0))


@gpu_only
def test_roi_pool_trains(ops):
    regions = rois(4, 2, 1, extent=8).double()
    assert gradcheck(lambda x: ops.roi_pool(x, regions, (2, 3), 0.5), leaf(2, 2, 6, 6, seed=1))


def test_deformable_convolutions_train(ops):
    input, weight = leaf(2, 2, 5, 5, seed=2), leaf(2, 2, 3, 3, seed=3)
    offset, mask, bias = leaf(2, 18, 3, 3, seed=4), leaf(2, 9, 3, 3, seed=5), leaf(2, seed=6)
    assert gradcheck(lambda *tensors: ops.deform_conv2d(*tensors, 2, 1), (input, offset, weight))
    assert gradcheck(lambda *tensors: ops.modulated_deform_conv2d(*tensors, 2, 1), (input, offset, mask, weight, bias))
    without = ops.modulated_deform_conv2d(input, offset, mask, weight, None, 2, 1)
    assert torch.allclose(
        without + bias[:, None, None], ops.modulated_deform_conv2d(input, offset, mask, weight, bias, 2, 1)
    )


@gpu_only
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_focal_losses_train(ops, reduction):
    input, target = leaf(5, 3, seed=7), torch.tensor([0, 1, 2, 3, 0])
    assert gradcheck(lambda x: ops.sigmoid_focal_loss(x, target, 2.0, 0.25, None, reduction), input)
    if reduction != "none":  # mmcv multiplies (N, C) by (N,) there
        target = target.clamp(max=2)
        assert gradcheck(lambda x: ops.softmax_focal_loss(x.clone(), target, 2.0, 0.25, None, reduction), input)


@gpu_only
def test_carafe_and_deformable_pooling_train(ops):
    features, masks = leaf(1, 4, 3, 3, seed=8), leaf(1, 18, 6, 6, seed=9)
    assert gradcheck(lambda *tensors: ops.carafe(*tensors, 3, 2, 2), (features, masks))
    regions, offset = rois(2, 1, 10, extent=4, least=4).double(), leaf(2, 2, 2, 2, seed=10)
    image = leaf(1, 2, 8, 8, seed=11)
    assert gradcheck(
        lambda *tensors: ops.deform_roi_pool(tensors[0], regions, tensors[1], (2, 2), 1.0, 2), (image, offset)
    )


@gpu_only
def test_masked_convolution(ops):
    layer = ops.MaskedConv2d(3, 4, 3, padding=1)
    image, mask = randn(1, 3, 6, 7, seed=12), (randn(1, 6, 7, seed=13) > 0).float()
    expected = torch.nn.functional.conv2d(image, layer.weight, layer.bias, padding=1) * mask
    assert torch.allclose(layer(image, mask), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_suppression_of_tensors_and_arrays(ops, kind):
    dets, scores = boxes(50, 14), torch.rand(50, generator=torch.Generator().manual_seed(14))
    given = (dets, scores) if kind == "tensor" else (dets.numpy(), scores.numpy())
    kept, indices = ops.nms(*given, 0.4)
    assert type(kept) is type(given[0])
    assert kept.shape == (len(indices), 5)
    assert 0 < len(kept) < 50
    limited = ops.nms(*given, 0.4, score_threshold=0.5, max_num=3)[1]
    assert list(limited) == [i for i in indices if scores[i] > 0.5][:3]
    soft, order = ops.soft_nms(*given, 0.4, method="gaussian", min_score=0.01)
    assert len(soft) == len(order) > len(kept)
    groups = ops.nms_match(
        np.concatenate((given[0], given[1][:, None]), 1) if kind == "array" else torch.cat((dets, scores[:, None]), 1),
        0.4,
    )
    assert [int(group[0]) for group in groups] == [int(i) for i in indices]


@pytest.mark.parametrize("split", [10000, 10])
@pytest.mark.parametrize("kind", ["nms", "soft_nms"])
def test_batched_suppression_keeps_classes_apart(ops, kind, split):
    dets, scores = boxes(60, 15), torch.rand(60, generator=torch.Generator().manual_seed(15))
    labels = torch.arange(60) % 3
    config = dict(type=kind, iou_threshold=0.4, split_thr=split)
    kept, indices = ops.batched_nms(dets, scores, labels, config)
    alone = sum(len(getattr(ops, kind)(dets[labels == i], scores[labels == i], 0.4)[0]) for i in range(3))
    assert len(kept) == len(indices) == alone
    assert torch.equal(kept[:, :4], dets[indices])
    assert (kept[:-1, 4] >= kept[1:, 4]).all()


def test_the_operators_can_be_traced(ops):
    """An export evaluates them while it traces; what it computes then is right."""

    def run(image, dets, scores):
        regions = torch.cat((dets.new_zeros((len(dets), 1)), dets), 1)
        pooled = [ops.roi_align(image, regions, (3, 3), 0.5, 2, mode, True).sum((1, 2, 3)) for mode in ("avg", "max")]
        kept = [ops.nms(dets, scores, 0.4, offset)[1] for offset in (0, 1)]
        return torch.cat(pooled), torch.cat(kept)

    given = (randn(1, 2, 20, 20, seed=16), boxes(30, 16), torch.rand(30, generator=torch.Generator().manual_seed(16)))
    seen = []
    torch.jit.trace(lambda *tensors: seen.append(run(*tensors)) or seen[-1], given, check_trace=False)
    for one, two in zip(seen[-1], run(*given)):
        assert torch.equal(one, two)


def test_a_detector_takes_a_training_step(ops):
    """A small RetinaNet with deformable convolutions: mmdet's own loss and its gradient, then its own inference."""
    from mmcv import ConfigDict
    from mmdet.models import build_detector

    config = dict(
        type="RetinaNet",
        backbone=dict(
            type="ResNet",
            depth=50,
            base_channels=4,
            num_stages=2,
            out_indices=(0, 1),
            strides=(1, 2),
            dilations=(1, 1),
            dcn=dict(type="DCNv2", deform_groups=1, fallback_on_stride=False),
            stage_with_dcn=(False, True),
        ),
        neck=dict(type="FPN", in_channels=[16, 32], out_channels=8, num_outs=2),
        bbox_head=dict(
            type="RetinaHead",
            num_classes=3,
            in_channels=8,
            stacked_convs=1,
            feat_channels=8,
            anchor_generator=dict(type="AnchorGenerator", scales=[4], ratios=[1.0], strides=[4, 8]),
            bbox_coder=dict(type="DeltaXYWHBBoxCoder"),
            loss_cls=dict(type="FocalLoss", use_sigmoid=True),
        ),
        train_cfg=dict(
            assigner=dict(type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.4),
            allowed_border=-1,
            pos_weight=-1,
            debug=False,
        ),
        test_cfg=dict(
            nms_pre=100, min_bbox_size=0, score_thr=0.0, nms=dict(type="nms", iou_threshold=0.5), max_per_img=10
        ),
    )
    torch.manual_seed(0)
    model = build_detector(ConfigDict(config))
    meta = [dict(img_shape=(64, 64, 3), pad_shape=(64, 64, 3), ori_shape=(64, 64, 3), scale_factor=1.0, flip=False)]
    target = dict(gt_bboxes=[torch.tensor([[10.0, 10, 30, 30]])], gt_labels=[torch.tensor([1])])
    image = randn(1, 3, 64, 64, seed=17)
    losses = model.forward_train(image, meta, **target)
    sum(loss for key in losses for loss in losses[key]).backward()
    offsets = model.backbone.layer2[0].conv2.conv_offset.weight.grad
    assert torch.isfinite(offsets).all()
    assert offsets.abs().max() > 0
    model.eval()
    with torch.no_grad():
        result = model.simple_test(image, meta, rescale=False)
    assert sum(len(found) for found in result[0]) == 10
