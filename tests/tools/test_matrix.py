"""The matrix's reading of what pytest reports."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import matrix  # noqa: E402


def case(classname="tests.test_guide", name="test_mobilenet_v2", inner=""):
    return ElementTree.fromstring(f'<testcase classname="{classname}" name="{name}">{inner}</testcase>')


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
    assert all(set(reasons) <= titles for reasons in matrix.LEFT_OUT.values())


def test_the_table_has_a_row_for_each_result_and_a_note_for_each_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(matrix, "RESULTS", tmp_path)
    monkeypatch.setattr(matrix, "TABLE", tmp_path / "versions.md")
    (tmp_path / "torch1.8.json").write_text(
        '{"row": "torch1.8", "date": "2026-11-24", "versions": {"python": "3.8.18", "torch": "1.8.1"}, '
        '"checks": {"hook": "failed (1 of 2): test_it: no", "digit models": "ok (4)", "patches": "- no patch"}}'
    )
    matrix.write_table()
    text = (tmp_path / "versions.md").read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| torch1.8")]
    assert "| 3.8.18 | 1.8.1 |" in row and "| ok (4) |" in row and "failed (1 of 2)" in row
    assert "- torch1.8, hook: failed (1 of 2): test_it: no" in text and "- torch1.8, patches: no patch" in text


def test_an_unknown_row_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        matrix.main(["torch0.4"])
    assert caught.value.code == 2 and "torch0.4" in capsys.readouterr().err
