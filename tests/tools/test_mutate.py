"""What tools/mutate.py plants, how it judges what passed, and what it makes of the outcomes."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from mmonnx.codebases.plain.modules import module_task
from mmonnx.loading.task import to_numpy
from mmonnx.runtime.results import Detections

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import mutate  # noqa: E402
from mutate_parts import faults, judging, running, subjects, table  # noqa: E402
from mutate_parts.configs import CONFIG_KINDS  # noqa: E402
from mutate_parts.configs import settings as config_settings  # noqa: E402
from mutate_parts.graphs import Graph  # noqa: E402
from mutate_parts.pictures import further  # noqa: E402
from mutate_parts.registry import KINDS, planted  # noqa: E402
from mutate_parts.running import EQUIVALENT, KILLED, STILLBORN, SURVIVED, ModelReport, Outcome, Plan, Run  # noqa: E402

pytestmark = pytest.mark.once

NAMED = {
    "rpn-level-zero",
    "coarsest-roi-level-unused",
    "fpn-weight-sign",
    "roi-half-pixel",
    "roi-sampling",
    "detections-limit",
    "rpn-class-bias",
    "box-bias",
    "score-threshold",
    "config-score-thr",
    "class-row",
}
FILES = ("digits-detector", "mask-rcnn", "sequences", "rare")


class Rare(nn.Module):
    """Operators that the other models lack."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.InstanceNorm2d(8, affine=True),
            nn.LeakyReLU(0.1),
            nn.AvgPool2d(3, 1, 1),
            nn.ConstantPad2d((1, 2, 1, 2), 0.1),
            nn.Conv2d(8, 8, 3),
        )

    def forward(self, x):
        x = self.body(x)
        small = x[..., ::2, ::2].amax(1, keepdim=True)
        large = nn.functional.interpolate(small, size=x.shape[2:], mode="bilinear")
        return torch.where(large > 0.5, x, large).clamp(-3.0, 3.0), x.argmax(1)


@pytest.fixture(scope="module")
def prepared():
    known = {}

    def get(name):
        if name not in known:
            known[name] = rare() if name == "rare" else subjects.prepare(subjects.SUBJECTS[name])
        return known[name]

    return get


def rare():
    torch.manual_seed(0)
    axes = {"input": {0: "batch", 2: "height", 3: "width"}}
    task = module_task(Rare(), torch.randn(2, 3, 12, 16), dynamic_axes=axes)
    subject = subjects.Subject("rare", "module:rare")
    return subjects.prepared_of(subject, task)


def graph_of(prepared):
    return Graph(prepared.model, prepared.feeds)


def test_the_faults_that_may_never_pass_are_kinds_and_come_first(prepared):
    assert {name for name in faults.kind_names() if faults.is_first(name)} == NAMED
    assert len(faults.kind_names()) >= 80
    chosen = faults.choose(faults.places(prepared("digits-detector")), 200, seed=0)
    assert {fault.kind for fault in chosen[: len(NAMED)]} == NAMED


@pytest.mark.parametrize("name", list(KINDS))
def test_each_kind_changes_a_file_into_one_that_still_runs(name, prepared):
    for file in FILES:
        places = list(KINDS[name].find(graph_of(prepared(file))))
        if places:
            break
    assert places, f"none of {FILES} has a place for it"
    ran = 0
    for place in places[:: -(-len(places) // 6)]:
        before = prepared(file).model.SerializeToString()
        model = planted(graph_of(prepared(file)), place)
        assert model.SerializeToString() != before, place.where
        assert prepared(file).model.SerializeToString() == before, "the true file was changed"
        ran += judging.runs(model, prepared(file).feeds)
    assert ran, f"no file with {name} runs"


CONFIG = dict(
    type="nms",
    score_thr=0.05,
    iou_threshold=0.5,
    max_per_img=100,
    nms_pre=1000,
    min_bbox_size=0,
    class_agnostic=False,
    scales=[8],
    ratios=[0.5, 1.0],
    strides=[4, 8],
    center_offset=0.0,
    target_stds=[0.1, 0.2],
    target_means=[0.0, 0.0],
    finest_scale=56,
    sampling_ratio=0,
    aligned=True,
    pool_mode="avg",
    clip_border=True,
    mask_thr_binary=0.5,
    upsample_cfg=dict(mode="nearest"),
    norm_cfg=dict(type="BN", eps=1e-5),
    act_cfg=[dict(type="LeakyReLU", negative_slope=0.1)],
    num_heads=8,
    temperature=10000,
    local_maximum_kernel=3,
    topk=100,
    distance_threshold=0.5,
    normalize=True,
    centerness_on_reg=False,
    train_cfg=dict(score_thr=0.3),
)


@pytest.mark.parametrize("name", list(CONFIG_KINDS))
def test_each_kind_changes_a_config_but_not_its_training(name):
    found = list(config_settings(CONFIG, CONFIG_KINDS[name]))
    assert found
    for setting in found:
        ((path, value),) = setting.options.items()
        assert "train_cfg" not in path
        inner = CONFIG
        for key in path.split(".")[1:]:
            inner = inner[int(key) if isinstance(inner, list) else key]
        assert value != inner


def test_a_fault_in_the_config_is_one_in_the_file_with_the_same_weights(prepared):
    """The file has another threshold, and weights to the last bit the true ones."""
    detector = prepared("digits-detector")
    (fault,) = faults.places(detector, ["config-score-thr"])["config-score-thr"]
    assert "0.05" in fault.where
    found = graph_of_model(fault.make(), detector)
    thresholds = [found.constant(node.input[4]).item() for node in found.of("NonMaxSuppression")]
    assert max(thresholds) == pytest.approx(0.06)
    true = graph_of_model(subjects.traced(detector, {}), detector)
    assert [layer.weight for layer in found.layers] == [layer.weight for layer in true.layers]
    for layer in found.layers:
        np.testing.assert_array_equal(found.constant(layer.weight), true.constant(layer.weight))


def graph_of_model(model, prepared):
    return Graph(model, prepared.feeds)


def test_roles_are_found_by_what_is_behind_a_layer(prepared):
    graph = graph_of(prepared("digits-detector"))
    assert [layer.path for layer in graph.scoring] == ["rpn_head.rpn_cls", "roi_head.bbox_head.fc_cls"]
    assert [layer.path for layer in graph.boxing] == ["rpn_head.rpn_reg", "roi_head.bbox_head.fc_reg"]


def one_place(prepared, kind, words=""):
    place = next(place for place in KINDS[kind].find(graph_of(prepared)) if words in place.where)
    return planted(graph_of(prepared), place)


def test_what_comes_out_is_turned_and_shifted(prepared):
    detector = prepared("digits-detector")
    feeds = to_numpy(further(detector.task, 1, "digits", 3)[0])

    def found(model):
        return detector.task.read(judging.Session(model).run(feeds))[0]

    true = found(detector.model)
    assert len(true.dets)
    turned, shifted = (found(one_place(detector, kind)) for kind in ("order-reversed", "label-shifted"))
    np.testing.assert_array_equal(turned.dets, true.dets[::-1])
    np.testing.assert_array_equal(turned.labels, true.labels[::-1])
    np.testing.assert_array_equal(shifted.labels, true.labels + 1)
    np.testing.assert_array_equal(shifted.dets, true.dets)


def test_a_level_that_is_zeroed_gives_no_proposal_a_score(prepared):
    detector = prepared("digits-detector")
    graph = graph_of(detector)
    for place in KINDS["rpn-level-zero"].find(graph):
        model = planted(graph, place)
        found = graph_of_model(model, detector)
        values = [node.output[0] for node in found.of("Mul") if node.output[0].endswith("_planted")]
        assert len(values) == 1 and not found.evaluated(values[0]).any()


def test_the_judge_calls_a_file_that_is_written_otherwise_equivalent_and_a_wrong_one_not(prepared):
    """Otherwise: a graph with a product by one more. Wrong: a row of a class, which does not show on every picture."""
    detector = prepared("digits-detector")
    feeds = further(detector.task, 24, "digits", 5)
    judge = judging.Judge(detector.task, detector.model, feeds)
    assert len(judge) >= 20
    same = graph_of(detector).copy()
    same.insert_behind(same.of("Conv")[0].output[0], "Mul", same.add_constant(np.ones((), np.float32)))
    for model in (detector.model, same.model):
        verdict = judge.judge(model)
        assert verdict.is_equivalent and verdict.differs == 0 and verdict.of == len(judge)
    for kind in ("class-row", "rpn-class-bias", "order-reversed", "first-image", "padding-ignored"):
        verdict = judge.judge(one_place(detector, kind))
        assert not verdict.is_equivalent and 0 < verdict.differs <= verdict.of, kind


def test_a_little_everywhere_is_a_difference_and_a_little_here_and_there_is_none():
    assert judging.Verdict(0, 0, 60).is_equivalent
    assert judging.Verdict(0, 20, 60).is_equivalent
    assert not judging.Verdict(0, 60, 60).is_equivalent and "by a little on 60 of 60" in str(judging.Verdict(0, 60, 60))
    assert (
        not judging.Verdict(1, 1, 60).is_equivalent and str(judging.Verdict(1, 1, 60)) == "differs on 1 of 60 pictures"
    )


def test_pictures_are_padded_batched_and_of_several_sizes_and_the_seed_s(prepared):
    task = prepared("digits-detector").task
    found = further(task, 24, "digits", 5)
    shapes = {tuple(feeds["input"].shape) for feeds in found}
    assert {shape[0] for shape in shapes} == {1, 2} and len({shape[2:] for shape in shapes}) > 3
    padded = [one for one in found if tuple(one["img_shape"].int().tolist()) != tuple(one["input"].shape[2:])]
    assert len(padded) == 8
    for feeds in padded:
        height, width = feeds["img_shape"].int().tolist()
        assert not feeds["input"][:, :, height:].any() and not feeds["input"][..., width:].any()
        assert feeds["input"][:, :, :height, :width].any()
    again, other = further(task, 24, "digits", 5), further(task, 24, "digits", 6)
    assert all(torch.equal(one["input"], same["input"]) for one, same in zip(found, again))
    assert not any(torch.equal(one["input"], same["input"]) for one, same in zip(found, other))


def test_the_same_seed_chooses_the_same_faults(prepared):
    found = faults.places(prepared("sequences"))

    def chosen(seed):
        return [(fault.kind, fault.where) for fault in faults.choose(found, 40, seed)]

    assert chosen(1) == chosen(1) != chosen(2)
    assert len({kind for kind, _ in chosen(1)}) == min(len(found), 40)


@pytest.fixture
def blind(monkeypatch):
    """A verification that finds what is wrong in labels and nothing else."""

    def verified(task, cases, model):
        bad = any(node.name.startswith("planted") for node in model.graph.node)
        return [judging.CaseResult("all", (1, 1), 1, ok=not bad)]

    monkeypatch.setattr(judging, "verified", verified)


def test_the_ends_of_faults(prepared, blind):
    sequences = prepared("sequences")
    run = Run(sequences, Plan(pictures=12))

    def end(make):
        return run.one(faults.Fault("kind", "place", make))

    def fault(kind):
        return lambda: one_place(sequences, kind)

    def none():
        raise ValueError("there is no such model")

    def broken():
        model = onnx.ModelProto()
        model.CopyFrom(sequences.model)
        model.graph.node[0].input[0] = "nothing"
        return model

    assert end(fault("label-shifted")).end == KILLED
    wrong = end(fault("class-row"))
    assert wrong.end == SURVIVED and wrong.note.startswith("differs on")
    assert end(lambda: sequences.model)[3:5] == (EQUIVALENT, "the same file")
    assert end(broken).end == STILLBORN
    failed = end(none)
    assert failed.end == STILLBORN and failed.note.startswith("ValueError: there is no such model")


def outcome(end, model="one"):
    return Outcome(model, "class-row", "head row 0", end, "differs on 3 of 9 pictures", 1.0)


def report(ends, alarm=None):
    return ModelReport("one", [outcome(end) for end in ends], alarm, 2.0)


def test_the_rate_is_of_the_files_that_give_other_answers():
    reports = [report([KILLED] * 6 + [STILLBORN] * 5), report([EQUIVALENT] * 7 + [KILLED, KILLED, SURVIVED])]
    assert table.kill_rate(reports) == 8 / 9
    assert table.row(reports[1]) == ["one", "10", "2", "7", "0", "1", "2"]
    assert table.is_good(reports, 0.88) and not table.is_good(reports, 0.89)
    assert not table.is_good([report([KILLED], "photograph: off")], 0.5)
    assert table.kill_rate([report([EQUIVALENT, STILLBORN])]) == 0.0
    data = table.as_data(reports, {"seed": 0})
    assert data["rate"] == 8 / 9 and data["models"][0]["stillborn"] == 5 and len(data["models"][1]["faults"]) == 10


@pytest.mark.parametrize(
    "reports, least, status",
    [
        ([report([KILLED] * 9 + [SURVIVED])], "0.9", 0),
        ([report([KILLED] * 9 + [SURVIVED])], "0.91", 1),
        ([report([KILLED] * 9, "blank: mismatch")], "0.9", 1),
    ],
)
def test_exit_status_and_closing_line(monkeypatch, capsys, tmp_path, reports, least, status):
    monkeypatch.setattr(mutate, "survey", lambda *arguments: iter(reports))
    file = tmp_path / "outcomes.json"
    assert mutate.main(["--models", "tables", "--least", least, "--json", str(file)]) == status
    lines = capsys.readouterr().out.splitlines()
    killed = sum(one.end == KILLED for one in reports[0].outcomes)
    assert lines[-1] == f"{killed} of {len(reports[0].outcomes)} faults killed"
    passed = "survived: one: class-row: head row 0: differs on 3 of 9 pictures"
    assert (passed in lines) == (killed < len(reports[0].outcomes))
    assert ("false alarm: one: blank: mismatch" in lines) == bool(reports[0].alarm)
    assert json.loads(file.read_text())["rate"] == table.kill_rate(reports)


@pytest.mark.long
def test_a_model_in_a_process_of_its_own():
    """From the command line to the outcomes, twice the same ones."""
    plan = Plan(count=24, seed=7, pictures=12)
    found = [list(running.survey(["tables"], plan, lambda outcome: None))[0] for _ in range(2)]
    assert found[0].alarm is None and len(found[0].outcomes) == 24
    assert [one[:5] for one in found[0].outcomes] == [one[:5] for one in found[1].outcomes]
    assert table.counted(found[0].outcomes)[KILLED] > 10


def test_a_fault_of_which_a_process_dies_is_planted_twice_and_the_others_go_on(monkeypatch):
    begun, dying = [], Outcome("one", "bound", "Clip", KILLED, "ended the process", 300.0)
    ends = iter([running.Ended(None, 3, dying), running.Ended(None, 3, dying), running.Ended(None, 9, dying)])

    def in_process(name, plan, begin, add):
        begun.append(begin)
        add(outcome(KILLED))
        return next(ends, running.Ended())

    monkeypatch.setattr(running, "_in_process", in_process)
    found = running.survey_one("one", Plan(), lambda outcome: None)
    assert begun == [0, 3, 4, 9] and found.alarm is None
    assert found.outcomes.count(dying) == 1 and len(found.outcomes) == 5


def test_order_counts_but_for_equal_scores():
    boxes = np.arange(20, dtype=np.float32).reshape(4, 5)
    boxes[:, 4] = [0.9, 0.8, 0.8, 0.1]
    one = Detections(boxes, np.arange(4))
    tied, turned = [0, 2, 1, 3], [1, 0, 2, 3]
    assert judging._in_order(one, Detections(boxes[tied], np.arange(4)[tied]), judging.PROMISED)
    assert not judging._in_order(one, Detections(boxes[turned], np.arange(4)[turned]), judging.PROMISED)
