"""Suppression of so many candidates that mmcv goes class by class, and of fewer, in one file: mmcv's answers."""

import pytest
import torch
from models import exported

from mmonnx import fallback
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import Capabilities, ExportContext
from mmonnx.rewriting.rewrites.batched import list_detections, multiclass_detections
from mmonnx.rewriting.rewrites.proposals import select_proposals
from mmonnx.rewriting.symbolics.soft_nms import ABSENT
from mmonnx.runtime.session import Session

fallback.ensure()

CLASSES, THRESHOLD, SIDE = 3, 40, 100.0
SMALL = dict(split_thr=THRESHOLD)
SETTINGS = [
    dict(type="nms", iou_threshold=0.3, class_agnostic=True, **SMALL),
    dict(type="nms", iou_threshold=0.3, **SMALL),
    dict(type="nms", iou_threshold=0.0, class_agnostic=True, **SMALL),
    dict(type="nms", iou_threshold=1.0, class_agnostic=True, **SMALL),
    dict(type="nms", iou_threshold=0.3, class_agnostic=True, offset=1, **SMALL),
    dict(type="nms", iou_threshold=0.3, class_agnostic=True, max_num=5, **SMALL),
    dict(type="nms", iou_threshold=0.3, class_agnostic=True, score_threshold=0.4, **SMALL),
    dict(type="nms", iou_threshold=0.3, class_agnostic=True, score_threshold=0, **SMALL),
    dict(type="nms", iou_threshold=0.3, class_agnostic=True, split_thr=0),
    dict(type="soft_nms", iou_threshold=0.3, min_score=0.3, class_agnostic=True, **SMALL),
    dict(type="soft_nms", iou_threshold=0.3, min_score=0.3, **SMALL),
    dict(type="soft_nms", method="gaussian", min_score=0.5, class_agnostic=True, **SMALL),
    dict(type="soft_nms", iou_threshold=0.3, method="naive", min_score=0.9, class_agnostic=True, **SMALL),
]
COUNTS = [(THRESHOLD - 1, THRESHOLD), (THRESHOLD + 1, 7), (7, 2 * THRESHOLD), (3 * THRESHOLD, THRESHOLD + 1)]


def candidates(counts, seed=0):
    """Boxes, scores, labels and images of so many candidates of each image; the second one's are all weak."""
    generator = torch.Generator().manual_seed(seed)
    total = sum(counts)
    corner, size = (torch.rand(total, 2, generator=generator) * SIDE for _ in range(2))
    image = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    # all scores differ, so that there are no ties
    scores = (torch.randperm(total, generator=generator) + 1.0) / (total + 1)
    scores = torch.where(image == 1, scores * 0.25, scores)
    labels = torch.randint(0, CLASSES, (total,), generator=generator)
    return torch.cat([corner, corner + size / 2], 1), scores, labels, image


class Listed(torch.nn.Module):
    """The detections of candidates that have one class each, ``dets`` and ``labels`` padded."""

    def __init__(self, nms, limit, context):
        super().__init__()
        self.nms, self.limit, self.context = nms, limit, context

    def forward(self, pictures, boxes, scores, labels, image):
        self.context.start(pictures)
        found = list_detections(self.context, boxes, scores, labels, image, CLASSES, self.nms, self.limit)
        return found.dets, found.labels


class Proposed(Listed):
    """The proposals of candidates whose labels are levels; both images have as many."""

    def forward(self, pictures, boxes, scores, labels, image):
        from mmcv import ConfigDict

        self.context.start(pictures)
        images, cfg = pictures.shape[0], ConfigDict(nms=self.nms, max_per_img=self.limit)
        rows = select_proposals(
            self.context, boxes.reshape(images, -1, 4), scores.reshape(images, -1), labels, CLASSES, cfg
        )
        return rows, self.context.image_index


def answers(module, inputs):
    """What runs the module's file, which was traced with other counts, on inputs; its outputs."""
    names = ["pictures", "boxes", "scores", "labels", "image"]
    axes = {name: {0: name} for name in names}
    # lower: soft suppression is a function of its own
    model = lower(exported(module, inputs, module.context, input_names=names, dynamic_axes=axes))
    session = Session(model)

    def run(given):
        feeds = {name: value.numpy() for name, value in zip(names, given)}
        found = session.run({name: feeds[name] for name in session.input_names})
        return [torch.from_numpy(value) for value in found.values()]

    return run


def listed(counts):
    return (torch.zeros(len(counts), 3, 8, 8), *candidates(counts))


def reference(nms, limit, boxes, scores, labels):
    """What mmdet's dense heads do with one image."""
    from mmcv.ops import batched_nms

    dets, kept = batched_nms(boxes, scores, labels, None if nms is None else dict(nms))
    return dets[:limit], labels[kept][:limit]


def same(dets, expected):
    torch.testing.assert_close(dets, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("empty", [True, False], ids=["", "nothing empty"])
@pytest.mark.parametrize("nms", [None, *SETTINGS], ids=str)
def test_detections_of_one_class_each(nms, empty):
    context = ExportContext(Capabilities(empty_tensors=empty))
    run = answers(Listed(nms, 50, context), listed((9, 5)))
    for counts in COUNTS:
        _, boxes, scores, labels, image = given = listed(counts)
        found, found_labels = run(given)
        for number in range(2):
            mine = image == number
            dets, expected = reference(nms, 50, boxes[mine], scores[mine], labels[mine])
            same(found[number, : len(dets)], dets)
            assert torch.equal(found_labels[number, : len(dets)], expected)
            assert (found_labels[number, len(dets) :] == -1).all()


def test_the_two_ways_differ():
    boxes, scores, labels, _ = candidates((THRESHOLD,))
    for nms in (SETTINGS[0], SETTINGS[9], SETTINGS[10]):
        whole, split = (reference({**nms, "split_thr": most}, 50, boxes, scores * 0.25, labels) for most in (99, 1))
        assert len(whole[0]) != len(split[0])


@pytest.mark.parametrize("count", [9999, 10000, 10001])
def test_the_threshold_is_mmcvs_where_the_config_has_none(count):
    nms = dict(type="nms", iou_threshold=0.2, class_agnostic=True)
    boxes, scores, labels, image = candidates((count, 30))
    context = ExportContext()
    context.start(torch.zeros(2, 3, 8, 8))
    found = list_detections(context, boxes, scores, labels, image, CLASSES, nms, 300)
    dets, expected = reference(nms, 300, boxes[:count], scores[:count], labels[:count])
    same(found.dets[0, : len(dets)], dets)
    assert torch.equal(found.labels[0, : len(dets)], expected) and (found.labels[0, len(dets) :] == -1).all()


@pytest.mark.parametrize("limit", [-1, -4, 0, 1, 3000])
@pytest.mark.parametrize("nms", [SETTINGS[0], SETTINGS[1], SETTINGS[5], SETTINGS[9]], ids=str)
def test_limits_are_ends_of_slices(nms, limit):
    run = answers(Listed(nms, limit, ExportContext()), listed((9, 5)))
    for counts in COUNTS:
        _, boxes, scores, labels, image = given = listed(counts)
        found, found_labels = run(given)
        for number in range(2):
            mine = image == number
            dets, expected = reference(nms, limit, boxes[mine], scores[mine], labels[mine])
            real = found_labels[number] >= 0
            same(found[number][real], dets)
            assert torch.equal(found_labels[number][real], expected)


def proposed(counts):
    """Candidates of two images with the same levels, in the same order; of the second image some are absent."""
    count = counts[0]
    boxes, scores, labels, image = candidates((count, count))
    scores[count : count + 9] = ABSENT
    return torch.zeros(2, 3, 8, 8), boxes, scores, labels[:count], image


@pytest.mark.parametrize("limit", [20, -1, 0])
@pytest.mark.parametrize("nms", SETTINGS, ids=str)
def test_proposals(nms, limit):
    run = answers(Proposed(nms, limit, ExportContext()), proposed((13,)))
    for count in (20, THRESHOLD - 1, THRESHOLD, THRESHOLD + 8, THRESHOLD + 9, 2 * THRESHOLD):
        _, boxes, scores, levels, image = given = proposed((count,))
        found, found_image = run(given)
        for number in range(2):
            mine = (image == number) & (scores > ABSENT / 2)
            dets, _ = reference(nms, limit, boxes[mine], scores[mine], levels.repeat(2)[mine])
            same(found[found_image == number], dets)


class Scored(Listed):
    """The detections of rows with a score for each class."""

    def __init__(self, nms, limit, context, shared, factors):
        super().__init__(nms, limit, context)
        self.shared, self.factors = shared, factors

    def forward(self, pictures, boxes, scores, labels, image):
        self.context.start(pictures)
        found = multiclass_detections(
            self.context, boxes, scores, image, 0.1, self.nms, self.limit, labels if self.factors else None
        )
        return found.dets, found.labels


@pytest.mark.parametrize("factors", [False, True], ids=["", "factors"])
@pytest.mark.parametrize("shared", [False, True], ids=["own boxes", "shared boxes"])
@pytest.mark.parametrize("nms", SETTINGS, ids=str)
def test_detections_of_many_classes_each(nms, shared, factors):
    from mmdet.core import multiclass_nms

    def scored(counts):
        boxes, _, _, image = candidates(counts)
        more = [boxes] if shared else [boxes, boxes + 3, boxes * 0.9]
        # of no class the same scores as of another
        scores = torch.stack([candidates(counts, seed)[1] ** (1 + seed / 7) for seed in range(CLASSES)], 1)
        scores[1::3] *= 0.3  # below the threshold, so that fewer count than there are
        return torch.zeros(2, 3, 8, 8), torch.cat(more, 1), scores, 0.5 + scores[:, 0] / 2, image

    run = answers(Scored(nms, 50, ExportContext(), shared, factors), scored((9, 5)))
    ways = set()
    for counts in [(8, 9), (30, 8), (12, 60), (70, 80)]:
        _, boxes, scores, factor, image = given = scored(counts)
        found, found_labels = run(given)
        for number in range(2):
            mine = image == number
            ways.add(int((scores[mine] > 0.1).sum()) < nms["split_thr"])
            rows = torch.cat([scores[mine], torch.zeros(counts[number], 1)], 1)
            dets, labels = multiclass_nms(boxes[mine], rows, 0.1, dict(nms), 50, factor[mine] if factors else None)
            same(found[number, : len(dets)], dets)
            assert torch.equal(found_labels[number, : len(dets)], labels)
            assert (found_labels[number, len(dets) :] == -1).all()
    assert ways == {True, False} or nms["split_thr"] == 0
