"""Panoptic maps: how two are compared, and how masks are laid over each other."""

import numpy as np
import torch

from mmonnx import fallback
from mmonnx.rewriting.rewrites import ExportContext, rewriting
from mmonnx.rewriting.rewrites.panoptic import panoptic_map
from mmonnx.rewriting.symbolics.lay_masks import lay_masks
from mmonnx.runtime.results import Detections, Panoptic
from mmonnx.verifying.matching import match, noise_of

fallback.ensure()


def make_map():
    segments = np.full((20, 30), 7, np.int32)  # stuff
    segments[2:8, 3:12] = 1002
    segments[10:18, 3:12] = 2002
    return segments


def test_the_numbers_of_two_instances_may_change():
    one = make_map()
    other = np.where(one == 1002, 2002, np.where(one == 2002, 1002, one)).astype(np.int32)
    found = match(Panoptic(one), Panoptic(other))
    assert found.ok and found.matched == found.total == 3 and found.max_mask == 0


def test_a_segment_of_another_class_or_place_is_none():
    for wrong, place in ((1003, slice(2, 8)), (1002, slice(3, 9))):
        other = np.where(make_map() == 1002, 7, make_map()).astype(np.int32)
        other[place, 3:12] = wrong
        found = match(Panoptic(make_map()), Panoptic(other))
        assert not found.ok and any("class 2, instance 1" in line for line in found.unmatched)


def test_a_segment_may_come_and_go_as_in_pytorchs_further_runs_and_no_other():
    one, other, third = make_map(), make_map(), make_map()
    other[other == 2002] = 7
    third[third == 1002] = 7
    noise = noise_of(Panoptic(one))
    noise.add(Panoptic(other))
    found = match(Panoptic(one), Panoptic(other), noise=noise)
    assert found.ok and found.excused
    assert not match(Panoptic(one), Panoptic(other)).ok and not match(Panoptic(one), Panoptic(third), noise=noise).ok


def test_the_instances_count_as_well():
    instances = Detections(np.array([[0, 0, 9, 9, 0.9]], np.float32), np.array([2]))
    other = Detections(instances.dets + 1, instances.labels)
    assert match(Panoptic(make_map(), instances), Panoptic(make_map(), instances)).total == 4
    assert not match(Panoptic(make_map(), instances), Panoptic(make_map(), other)).ok
    assert not match(Panoptic(make_map(), instances), Panoptic(make_map())).ok


def test_boxless_detections_are_told_apart_by_their_masks():
    dets = np.array([[0, 0, 0, 0, 0.5], [0, 0, 0, 0, 0.50004]], np.float32)
    masks = np.zeros((2, 8, 8), bool)
    masks[0, :4], masks[1, 4:] = True, True
    labels = np.zeros(2, np.int64)
    assert match(Detections(dets, labels, masks), Detections(dets, labels, masks[::-1])).ok
    assert not match(Detections(dets, labels, masks), Detections(dets, labels, masks[:1].repeat(2, 0))).ok


def test_masks_are_laid_as_upstream_lays_them():
    from mmdet.models.seg_heads.panoptic_fusion_heads import HeuristicFusionHead

    head = HeuristicFusionHead(num_things_classes=8, num_stuff_classes=3)
    masks = torch.rand(6, 12, 14, generator=torch.Generator().manual_seed(0)) > 0.6
    masks[3] = False
    dets = torch.cat([torch.zeros(6, 4), torch.linspace(0.9, 0.4, 6)[:, None]], 1)
    expected, labels = head._lay_masks(dets, torch.arange(6), masks, 0.5)
    ids, areas = lay_masks(masks[:, None], 0.5)
    kept = ids[0].long()
    # upstream numbers those that are laid, here they keep their own numbers
    names = torch.cat([torch.tensor([-1]), labels])[expected]
    assert torch.equal(names, kept - 1) and torch.equal(areas.sum(), (kept > 0).sum().float())


def test_a_map_of_queries_is_upstreams():
    from mmdet.models.seg_heads.panoptic_fusion_heads import MaskFormerFusionHead

    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 9, 12, generator=generator) * 4
    masks = torch.randn(3, 9, 10, 13, generator=generator) * 3
    logits[2, :, -1] = 50.0  # an image of nothing
    context, told = ExportContext(), ExportContext(told_size=True, image_size=(7, 9))
    for low in (False, True):
        cfg = dict(object_mask_thr=0.3, iou_thr=0.3, filter_low_score=low)
        head = MaskFormerFusionHead(num_things_classes=8, num_stuff_classes=3, test_cfg=cfg)
        with rewriting():
            found = panoptic_map(context, logits, masks, 11, 8, cfg)
            # of images that end before their input does, upstream cuts the rest off
            part = panoptic_map(told, logits, masks, 11, 8, cfg)
        for number in range(3):
            assert torch.equal(found[number], head.panoptic_postprocess(logits[number], masks[number]))
            upstream = head.panoptic_postprocess(logits[number], masks[number, :, :7, :9])
            assert torch.equal(part[number, :7, :9], upstream)
            assert (part[number, 7:] == 11).all() and (part[number, :, 9:] == 11).all()
