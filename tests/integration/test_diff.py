"""Reading diffs and applying them to one file."""

import pytest

from mmonnx.integration.patching.apply import Mismatch, apply_diff, is_applied
from mmonnx.integration.patching.diff import Hunk, parse
from mmonnx.support.errors import InputError

DIFF = """Fix two lines.

For the test.

--- a/tools/x.py
+++ b/tools/x.py
@@ -2,3 +2,4 @@
 two
-three
+THREE
+more
 four
@@ -7 +8 @@
-seven
+SEVEN
"""
LINES = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
TEXT = "\n".join(LINES) + "\n"


def file_diff(text=DIFF):
    (diff,) = parse(text, "x.diff").files
    return diff


def test_it_reads_the_title_the_path_and_the_hunks():
    diff = parse(DIFF, "x.diff")
    assert diff.title == "Fix two lines."
    assert diff.files[0].path == "tools/x.py"
    assert diff.files[0].hunks == (
        Hunk(2, ("two", "three", "four"), ("two", "THREE", "more", "four")),
        Hunk(7, ("seven",), ("SEVEN",)),
    )


@pytest.mark.parametrize(
    "old,new,line",
    [
        (" four\n", "", 12),  # fewer lines than the hunk says
        (" four\n", " four\n five\n", 13),  # more
        ("-three\n", "three\n", 9),  # no sign
        ("@@ -7 +8 @@", "@@ -7, +8 @@", 13),
        ("+++ b/tools/x.py", "+++ b/tools/y.py", 7),
        ("tools/x.py", "../x.py", 5),
        ("tools/x.py", "/x.py", 5),
        ("--- a/tools/x.py\n", "", 5),
        (DIFF[DIFF.index("@@ -2") :], "", 7),
        ("SEVEN\n", "SEVEN\n\\ No newline at end of file\n", 16),
    ],
)
def test_a_broken_diff_is_refused_with_its_line(old, new, line):
    text = DIFF.replace(old, new)
    assert text != DIFF
    with pytest.raises(InputError, match=f"^x.diff is broken at line {line};"):
        parse(text, "x.diff")


NEW = "Add a file.\n\n--- /dev/null\n+++ b/mmcv/new.py\n@@ -0,0 +1,2 @@\n+one\n+two\n"


def test_a_new_file():
    diff = file_diff(NEW)
    assert diff.path == "mmcv/new.py" and diff.creates
    assert apply_diff(None, diff) == "one\ntwo\n"
    assert is_applied("one\ntwo\n", diff) and not is_applied(None, diff) and not is_applied("one\n", diff)
    for text in ("", "one\ntwo\n"):
        with pytest.raises(Mismatch, match="it is there already"):
            apply_diff(text, diff)
    with pytest.raises(Mismatch, match="it is not there"):
        apply_diff(None, file_diff())


@pytest.mark.parametrize(
    "old,new,line",
    [
        ("-0,0 +1,2 @@\n+one", "-1 +1,2 @@\n one", 8),
        ("-0,0 +1,2", "-1,1 +1,2", 8),
        ("+two\n", "+two\n@@ -4,0 +5 @@\n+three\n", 10),
        ("+++ b/mmcv/new.py", "+++ b/../new.py", 4),
        ("+++ b/mmcv/new.py", "+++ /dev/null", 4),
    ],
)
def test_a_broken_new_file_is_refused_with_its_line(old, new, line):
    text = NEW.replace(old, new)
    assert text != NEW
    with pytest.raises(InputError, match=f"^x.diff is broken at line {line};"):
        parse(text, "x.diff")


def test_text_without_a_diff_is_refused():
    with pytest.raises(InputError):
        parse("A title.\n\nOnly prose.\n", "x.diff")


def test_it_applies_and_reverses():
    patched = apply_diff(TEXT, file_diff())
    assert patched == "one\ntwo\nTHREE\nmore\nfour\nfive\nsix\nSEVEN\neight\n"
    assert is_applied(patched, file_diff()) and not is_applied(TEXT, file_diff())
    assert apply_diff(patched, file_diff().reversed()) == TEXT


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n"])
def test_the_end_of_the_file_stays(end):
    text = "\n".join(LINES) + end
    assert apply_diff(text, file_diff()).endswith("SEVEN\neight" + end)


def test_a_hunk_may_be_elsewhere_if_there_is_one_such_place():
    text = "new\nlines\n" + TEXT.replace("five\n", "five\nagain\n")
    assert apply_diff(text, file_diff()) == (
        "new\nlines\none\ntwo\nTHREE\nmore\nfour\nfive\nagain\nsix\nSEVEN\neight\n"
    )


def test_the_place_it_names_wins_over_others():
    assert apply_diff(TEXT + "two\nthree\nfour\n", file_diff()).startswith("one\ntwo\nTHREE\n")


@pytest.mark.parametrize(
    "old,new,words",
    [
        ("three", "3", "hunk 1, line 3: there is '3', expected 'three'"),
        ("seven", "7", "hunk 2, line 7: there is '7', expected 'seven'"),
        ("seven\neight\n", "", "hunk 2, line 7: there is '', expected 'seven'"),
        ("one\n", "two\nthree\nfour\nx\n", "hunk 1 fits at lines 1 and 5"),
        ("three", "three ", "hunk 1, line 3: there is 'three', expected 'three'"),
    ],
)
def test_what_does_not_fit_names_the_hunk_and_the_line(old, new, words):
    with pytest.raises(Mismatch, match=words):
        apply_diff(TEXT.replace(old, new), file_diff())


def test_hunks_stay_in_their_order():
    with pytest.raises(Mismatch, match="hunk 2"):
        apply_diff("seven\n" + TEXT.replace("seven\n", ""), file_diff())
