"""What is printed: plain lines for a pipe, the same with colours and bars for a terminal."""

import dataclasses
import io

import pytest
from onnx import TensorProto, helper

from mmonnx.exporting.summary import describe_value, summary
from mmonnx.terminal import Report
from mmonnx.verifying.table import show_verification
from mmonnx.verifying.verification import CaseResult, Goal, Verification


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    # What makes rich take a pipe for a terminal elsewhere must not do so here; and a terminal keeps its colours.
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)


def lines_of(report):
    return report.console.file.getvalue().splitlines()


@pytest.fixture
def model():
    graph = helper.make_graph(
        [helper.make_node("Relu", ["input"], ["probs"])],
        "graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
        [helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["batch", 3, None, 8])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11), helper.make_opsetid("mmcv", 1)])


GOOD = CaseResult("photograph 64x64", (64, 64), 1, 99, 100, 2, 1.2e-4, 3e-6, ok=True)
BAD = CaseResult(
    "blank 64x64", (64, 64), 1, 1, 2, 0, 0.25, 1e-5, ok=False, problems=["label 3 is off", "[red]label[/red]"]
)
EMPTY = CaseResult("photograph 32x32 batch 2", (32, 32), 2, ok=True)


def test_a_stage_is_one_line():
    report = Report(io.StringIO())
    with report.stage("trace") as stage:
        assert list(stage.progress([1, 2, 3])) == [1, 2, 3]
        stage.note("926 nodes")
        stage.note("145.4 MiB")
    (line,) = lines_of(report)
    assert line.startswith("trace      926 nodes, 145.4 MiB ") and line.endswith(" s") and len(line) <= 80


def test_a_stage_that_fails_says_so():
    report = Report(io.StringIO())
    with pytest.raises(ValueError), report.stage("simplify") as stage:
        stage.note("onnxsim")
        raise ValueError
    (line,) = lines_of(report)
    assert line.startswith("simplify   failed, onnxsim")


def test_progress_of_an_iterator():
    report = Report(Terminal())
    with report.stage("verify") as stage:
        assert list(stage.progress(iter("abc"), total=3)) == ["a", "b", "c"]
    assert "verify" in report.console.file.getvalue()


def test_a_pipe_gets_no_control_characters(model):
    report = Report(io.StringIO())
    with report.stage("trace") as stage:
        list(stage.progress(range(3)))
    report.warn("careful [bold]now[/bold] " + "x" * 100)
    report.table(summary(model, 12, "onnxsim", Verification([GOOD, BAD]), ["a note " * 30], "folder/" * 20 + "x.onnx"))
    show_verification(report, Verification([GOOD, BAD, EMPTY]))
    report.next_command("mmonnx run " + "y" * 100)
    text = report.console.file.getvalue()
    assert not [letter for letter in text if ord(letter) < 32 and letter != "\n"]
    lines = text.splitlines()
    assert all(line == line.rstrip() for line in lines)
    # What is to be searched for or copied stays on its line; tables keep to the width.
    assert "warning: careful [bold]now[/bold] " + "x" * 100 in lines
    assert "next: mmonnx run " + "y" * 100 in lines
    assert all(len(line) <= 80 for line in lines if "xxx" not in line and "yyy" not in line)


def test_a_terminal_gets_the_same_words(model):
    plain, terminal = Report(io.StringIO()), Report(Terminal())
    for report in (plain, terminal):
        show_verification(report, Verification([GOOD, BAD]))
    assert "\x1b[" in terminal.console.file.getvalue()
    assert "mismatch" in terminal.console.file.getvalue()


def test_the_table_of_cases():
    report = Report(io.StringIO())
    show_verification(report, Verification([GOOD, BAD, EMPTY]))
    lines = lines_of(report)
    cells = {line.split("  ")[0].strip(): line.split() for line in lines if line}
    assert cells["photograph 64x64"][2:] == ["99/100", "2", "1.2e-04", "3.0e-06", "ok"]
    assert cells["blank 64x64"][2:] == ["1/2", "0", "0.25", "1.0e-05", "mismatch"]
    assert cells["photograph 32x32 batch 2"][4:] == ["0/0", "0", "-", "-", "empty"]
    assert lines[-2:] == ["blank 64x64: label 3 is off", "blank 64x64: [red]label[/red]"]
    assert lines[1].split() == ["case", "matched", "excused", "box", "px", "score", "verdict"]


def test_columns_are_there_when_they_say_something():
    report = Report(io.StringIO())
    show_verification(report, Verification([dataclasses.replace(GOOD, excused=0, max_mask=0.02)]))
    assert lines_of(report)[1].split() == ["case", "matched", "box", "px", "score", "mask", "verdict"]


@pytest.mark.parametrize("change", [{"max_mask": 1.5e-4, "excused": 0}, {"excused": 12}])
@pytest.mark.parametrize("columns", ["80", "40"])
def test_a_case_keeps_to_its_line(monkeypatch, change, columns):
    monkeypatch.setenv("COLUMNS", columns)
    report = Report(io.StringIO())
    name = "photograph 1344x1344 batch 2"
    show_verification(report, Verification([dataclasses.replace(GOOD, name=name, ok=False, **change)]))
    (line,) = [line for line in lines_of(report) if name in line]
    assert line.split()[4] == "99/100" and line.endswith("mismatch") and len(line) <= 80


def test_what_was_exercised_and_what_was_not():
    report = Report(io.StringIO())
    goals = [Goal("detections", True), Goal("classes", False, "3 of 10"), Goal("the limit", True, "100 detections")]
    show_verification(report, Verification([GOOD], goals))
    assert lines_of(report)[-2:] == [
        "exercised: detections; the limit (100 detections)",
        "not exercised: classes (3 of 10)",
    ]


def test_what_the_noise_of_pytorch_made_necessary_is_said():
    report = Report(io.StringIO())
    show_verification(report, Verification([dataclasses.replace(GOOD, allowed=(0.08, 2e-4)), EMPTY]))
    lines = [line for line in lines_of(report) if "64x64" in line or "32x32" in line]
    assert "0.08 px" in lines[0] and lines[1].split()[-2:] == ["-", "empty"]


def test_cases_without_anything_to_find_do_not_count(model):
    def verdict(*results):
        return dict(summary(model, verified=Verification(list(results))))["verified"]

    assert verdict(GOOD, EMPTY) == "1 of 1 cases agree with PyTorch; 1 without anything to find"
    assert verdict(GOOD, BAD, EMPTY) == "1 of 2 cases; not: blank 64x64; 1 without anything to find"
    assert verdict(EMPTY) == "no answer was compared; 1 without anything to find"
    assert not Verification([EMPTY]).ok and Verification([GOOD, EMPTY]).ok and not Verification([GOOD, BAD]).ok


def test_a_longer_text_stays_as_it_is():
    report = Report(io.StringIO())
    report.text("%x[1] [bold]\n  " + "y" * 200)
    assert lines_of(report) == ["%x[1] [bold]", "  " + "y" * 200]


def test_the_closing_table(model):
    rows = dict(summary(model, 12, "onnxsim", Verification([GOOD, BAD]), ["an axis stays static"], "x.onnx"))
    assert rows["file"].startswith("x.onnx, ") and rows["file"].endswith(" B")
    assert rows["input"] == "input float32 (batch, 3, height, width)"
    assert rows["output"] == "probs float32 (batch, 3, ?, 8)"
    assert rows["opset"] == "onnx 11, mmcv 1"
    assert rows["nodes"] == "12 before, 1 after onnxsim"
    assert rows["verified"] == "1 of 2 cases; not: blank 64x64"
    assert rows["note"] == "an axis stays static"


def test_the_closing_table_does_not_claim_what_was_not_done(model):
    rows = dict(summary(model, 1, None))
    assert rows["nodes"] == "1, not simplified"
    assert "not asked for" in rows["verified"]
    assert dict(summary(model, verified=Verification([GOOD])))["verified"] == "1 of 1 cases agree with PyTorch"


def test_scalars_and_unknown_axes():
    assert describe_value(helper.make_tensor_value_info("n", TensorProto.INT64, [])) == "n int64 ()"
