"""The project's own series."""

import itertools
import re

import pytest

from mmonnx.environment.compat import version_tuple
from mmonnx.integration.patching.series import packages, read_series
from mmonnx.support.errors import InputError
from mmonnx.support.resources import patch_root

SERIES = read_series()


def test_it_names_every_diff_once():
    names = [patch.name for patch in SERIES]
    assert sorted(names) == sorted(f"{path.parent.name}/{path.name}" for path in patch_root().rglob("*.diff"))
    assert packages(SERIES) == ["mmdet", "mmcls", "mmcv"]


@pytest.mark.parametrize("patch", SERIES, ids=lambda patch: patch.name)
def test_a_patch_has_a_title_a_range_and_little_context(patch):
    assert re.fullmatch(r"\S.*\.", patch.diff.title)
    assert version_tuple(patch.first) <= version_tuple(patch.last)
    assert patch.covers(patch.first) and patch.covers(patch.last) and not patch.covers("9.9.9")
    for file in (file for file in patch.diff.files if not file.creates):
        for hunk in file.hunks:
            assert hunk.old[0] == hunk.new[0] and hunk.old[-1] == hunk.new[-1]  # as patch and git apply want it
            changed = [old != new for old, new in itertools.zip_longest(hunk.old[:2], hunk.new[:2])]
            assert any(changed), "more context than a line"


def test_the_variants_of_a_patch_do_not_overlap():
    for one, other in itertools.combinations(SERIES, 2):
        if re.sub(r"-[\d.]+\.diff", "", one.name) == re.sub(r"-[\d.]+\.diff", "", other.name):
            assert version_tuple(one.last) < version_tuple(other.first)


def test_the_readme_tells_of_every_patch():
    text = (patch_root() / "README.md").read_text(encoding="utf-8")
    for patch in SERIES:
        name = patch.name[: -len(".diff")]
        stem = re.sub(r"-[\d.]+$", "", name)
        assert f"| {stem}" in text and name[len(stem) :] in text


@pytest.mark.parametrize("line", ["mmdet/a.diff 1.0", "mmdet/a.diff 1.0 2.0 installed", "a.diff 1.0 2.0"])
def test_a_broken_series_is_refused_with_its_line(tmp_path, line):
    (tmp_path / "series").write_text(f"# comment\n{line}\n")
    with pytest.raises(InputError, match="broken at line 2"):
        read_series(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    (tmp_path / "series").write_text("mmdet/a.diff 1.0 2.0\n")
    with pytest.raises(InputError, match="a.diff cannot be read"):
        read_series(tmp_path)
