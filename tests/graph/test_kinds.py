"""Of what kind a file's model is, and the runs of that kind that ``mmonnx inspect`` shows."""

import json
import re
from pathlib import Path

import onnx
import pytest

from mmonnx import cli
from mmonnx.graph import kinds
from mmonnx.graph.kinds import parts_of, runs_of
from mmonnx.targets import TARGETS, ModelRuns, Outcome, Run

# files alone: no stack's torch has a part in it
pytestmark = pytest.mark.once

CALLS = """
classes = ("cat",)
model = dict(
    type="Found",
    backbone=dict(type="Net", depth=50, out=(1, dict(type="Item")), norm_cfg=dict(type="BN", requires_grad=True)),
    roi_head=dict(heads=[dict(type="First", loss_cls=dict(type="Loss")), dict(type="Second", num_classes=80)]),
    init_cfg=dict(type="Pretrained"),
    train_cfg=dict(assigner=dict(type="Assigner")),
    test_cfg=dict(nms=dict(type="nms")),
)
optimizer = dict(type="SGD")
"""
PARTS = {
    "type": "Found",
    "backbone.type": "Net",
    "backbone.depth": "50",
    "backbone.out.1.type": "Item",
    "backbone.norm_cfg.type": "BN",
    "roi_head.heads.0.type": "First",
    "roi_head.heads.1.type": "Second",
    "test_cfg.nms.type": "nms",
}
EQUAL, DIES = Outcome("equal", 5, 5), Outcome("dies", detail="dark 64x64: died from SIGFPE")


def row(name, parts=PARTS, **runs):
    return ModelRuns(name, f"title of {name}", f"mmdet::{name}.py", "random", parts, runs)


def ran(default, target, **more):
    return Run("5.0.0", "2026-01-02", "0.1.0", default, target, **more)


def metadata(text=CALLS, config="own.py", target="onnxruntime", task="detection"):
    return {
        "mmonnx.config_text": text,
        "mmonnx.config": config,
        "mmonnx.target": target,
        "mmonnx.task": task,
    }


@pytest.fixture
def rows(monkeypatch):
    """Let these be the rows of the file of runs."""
    return lambda *found: monkeypatch.setattr(kinds, "recorded", lambda: list(found))


def test_parts_of_both_ways_to_write_a_config():
    assert parts_of(CALLS) == PARTS
    scope = {}
    exec(CALLS, scope)
    assert parts_of(f"classes = ()\nmodel = {scope['model']!r}\nother = 1\n") == PARTS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model = None",
        "models = dict(type='A')",
        "model = dict(type='A'",
        "model = dict(type='A\n')",
        "model = dict(type=f'{1}'",
        "model = " + "(" * 5000,
        "model = dict(" + "a=[" * 5000,
        "model = dict(type='A')  # " + "x" * 200_000,
        "model = {" + "'a': " * 5000,
        "model = dict(]",
        "model = dict(\x00)",
        "model = dict(type='\\x')",
    ],
)
def test_what_is_no_config_has_no_parts(text):
    assert parts_of(text) == {}


def test_a_model_of_the_same_parts_is_of_the_kind(rows):
    other = {**PARTS, "backbone.type": "OtherNet"}
    rows(row("other", other, opencv=ran(EQUAL, EQUAL)), row("same", opencv=ran(DIES, EQUAL)))
    found = runs_of(metadata(CALLS.replace("num_classes=80", "num_classes=2").replace("depth=50", "depth=101")))
    assert found["config"] == "mmdet::same.py" and list(found["runtimes"]) == ["opencv"]
    assert found["runtimes"]["opencv"]["target"]["verdict"] == "equal" and json.dumps(found)


@pytest.mark.parametrize(
    "about",
    [
        metadata(""),
        metadata(CALLS.replace("nms", "soft_nms")),
        metadata(CALLS.replace('type="Second"', 'type="Third"')),
        metadata(task="raw"),
        {},
    ],
)
def test_of_another_kind_nothing_is_said(rows, about):
    rows(row("same", opencv=ran(EQUAL, EQUAL)), row("nothing", {}, opencv=ran(EQUAL, EQUAL)))
    assert runs_of(metadata()) is not None
    assert runs_of(about) is None


def test_of_several_the_config_itself_goes_first_then_the_depth(rows):
    rows(row("deep", {**PARTS, "backbone.depth": "18"}), row("same"), row("deeper", {**PARTS, "backbone.depth": "101"}))
    assert runs_of(metadata())["config"] == "mmdet::same.py"
    assert runs_of(metadata(CALLS.replace("50", "101")))["config"] == "mmdet::deeper.py"
    assert runs_of(metadata(config="mmdet::deep.py"))["config"] == "mmdet::deep.py"


def test_a_run_in_a_line(rows):
    page = ran(None, EQUAL, source="docs/coverage-pplnn.md")
    rows(row("same", opencv=ran(DIES, EQUAL), mnn=ran(EQUAL, EQUAL), pplnn=page))

    def told(target):
        return {name: run["told"] for name, run in runs_of(metadata(target=target))["runtimes"].items()}

    both = "with --target opencv: equal; default file: dies (OpenCV 5.0.0, 2026-01-02)"
    assert told("onnxruntime") == {
        "opencv": f"{both}: dark 64x64: died from SIGFPE",
        "mnn": "equal (MNN 5.0.0, 2026-01-02)",
        "pplnn": "with --target pplnn: equal (docs/coverage-pplnn.md, 2026-01-02)",
    }
    assert told("opencv")["opencv"] == both == told("mnn")["opencv"] == told(["no", "name"])["opencv"]


def test_outcomes_in_a_line():
    some, more = Outcome("differs", 3, 9, "a"), Outcome("differs", 4, 9, "b")
    assert ran(some, more).told("x") == "with --target x: differs, 4 of 9; default file: differs, 3 of 9"
    assert ran(some, Outcome("differs", 3, 9, "b")).told("x") == "differs, 3 of 9"
    assert ran(EQUAL, None).told("x") == "default file: equal" and ran(None, None).told("x") == "not run"


@pytest.fixture
def file(tmp_path):
    """A file with the metadata of a detector, and with what else is asked for."""

    def make(domain="", **about):
        text = '<ir_version: 8, opset_import: ["": 11, "mmcv": 1]> g (float[n,3] x) => (float[n,3] y) {y = Relu (x)}'
        model = onnx.parser.parse_model(text)
        model.graph.node[0].domain = domain
        onnx.helper.set_model_props(model, {key: str(value) for key, value in metadata(**about).items()})
        path = str(tmp_path / f"{len(list(tmp_path.iterdir()))}.onnx")
        onnx.save(model, path)
        return path

    return make


def test_inspect_shows_the_runs_beside_what_each_target_takes(rows, file, capfd):
    rows(row("same", opencv=ran(DIES, EQUAL)))
    assert cli.main(["inspect", file(text=CALLS)]) == 0
    text = " ".join(capfd.readouterr().out.split())
    assert "kind that of title of same (mmdet::same.py, random weights), whose files were run in other" in text
    shown = re.search(
        r"opencv (supports every node|\d+ findings, first: .*?) a file of this kind, run: (.*?) mnn ", text
    )
    assert shown[2] == "with --target opencv: equal; default file: dies (OpenCV 5.0.0, 2026-01-02): " + DIES.detail
    assert text.count("a file of this kind, run:") == 1
    assert cli.main(["inspect", file(text=CALLS), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["runs"]["runtimes"]["opencv"]["default"]["verdict"] == "dies"


def test_inspect_says_nothing_of_a_file_of_no_such_kind(rows, file, capfd):
    rows(row("same", opencv=ran(DIES, EQUAL)))
    for path in (file(text="model = dict(type='B')"), file(domain="mmcv")):
        assert cli.main(["inspect", path]) == 0
        text = capfd.readouterr().out
        assert "opencv" in text and "of this kind" not in text and "kind " not in text
        assert cli.main(["inspect", path, "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["runs"] is None


def test_the_page_shows_the_runs_too(rows, file, tmp_path):
    rows(row("same", opencv=ran(DIES, EQUAL)))
    for path, shown in ((file(text=CALLS), True), (file(text=""), False)):
        assert cli.main(["inspect", path, "--html", str(tmp_path / "page.html")]) == 0
        text = Path(tmp_path / "page.html").read_text(encoding="utf-8")
        assert ("A file of this kind, run: with --target opencv: equal; default file: dies" in text) == shown
        assert ("of the kind of title of same" in text) == shown
    assert set(TARGETS) > {"opencv"}
