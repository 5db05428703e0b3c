"""The matrix's reading of what pytest reports."""

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import matrix  # noqa: E402

pytestmark = pytest.mark.once


def case(classname="tests.test_guide", name="test_mobilenet_v2", inner=""):
    return ElementTree.fromstring(f'<testcase classname="{classname}" name="{name}">{inner}</testcase>')


DATE = "2026-11-24"
FAILURE = '<failure message="assert 1 == 2">text</failure>'


def test_a_case_belongs_to_the_check_that_names_it():
    first, second = matrix.CHECKS[:2]
    assert matrix.belongs(case(), first) and not matrix.belongs(case(), second)
    assert matrix.belongs(case(name="test_faster_rcnn[photograph-shape1-2]"), second)
    assert not matrix.belongs(case(name="test_faster_rcnn[blank-shape1-2]"), second)
    digits = next(check for check in matrix.CHECKS if check.title == "digit models")
    assert matrix.belongs(case("tests.tools.test_demo", "test_any"), digits)
    assert not matrix.belongs(case("tests.tools.test_demo_of_more", "test_any"), digits)


@pytest.mark.parametrize(
    "inner,verdict",
    [
        ([""], "ok (1)"),
        (["", "<skipped/>"], "ok (1)"),
        (["<skipped/>"], "failed: no test ran to its end"),
        ([], "failed: no test ran to its end"),
        (["", FAILURE, FAILURE], "failed (2 of 3): test_mobilenet_v2: assert 1 == 2"),
    ],
)
def test_a_check_is_judged_by_its_cases_and_tells_the_first_cause(inner, verdict):
    assert matrix.judge([case(inner=one) for one in inner]) == verdict


def test_every_row_is_a_stack_and_every_test_of_the_table_is_named_once():
    assert set(matrix.ROWS) <= set(matrix.STACKS)
    nodes = [node for check in matrix.CHECKS for node in check.nodes]
    assert len(set(nodes)) == len(nodes)
    titles = {check.title for check in matrix.CHECKS}
    assert all(set(notes) <= titles for told in (matrix.LEFT_OUT, matrix.NOTED) for notes in told.values())


def test_the_tables_have_a_row_for_each_result_and_a_note_for_what_is_to_be_told(tmp_path, monkeypatch):
    for name, file in (("RESULTS", "versions.json"), ("TABLE", "versions.md"), ("README", "README.md")):
        monkeypatch.setattr(matrix, name, tmp_path / file)
    (tmp_path / "README.md").write_text(f"before\n{matrix.BEGIN}\n| old |\n{matrix.END}\nafter\n")
    checks = {"hook": "failed (1 of 2): test_it: no", "digit models": "ok (4)", "patches": "- no patch"}
    versions = {"python": "3.8.18", "torch": "1.8.1"}
    matrix.keep({"row": "torch1.13", "date": DATE, "versions": versions, "checks": {"hook": "failed"}})
    later = {"upstream's command": "ok (6)", "hook": "ok (2)"}
    for row, given in (("torch1.8", checks), ("torch1.13", later)):
        matrix.keep({"row": row, "date": DATE, "versions": versions, "checks": given})
    matrix.write_tables()
    text = (tmp_path / "versions.md").read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| torch1.8 ")]
    assert "| 3.8.18 | 1.8.1 |" in row and "| ok (4) |" in row and "failed (1 of 2)" in row
    assert "- torch1.8, hook: failed (1 of 2): test_it: no" in text and "- torch1.8, patches: no patch" in text
    assert "- torch1.13, upstream's command: after `mmonnx patch" in text and "torch1.13, hook" not in text
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("before\n") and readme.endswith("\nafter\n") and "old" not in readme
    assert "| 3.8.18 | 1.8.1 |  |  |  |  |  | 1 of 2 | 2026-11-24 |" in readme and "| 2 of 2 |" in readme


def test_a_row_of_openmmlab2_has_its_own_checks_table_and_packages(monkeypatch, tmp_path):
    first, second = matrix.checks_of("default"), matrix.checks_of("openmmlab2")
    assert first and second and not set(first) & set(second)
    result = {"row": "openmmlab2", "date": DATE, "checks": {second[0].title: "ok (1)"}}
    text = matrix.page([{**result, "versions": {"python": "3.11.7", "mmpretrain": "1.2.0"}}])
    before, after = text.split("## OpenMMLab 2.x")
    assert "openmmlab2" not in before and "| 1.2.0 |" in after and "| ok (1) |" in after and "mmcls" not in after
    known = {"python": "3.11.7", "mmcv-lite": "2.1.0", "onedl-mmdetection": "3.5.1", "torch": "2.14.1"}
    monkeypatch.setattr(matrix.subprocess, "check_output", lambda command: json.dumps(known).encode())
    found = {"python": "3.11.7", "mmcv": "2.1.0", "mmdet": "3.5.1", "torch": "2.14.1"}
    assert matrix.versions(tmp_path) == found


def test_an_unknown_row_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        matrix.main(["torch0.4"])
    assert caught.value.code == 2 and "torch0.4" in capsys.readouterr().err


@pytest.mark.parametrize(
    "given, status", [([["-"], ["-"]], matrix.SKIPPED), ([["-"], ["ok"]], 0), ([["ok"], ["ok", "failed"]], 1)]
)
def test_a_row_without_a_python_is_no_failure_and_no_success(given, status, monkeypatch, capsys):
    monkeypatch.setattr(matrix, "run_row", lambda *arguments: given.pop(0))
    assert matrix.main(["--short", "torch1.8", "newest"]) == status
    assert " in " in capsys.readouterr().out
