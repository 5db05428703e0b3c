"""PyTorch against a file, on a small convolution that is really exported and really run."""

import inspect

import cv2
import numpy as np
import onnx
import pytest
import torch
from torch import nn

from mmonnx import fallback
from mmonnx.environment.ties import ties_by_index
from mmonnx.loading.images import second_shape
from mmonnx.loading.task import Task
from mmonnx.runtime.results import Detections, RawOutputs, Scores
from mmonnx.runtime.session import Session
from mmonnx.verifying.verification import make_cases, verify

SHAPE = (64, 96)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)

    def forward(self, input):
        return self.conv(input).mean((2, 3)).softmax(1)


class Detector(nn.Module):
    """One box per image, from the means of its channels; its score too."""

    def forward(self, input):
        means = input.mean((2, 3)) * 255
        dets = torch.cat([means[:, :2], means[:, :2] + 5, means[:, 2:] / 1000 + 0.5], 1)[:, None]
        return dets, torch.ones_like(dets[..., 0]).long()


def preprocess(images, shape):
    batch = np.stack([cv2.resize(image, shape[::-1]) for image in images]).astype(np.float32)
    return {"input": torch.from_numpy(batch.transpose(0, 3, 1, 2).copy()) / 255}


def make_task(module, names, dynamic, predict, read, batch=1, **more):
    axes = {"input": {0: "batch", 2: "height", 3: "width"}} if dynamic else {}
    axes.update({name: {0: "batch"} for name in names} if dynamic else {})
    inputs = {"input": torch.zeros(batch, 3, *SHAPE)}
    return Task("mmcls", "test", module.eval(), inputs, names, axes, predict, read, preprocess, **more)


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    module = Classifier()
    return make_task(
        module,
        ["probs"],
        True,
        lambda feeds: [Scores(row.numpy()) for row in module(feeds["input"])],
        lambda outputs: [Scores(row) for row in outputs["probs"]],
    )


@pytest.fixture
def detector():
    module = Detector()

    def read(outputs):
        return [Detections(*pair) for pair in zip(outputs["dets"], outputs["labels"])]

    def predict(feeds):
        return read(dict(zip(("dets", "labels"), (value.numpy() for value in module(feeds["input"])))))

    return make_task(module, ["dets", "labels"], True, predict, read)


def export(task, path):
    # From torch 2.9 on the default is another exporter.
    more = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    torch.onnx.export(
        task.module,
        tuple(task.inputs.values()),
        str(path),
        opset_version=11,
        input_names=list(task.inputs),
        output_names=task.output_names,
        dynamic_axes=task.dynamic_axes,
        **more,
    )
    return path


def test_cases_of_a_dynamic_file(classifier):
    cases = make_cases(classifier, None, SHAPE)
    assert [case.name for case in cases] == [
        "photograph 64x96",
        "photograph 32x64",
        "photograph 32x64 batch 2",
        "dark 64x96",
    ]
    assert [tuple(case.feeds["input"].shape) for case in cases] == [
        (1, 3, 64, 96),
        (1, 3, 32, 64),
        (2, 3, 32, 64),
        (1, 3, 64, 96),
    ]
    one, two = cases[2].feeds["input"]
    assert (one - two).abs().mean() > 0.04
    assert all(image.shape[:2] == case.shape for case in cases for image in case.images)
    assert cases[3].images[0].max() < 16 and cases[0].images[0].std() > 10


def test_cases_of_a_static_file(classifier):
    classifier.dynamic_axes = {}
    cases = make_cases(classifier, None, SHAPE, batch=3)
    assert [case.name for case in cases] == ["photograph 64x96 batch 3", "dark 64x96 batch 3"]
    rows = cases[0].feeds["input"]
    assert all((rows[i] - rows[j]).abs().mean() > 0.04 for i, j in ((0, 1), (0, 2), (1, 2)))


def test_cases_of_a_dynamic_batch_alone(classifier):
    classifier.dynamic_axes = {"input": {0: "batch"}}
    assert [case.name for case in make_cases(classifier, None, SHAPE)] == [
        "photograph 64x96",
        "photograph 64x96 batch 2",
        "dark 64x96",
    ]
    assert [case.name for case in make_cases(classifier, None, SHAPE, batch=2)] == [
        "photograph 64x96 batch 2",
        "photograph 64x96",
        "dark 64x96 batch 2",
    ]


def test_the_given_image_is_used_and_a_batch_still_differs(classifier):
    image = np.random.RandomState(0).randint(0, 200, (50, 70, 3), np.uint8)
    cases = make_cases(classifier, [image], SHAPE)
    assert (cases[0].images[0] == cv2.resize(image, (96, 64))).all()
    assert np.abs(cases[2].images[0].astype(int) - cases[2].images[1]).mean() > 10


@pytest.mark.parametrize("shape", [(32, 32), (64, 64), (224, 224), (320, 480), (800, 1216), (1216, 800)])
def test_the_second_shape_is_another_one(shape):
    height, width = second_shape(shape)
    assert height % 32 == width % 32 == 0 and min(height, width) > 0
    assert height * shape[1] != width * shape[0]


def test_a_good_file_holds_on_every_case(classifier, detector, tmp_path):
    shown = []

    def remember(case, expected, actual):
        shown.append((len(case.images), len(expected), len(actual)))

    for task in (classifier, detector):
        cases = make_cases(task, None, SHAPE)
        session = Session(export(task, tmp_path / "model.onnx"))
        results = verify(task, session.run, cases, show=remember)
        assert [result.name for result in results] == [case.name for case in cases]
        for result, case in zip(results, cases):
            assert result.ok and result.verdict == "ok" and not result.problems
            assert result.matched == result.total == result.batch == len(case.images)
            assert result.max_score < 1e-5
    assert shown == 2 * [(1, 1, 1), (1, 1, 1), (2, 2, 2), (1, 1, 1)]


def test_a_changed_weight_is_a_mismatch(classifier, tmp_path):
    model = onnx.load(str(export(classifier, tmp_path / "model.onnx")))
    weight = next(tensor for tensor in model.graph.initializer if "weight" in tensor.name)
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * np.float32(1.1), weight.name))
    results = verify(classifier, Session(model).run, make_cases(classifier, None, SHAPE))
    assert not any(result.ok for result in results)
    assert results[2].verdict == "mismatch" and results[2].problems[0].startswith("image 1: probs")


def test_rows_of_a_batch_that_are_swapped_are_seen(detector, tmp_path):
    run = Session(export(detector, tmp_path / "model.onnx")).run
    swapped = verify(
        detector,
        lambda feeds: {name: value[::-1] for name, value in run(feeds).items()},
        make_cases(detector, None, SHAPE),
    )
    assert [result.ok for result in swapped] == [True, True, False, True]
    assert swapped[2].matched == 0


def test_a_file_that_works_for_one_shape_alone_fails_on_the_others(classifier, tmp_path):
    cases = make_cases(classifier, None, SHAPE)
    classifier.dynamic_axes = {}
    results = verify(classifier, Session(export(classifier, tmp_path / "model.onnx")).run, cases)
    assert [result.verdict for result in results] == ["ok", "failed", "failed", "ok"]
    assert results[1].problems[0].startswith("the runtime failed: InvalidArgument: ")
    assert "\n" not in results[1].problems[0]


PLACES = (60, 160)


def accidental(place, off):
    """A task that finds a steady detection, and one that is here or there by the last bit of the input.

    Args:
        place: where the runtime has the second one: in the same of PLACES (0), in the other one (1), or a pixel.
        off: how far the runtime's first one is from PyTorch's.
    """

    def result(first, second):
        return [Detections(np.float32([[first, 5, 50, 50, 0.9], [second, 60, second + 20, 90, 0.5]]), np.int64([0, 1]))]

    def which(feeds):
        return int(feeds["input"].double().sum().item() * 1e9) % 2

    def predict(feeds):
        return result(5, PLACES[which(feeds)])

    def read(outputs):
        other = PLACES[(which(outputs) + place) % 2] if place < 2 else place
        return result(5 + off, other)

    return predict, read


@pytest.mark.parametrize(("place", "off", "ok"), [(0, 0, True), (1, 0, True), (300, 0, False), (1, 3, False)])
def test_what_pytorch_itself_gives_in_a_further_run_is_excused_and_nothing_else(classifier, place, off, ok):
    classifier.predict, classifier.read = accidental(place, off)
    (case,) = make_cases(classifier, None, SHAPE)[:1]
    (result,) = verify(classifier, lambda feeds: case.feeds, [case])
    assert result.ok is ok
    if ok:
        assert (result.matched, result.excused) == ((2, 0) if place == 0 else (1, 2))
    elif off:
        assert any("off by 3 px" in line for line in result.problems)
    else:
        assert any("only the runtime has label 1 at (300" in line for line in result.problems)


@pytest.mark.parametrize("place, ok", [(0, True), (5, True), (9, True), (10, False)])
def test_a_choice_among_many_is_found_where_much_noise_shows_other_ones(classifier, place, ok):
    """Of a network that magnifies roundings: each run finds another of ten places, and with more noise yet others."""
    cases, runs = make_cases(classifier, None, SHAPE)[:1], []
    start = cases[0].feeds["input"]

    def found(second):
        dets = np.float32([[5, 5, 50, 50, 0.9], [50 * second, 60, 50 * second + 20, 90, 0.5]])
        return [Detections(dets, np.int64([0, 1]))]

    def predict(feeds):
        if torch.equal(feeds["input"], start):
            return found(1)
        if (feeds["input"] - start).std() > 3 * torch.finfo(torch.float32).eps:
            return found(20)
        runs.append(feeds)
        return found(len(runs) % 10)

    classifier.predict, classifier.read = predict, lambda outputs: found(place)
    (result,) = verify(classifier, lambda feeds: {}, cases)
    assert result.ok is ok, result


@pytest.mark.parametrize("share, drawn", [(1.0, True), (0.02, False)])
def test_of_a_model_that_draws_its_answers_no_file_is_a_right_one(classifier, share, drawn):
    """Not even one that is within what it draws; where little is drawn, further runs tell what may be."""
    values = np.zeros(50, np.float32)
    generator = np.random.default_rng(0)

    def predict(feeds):
        dets = np.float32([[20 * n, 10, 20 * n + 18, 50, 0.9 - n / 1000] for n in range(50)])
        moved = generator.random(50) < share if share == 1 else np.arange(50) == 7
        dets[moved, 1:4:2] += generator.integers(0, 2, (moved.sum(), 1)) * 60
        return [Detections(dets, values.astype(np.int64))]

    classifier.predict, classifier.read = predict, lambda outputs: predict(None)
    (result,) = verify(classifier, lambda feeds: {}, make_cases(classifier, None, SHAPE)[:1])
    assert result.ok is not drawn
    assert any("another answer to the same input on each run" in line for line in result.problems) is drawn


def test_a_gross_mismatch_stops_at_once(classifier):
    runs = []

    def predict(feeds):
        runs.append(feeds)
        dets = np.float32([[10 * n, 10, 10 * n + 8, 50, 0.9 - n / 100] for n in range(20)])
        return [Detections(dets, np.zeros(20, np.int64))]

    classifier.predict = predict
    classifier.read = lambda outputs: [Detections(predict(None)[0].dets + 1, np.zeros(20, np.int64))]
    (result,) = verify(classifier, lambda feeds: {}, make_cases(classifier, None, SHAPE)[:1])
    assert not result.ok and "off by 1 px" in result.problems[0]
    assert len([feeds for feeds in runs if feeds is not None]) <= 4


@pytest.mark.parametrize("run, ok", [(6, True), (20, False)])
def test_a_few_wrong_ones_of_many_are_asked_for_in_more_runs(classifier, run, ok):
    """Ties, with three boxes behind them, that PyTorch's first further runs happen not to turn."""
    rows = np.float32([[20 * n, 10, 20 * n + 18, 50, 0.9 - n / 1000] for n in range(60)])
    other = rows.copy()
    other[[5, 6, 25], 1:4:2] += 60
    labels, runs = np.zeros(60, np.int64), []

    def predict(feeds):
        runs.append(feeds)
        return [Detections(other if len(runs) == run + 2 else rows, labels)]

    classifier.predict, classifier.read = predict, lambda outputs: [Detections(other, labels)]
    (result,) = verify(classifier, lambda feeds: {}, make_cases(classifier, None, SHAPE)[:1])
    assert result.ok is ok
    assert len(runs) <= 10


@pytest.mark.parametrize("gap, ok", [(0.0, True), (2**-24, True), (1e-5, False)])
def test_which_of_two_tied_objects_is_there_is_an_accident_and_of_others_it_is_not(classifier, gap, ok):
    fallback.ensure()
    places = np.float32([[10, 10, 50, 50], [60, 10, 90, 50]])

    def predict(feeds):
        with ties_by_index():
            best = int(torch.tensor([0.5 + gap, 0.5]).topk(1)[1])
        return [Detections(np.float32([[*places[best], 0.5]]), np.int64([0]))]

    other = Detections(np.float32([[*places[1], 0.5]]), np.int64([0]))
    classifier.predict, classifier.read = predict, lambda outputs: [other]
    (result,) = verify(classifier, lambda feeds: {}, make_cases(classifier, None, SHAPE)[:1])
    assert result.ok is ok, result


@pytest.mark.parametrize("gain,ok", [(0.0, False), (3e3, True)])
def test_scores_of_a_network_that_magnifies_rounding_errors_may_differ_as_its_own_do(classifier, gain, ok):
    """PyTorch's answer moves by a few thousandths of itself when the input moves by a rounding error, or does not."""
    cases = make_cases(classifier, None, SHAPE)[:1]
    start = cases[0].feeds["input"].double()

    def predict(feeds):
        moved = float((feeds["input"].double() - start).abs().mean()) * gain
        return [Scores(np.array([0.7 + moved, 0.3], np.float32))]

    classifier.predict = predict
    (result,) = verify(classifier, lambda feeds: {"probs": np.array([[0.7015, 0.3]], np.float32)}, cases)
    assert result.ok == ok and result.excused == int(ok), result


def test_an_error_names_who_made_it(classifier):
    def broken(*arguments):
        raise ValueError("\nfirst\nsecond")

    cases = make_cases(classifier, None, SHAPE)[:1]
    (result,) = verify(classifier, broken, cases)
    assert not result.ok and result.problems == ["the runtime failed: ValueError: first"]
    classifier.predict = broken
    (result,) = verify(classifier, lambda feeds: {"probs": np.zeros((1, 5), np.float32)}, cases)
    assert not result.ok and result.problems == ["PyTorch failed: ValueError: first"]


def test_results_for_fewer_images_are_a_failure(classifier):
    cases = make_cases(classifier, None, SHAPE)[2:3]
    (result,) = verify(classifier, lambda feeds: {"probs": np.zeros((1, 5), np.float32)}, cases)
    assert result.verdict == "failed" and "1 results for 2 images" in result.problems[0]


def test_nothing_found_is_said(classifier):
    nothing = Detections(np.zeros((0, 5), np.float32), np.zeros(0, np.int64))
    classifier.predict = classifier.read = lambda values: [nothing]
    (result,) = verify(classifier, lambda feeds: {}, make_cases(classifier, None, SHAPE)[:1])
    assert result.ok and result.verdict == "empty" and result.max_box is None


def test_raw_outputs_of_a_batch_are_one_result(classifier, tmp_path):
    module = classifier.module
    classifier.predict = lambda feeds: [RawOutputs({"probs": module(feeds["input"]).numpy()})]
    classifier.read = lambda outputs: [RawOutputs(outputs)]
    results = verify(
        classifier, Session(export(classifier, tmp_path / "model.onnx")).run, make_cases(classifier, None, SHAPE)
    )
    assert all(result.ok and result.matched == result.total == 1 for result in results)
