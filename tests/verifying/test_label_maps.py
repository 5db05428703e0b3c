"""Label maps: what is the same answer, and faults that a file of a segmentor may have, planted and found."""

import contextlib

import numpy as np
import pytest
import torch
from torch.nn import functional

from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import REGISTRY, ExportContext
from mmonnx.runtime import LabelMap, Scores
from mmonnx.runtime.session import Session
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.matching import match, noise_of
from mmonnx.verifying.verification import make_cases, verify


def maps(seed=0, size=(20, 30), classes=5):
    logits = np.random.RandomState(seed).randn(classes, *size).astype(np.float32) * 3
    probs = np.exp(logits) / np.exp(logits).sum(0)
    return LabelMap(probs.argmax(0), probs)


def changed(found, row, column, label):
    labels = found.labels.copy()
    labels[row, column] = label
    return LabelMap(labels)


def test_one_pixel_of_another_class_is_wrong():
    expected = maps()
    assert match(expected, LabelMap(expected.labels)).ok
    worst = int(expected.probs[:, 3, 4].argmin())
    found = match(expected, changed(expected, 3, 4, worst))
    assert not found.ok and found.matched == found.total - 1 == 599
    assert not match(expected, changed(expected, 3, 4, 5)).ok and not match(expected, changed(expected, 3, 4, -1)).ok


def test_a_tie_of_pytorchs_own_logits_may_fall_on_the_other_side():
    expected = maps()
    first, second = expected.probs[:, 3, 4].argsort()[::-1][:2]
    expected.probs[second, 3, 4] = expected.probs[first, 3, 4] * (1 - 1e-6)
    found = match(expected, changed(expected, 3, 4, second))
    assert found.ok and found.excused == 1
    expected.probs[second, 3, 4] = expected.probs[first, 3, 4] * (1 - 1e-3)
    assert not match(expected, changed(expected, 3, 4, second)).ok


def test_what_pytorch_gives_itself_when_it_rounds_otherwise_is_excused_there_alone():
    expected = maps()
    second = int(expected.probs[:, 3, 4].argsort()[-2])
    noise = noise_of(expected)
    noise.add(changed(expected, 3, 4, second))
    assert match(expected, changed(expected, 3, 4, second), noise=noise).ok
    assert not match(expected, changed(expected, 4, 4, int(expected.probs[:, 4, 4].argmin())), noise=noise).ok


def test_more_ties_than_a_share_are_no_agreement():
    labels, probs = np.zeros((20, 30), np.int64), np.full((2, 20, 30), 0.5, np.float32)
    probs[:, 0, 0] = 0.999, 0.001
    assert match(LabelMap(labels, probs), LabelMap(labels)).ok
    other = np.ones_like(labels)
    other[0, 0] = 0
    assert not match(LabelMap(labels, probs), LabelMap(other)).ok


def test_two_classes_by_a_threshold():
    probs = np.array([[[0.1, 0.4 + 1e-8, 0.9]]], np.float32)
    expected = LabelMap(np.array([[0, 1, 1]]), probs, 0.4)
    assert match(expected, LabelMap(np.array([[0, 0, 1]]))).excused == 1
    assert not match(expected, LabelMap(np.array([[0, 1, 0]]))).ok
    assert not match(expected, LabelMap(np.array([[1, 1, 1]]))).ok


def test_probabilities_are_compared_where_there_are_some():
    expected = maps()
    assert match(expected, LabelMap(expected.labels, expected.probs + 1e-6)).ok
    assert not match(expected, LabelMap(expected.labels, expected.probs + 1e-3)).ok
    assert not match(expected, LabelMap(expected.labels[:, :-1], expected.probs)).ok
    assert not match(expected, LabelMap(expected.labels.astype(np.int32))).ok
    with pytest.raises(TypeError):
        match(expected, Scores(expected.probs[:, 0, 0]))


def whole(task):
    return Session(lower(trace(task, 11, ExportContext()))).run


@contextlib.contextmanager
def corners_otherwise(task):
    task.module.model.align_corners = not task.module.model.align_corners
    yield
    task.module.model.align_corners = not task.module.model.align_corners


def resized_labels(module, logits, asked):
    """The fault of a resized argmax: labels of the small map, each repeated."""
    labels = functional.one_hot(logits[:, :, ::4, ::4].argmax(1), logits.shape[1]).permute(0, 3, 1, 2).float()
    return functional.interpolate(labels, size=logits.shape[2:], mode="nearest")


def verified(task, run):
    return verify(task, run, make_cases(task, None, task.shape))


@pytest.fixture(scope="module")
def segmentors():
    return pytest.importorskip("segmentors")


def test_a_right_file_agrees_on_every_case(segmentors, tmp_path):
    task = segmentors.small_segmentor(segmentors.FCN, tmp_path, segmentors.SLIDING, dynamic=True, seg_logits=True)
    results = verified(task, whole(task))
    assert all(result.ok for result in results), [result.problems for result in results]
    assert {result.shape for result in results} >= {(96, 128), (58, 102), (160, 224)}
    assert any(result.batch == 2 for result in results) and any("rescaled" in result.name for result in results)
    assert len(np.unique(task.predict(task.inputs)[0].labels)) > 5


def test_corners_aligned_otherwise(segmentors, tmp_path):
    task = segmentors.small_segmentor(segmentors.FCN, tmp_path, segmentors.RESNET, dynamic=True)
    with corners_otherwise(task):
        run = whole(task)
    assert not any(result.ok for result in verified(task, run))


def test_windows_that_are_those_of_the_trace(segmentors, tmp_path, monkeypatch):
    task = segmentors.small_segmentor(segmentors.FCN, tmp_path, segmentors.SLIDING, dynamic=True)
    monkeypatch.delitem(REGISTRY, "mmseg.models.segmentors.encoder_decoder.EncoderDecoder.slide_inference")
    results = verified(task, whole(task))
    assert results[0].ok and not all(result.ok for result in results if result.shape == (160, 224))


def test_labels_that_are_resized_where_logits_should_be(segmentors, tmp_path, monkeypatch):
    task = segmentors.small_segmentor(segmentors.FCN, tmp_path, segmentors.RESNET, dynamic=True)
    monkeypatch.setattr(type(task.module), "_rescaled", resized_labels)
    assert not any(result.ok for result in verified(task, whole(task)))


def test_a_size_that_is_asked_for_and_not_given(segmentors, tmp_path, monkeypatch):
    task = segmentors.small_segmentor(segmentors.FCN, tmp_path, segmentors.RESNET, dynamic=True)

    def at_own_size(module, logits, asked):
        return logits + 0 * asked.sum()

    monkeypatch.setattr(type(task.module), "_rescaled", at_own_size)
    wrong = [result for result in verified(task, whole(task)) if not result.ok]
    assert [result.name.split()[0] for result in wrong] == ["rescaled"]


def test_rows_of_a_batch_that_are_mixed_up(segmentors, tmp_path):
    task = segmentors.small_segmentor(segmentors.FCN, tmp_path, segmentors.RESNET, dynamic=True)
    run = whole(task)
    results = verified(task, lambda feeds: {name: value[::-1] for name, value in run(feeds).items()})
    assert [result.ok for result in results] == [result.batch == 1 for result in results]


def test_the_edge_of_a_class_half_a_pixel_off(segmentors, tmp_path):
    task = segmentors.small_segmentor(segmentors.FCN, tmp_path, segmentors.RESNET, dynamic=True)
    run = whole(task)

    def shifted(feeds):
        image = torch.from_numpy(feeds["input"])
        feeds = {**feeds, "input": ((image + image.roll(1, 3)) / 2).numpy()}
        return run(feeds)

    assert not any(result.ok for result in verified(task, shifted))
