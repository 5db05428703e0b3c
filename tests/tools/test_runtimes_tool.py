"""tools/runtimes.py: what it says of a runtime's answers, what it keeps, and the table that it writes."""

import dataclasses
import json
import sys
from pathlib import Path
from threading import Event

import pytest
import torch
from stand_in_engine import planted
from torch import nn

import mmonnx

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import runtimes  # noqa: E402
from runtimes_parts import child, covered, judging, process, record, table  # noqa: E402
from runtimes_parts.models import MODELS  # noqa: E402
from zoo_parts.process import Limits  # noqa: E402

from mmonnx import loading  # noqa: E402
from mmonnx.graph.kinds import parts_of  # noqa: E402
from mmonnx.runtime import ENGINES  # noqa: E402
from mmonnx.support.errors import ExportError, InputError  # noqa: E402
from mmonnx.targets import ONNXRUNTIME, OPENVINO, TARGETS, Form, recorded  # noqa: E402
from mmonnx.targets.runs import RUNS, VERDICTS  # noqa: E402
from mmonnx.verifying import make_cases  # noqa: E402

pytestmark = pytest.mark.once

PAGE = ROOT / "docs" / "targets.md"
CLASSIFIER = MODELS["digits-classifier"]


class Waves(nn.Module):
    def forward(self, x):
        return x.mean(1).sin().tan()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("waves") / "x.onnx")
    return mmonnx.export(Waves(), torch.rand(1, 3, 4), path, dynamic_axes={"input": [0, 2]})


@pytest.mark.parametrize(
    "faults,verdict,words",
    [
        ({}, "equal", ""),
        ({"wrong": {"Sin": "Cos"}}, "differs", "differ"),
        ({"dies": ["Tan"]}, "dies", "Stand-In 1.2: died from SIGFPE"),
        ({"fails": ["Tan"]}, "fails", "Stand-In 1.2: no shape for this one"),
        ({"lacks": ["Tan"]}, "refused", "Stand-In 1.2: no operator Tan"),
    ],
)
def test_what_is_said_of_a_runtime(exported, monkeypatch, faults, verdict, words):
    planted(monkeypatch, **faults)
    task = exported.task
    found = judging.judged(task, make_cases(task, None, task.shape), exported.model, "stand-in")
    assert found.verdict == verdict and words in found.detail and bool(found.detail) == (verdict != "equal")
    assert (found.matched == found.total > 0) == (verdict == "equal")
    assert len(found.detail.splitlines()) <= 1 and "Error: " not in found.detail


def test_what_differs_in_onnx_runtime_too_is_no_runtimes_fault(exported, monkeypatch):
    planted(monkeypatch)
    task, wrong = exported.task, type(exported.model)()
    wrong.CopyFrom(exported.model)
    next(node for node in wrong.graph.node if node.op_type == "Sin").op_type = "Cos"
    with pytest.raises(ExportError, match="in ONNX Runtime too the file differs: "):
        judging.judged(task, make_cases(task, None, task.shape), wrong, "stand-in")


def test_what_pytorch_does_not_do_says_nothing(exported, monkeypatch):
    planted(monkeypatch)
    task = dataclasses.replace(exported.task, predict=lambda feeds: 1 / 0)
    with pytest.raises(ExportError, match="tells nothing of a runtime: PyTorch failed: ZeroDivisionError"):
        judging.judged(task, make_cases(task, None, task.shape), exported.model, "stand-in")


def test_a_detail_names_no_folder():
    assert judging.shortened("no /home/somebody/x.py at '/a/b/c.onnx':3, 1/2") == "no x.py at 'c.onnx':3, 1/2"


@pytest.fixture
def told(monkeypatch):
    """What a child tells of the digit classifier in a runtime with these faults, whose target has this table."""

    def run(faults=None, table=ONNXRUNTIME):
        stand_in = dataclasses.replace(table, name="stand-in", engine="stand-in")
        monkeypatch.setitem(TARGETS, "stand-in", stand_in)
        planted(monkeypatch, **(faults or {}))
        found = {}
        child.run_model(CLASSIFIER, ["stand-in"], found.__setitem__)
        return found

    return run


def test_both_files_are_run_and_a_wrong_answer_differs(told):
    found = told({"wrong": {"Add": "Sub"}})
    for file in ("default", "target"):
        assert found["stand-in"][file]["verdict"] == "differs" and "probs: differ" in found["stand-in"][file]["detail"]
    assert parts_of(found["config_text"]["text"])["backbone.type"] == "MobileNetV2"


def test_what_a_table_refuses_is_refused_by_name(told):
    found = told(table=dataclasses.replace(OPENVINO, forms={"Gemm": (Form("it multiplies otherwise", "add"),)}))[
        "stand-in"
    ]
    assert found["default"]["verdict"] == "equal" and "detail" not in found["default"]
    assert found["target"]["verdict"] == "refused"
    words = ("stand-in does not support the model as it is. Gemm ", "it multiplies otherwise")
    assert all(one in found["target"]["detail"] for one in words)


def test_an_error_of_ours_is_no_verdict(told, monkeypatch):
    monkeypatch.setattr(child, "judged", lambda *args: 1 / 0)
    assert told()["stand-in"] == {"problem": "ZeroDivisionError: division by zero"}


def test_a_child_that_is_ended_says_nothing_of_where_it_was(monkeypatch, tmp_path):
    answer = {"config_text": {"text": "x"}, "a": {"default": 1}, "now": {"runtime": "b"}}

    def limited(command, limits, log, stop, env):
        (tmp_path / "answer.json").write_text(json.dumps(answer))
        return "no result after 3 s"

    monkeypatch.setattr(process, "run_limited", limited)
    found = process.run_apart(CLASSIFIER, ["a", "b", "c"], Limits(3, 8), tmp_path, Event())["runs"]
    assert found == {
        "a": {"default": 1},
        "b": {"problem": "no result after 3 s"},
        "c": {"problem": "not run, after b: no result after 3 s"},
    }
    answer["now"] = {}
    with pytest.raises(ExportError, match="digits-classifier came to no runtime: no result after 3 s"):
        process.run_apart(CLASSIFIER, ["a", "b", "c"], Limits(3, 8), tmp_path, Event())


def test_a_child_of_its_own(tmp_path):
    found = process.run_apart(CLASSIFIER, [], Limits(600, 8), tmp_path, Event())
    assert found["runs"] == {} and parts_of(found["config_text"])["type"] == "ImageClassifier"


@pytest.fixture
def files(monkeypatch, tmp_path):
    """The tool with a file of runs and a page of its own, and no child: each runtime is equal, or what is said."""
    monkeypatch.setattr(runtimes, "RUNS", tmp_path / "runs.json")
    monkeypatch.setattr(runtimes, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(runtimes, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nbehind\n")
    equal = {"verdict": "equal", "matched": 4, "total": 4}

    def apart(model, names, limits, folder, stop):
        found = {name: said.get(name, {"default": equal, "target": equal}) for name in names}
        return {"config_text": "model = dict(type='A')", "runs": found}

    said = {}
    monkeypatch.setattr(process, "run_apart", apart)
    for engine in ENGINES.values():
        monkeypatch.setenv(engine.variable, "/no/such/python")
    monkeypatch.setenv("PATH", str(tmp_path))  # without Node.js
    return said


def runs(name="yolov3"):
    return record.read(runtimes.RUNS)[name]["runs"]


def test_a_run_without_a_runtime_keeps_its_column(files, monkeypatch, capsys):
    planted(monkeypatch, name="openvino")
    planted(monkeypatch, name="mnn")
    assert runtimes.main(["yolov3", "fcos"]) == 0
    before = runs()
    assert list(before) == ["openvino", "mnn"] and before["mnn"]["version"] == "1.2.3"
    monkeypatch.setitem(ENGINES, "mnn", dataclasses.replace(ENGINES["mnn"], apart=True))
    monkeypatch.setattr(type(ENGINES["mnn"]), "command", lambda self: ["/no/such/python"])
    wrong = {"verdict": "differs", "matched": 1, "total": 4, "detail": "photograph 8x8: off"}
    files["openvino"] = {"default": wrong, "target": wrong}
    assert runtimes.main(["yolov3"]) == 0
    assert runs()["mnn"] == before["mnn"] and runs()["openvino"]["default"] == wrong
    assert runs("fcos")["openvino"] == before["openvino"]
    assert "warning: mnn is left as it was: stand_in is not installed" in capsys.readouterr().out
    page = runtimes.PAGE.read_text()
    assert "\n| YOLOv3 | differs, 1 of 4 | equal |\n" in page and "| FCOS | equal | equal |" in page
    assert "- YOLOv3, `--target openvino`, in Stand-In: differs, 1 of 4: photograph 8x8: off\n" in page
    assert page.startswith("before\n") and page.endswith("\nbehind\n") and "old" not in page


def test_of_what_nothing_could_be_said_the_old_stays(files, monkeypatch, capsys):
    planted(monkeypatch, name="mnn")
    assert runtimes.main(["yolov3"]) == 0
    before = runs()
    files["mnn"] = {"problem": "no result after 3 s"}
    assert runtimes.main(["yolov3"]) == 1
    assert runs() == before and "no result after 3 s" in capsys.readouterr().out


def test_a_page_serves_where_a_runtime_was_never_run(files, monkeypatch):
    planted(monkeypatch, name="mnn")
    (runtimes.ROOT / "docs").mkdir()
    page = runtimes.ROOT / "docs" / "coverage-pplnn.md"
    row = "| yolo | yolov3_d53_320_273e_coco.py | {} | batch, size | {}/600 | 393 | 45 |   |\n"
    head = "## MMDetection\n\n1 of 1 configs match. 2026-03-04; Python 3.11.7, mmonnx 0.0.9, torch 2.\n\n"
    page.write_text(head + row.format("run", 3))
    assert runtimes.main(["yolov3", "fcos"]) == 0 and list(runs()) == ["mnn"]
    page.write_text(head + row.format("**matched**", 599))
    assert runtimes.main(["yolov3", "fcos"]) == 0
    assert list(runs("fcos")) == ["mnn"] and runs()["pplnn"] == {
        "version": "",
        "date": "2026-03-04",
        "mmonnx": "0.0.9",
        "target": {"verdict": "equal", "matched": 599, "total": 600},
        "source": "docs/coverage-pplnn.md",
    }
    assert "| YOLOv3 | `--target`: equal | equal |" in runtimes.PAGE.read_text()
    own = {"version": "1", "date": "2026-01-01", "mmonnx": "0.0.1", "target": {"verdict": "dies"}}
    runtimes.keep(MODELS["yolov3"], "", {"pplnn": own})
    assert runtimes.main(["yolov3"]) == 0 and runs()["pplnn"] == own


def test_what_is_known_of_another_config_goes():
    known = {"config": "mmdet::old.py", "parts": {"type": "Old"}, "runs": {"mnn": {}}}
    found = record.merged(known, MODELS["fcos"], "model = dict(type='New')", {"opencv": {}})
    assert found["parts"] == {"type": "New"} and list(found["runs"]) == ["opencv"]


@pytest.mark.parametrize(
    "arguments,words",
    [
        (["none"], "'none' is none of digits-detector, "),
        (["--runtime", "tensorrt"], "'tensorrt' is none of pplnn, "),
        (["--runtime", "mnn"], "mnn is not installed; expected a runtime that is; docs/running.md says how"),
        (["--seconds", "0"], "'0' is no number of 1 or more"),
    ],
)
def test_wrong_use_is_refused_in_a_line(files, capsys, arguments, words):
    assert runtimes.main(arguments) == 2
    text = capsys.readouterr().err
    assert words in text and text.startswith("runtimes: error: ") and len(text.splitlines()) == 1
    assert not runtimes.RUNS.exists() and "old" in runtimes.PAGE.read_text()


def test_the_page_has_the_table_of_the_file():
    page = PAGE.read_text(encoding="utf-8")
    assert page == table.with_table(page, recorded()), "run python tools/runtimes.py --table"
    models = recorded()
    name, run = next(iter(models[0].runs.items()))
    worse = dataclasses.replace(run, target=dataclasses.replace(run.target, verdict="dies", detail="gone"))
    models[0].runs[name] = worse
    assert page != table.with_table(page, models)


def test_the_file_of_runs_has_every_model_and_nothing_else():
    models = recorded()
    assert [model.name for model in models] == list(MODELS) and RUNS.stat().st_size < 100_000
    for model in models:
        ours = MODELS[model.name]
        assert (model.title, model.config, model.weights) == (ours.title, ours.config, ours.weights)
        assert set(model.runs) <= {name for name, target in TARGETS.items() if target.engine in ENGINES}
        outcomes = [one for run in model.runs.values() for one in (run.default, run.target) if one]
        assert outcomes and all(run.version or run.source for run in model.runs.values())
        for outcome in outcomes:
            assert outcome.verdict in VERDICTS and bool(outcome.detail) == (outcome.verdict != "equal")
            assert outcome.verdict != "equal" or outcome.total > 0


@pytest.mark.parametrize("name", list(MODELS))
def test_the_parts_in_the_file_are_those_of_the_config(name):
    """Else ``mmonnx inspect`` would find no row, or another model's."""
    (model,) = [one for one in recorded() if one.name == name]
    owner, settings = loading.read(model.config)
    assert model.parts == parts_of(owner.text(settings)) and model.parts["type"]


def test_the_page_on_pplnn_is_read():
    found = covered.covered(ROOT, "pplnn", MODELS.values())
    assert {"faster-rcnn", "mask-rcnn", "deformable-detr"} <= set(found) and "digits-detector" not in found
    assert covered.covered(ROOT, "none", MODELS.values()) == {}
    assert all(run["date"] and run["mmonnx"] and run["target"]["total"] for run in found.values())


def test_wrong_use_is_an_error_of_input():
    with pytest.raises(InputError):
        runtimes._parser().parse_args(["--none"])
