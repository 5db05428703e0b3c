"""``mmonnx patch`` on a small package: all or nothing, repeatable, reversible, and what it says."""

import json
import os
import subprocess
import sys

import pytest

from mmonnx import cli
from mmonnx.integration.patching import command
from mmonnx.integration.patching.series import read_series

DIFFS = {
    "first": "Fix a.\n\n--- a/mmdet/a.py\n+++ b/mmdet/a.py\n@@ -1,2 +1,2 @@\n-a = 1\n+a = 2\n b = 1\n",
    "second": "Fix both.\n\n--- a/mmdet/a.py\n+++ b/mmdet/a.py\n@@ -1,2 +1,2 @@\n a = 2\n-b = 1\n+b = 2\n"
    "--- a/tools/t.py\n+++ b/tools/t.py\n@@ -1 +1 @@\n-t = 1\n+t = 2\n",
    "build": "Fix the build.\n\n--- a/setup.py\n+++ b/setup.py\n@@ -1 +1 @@\n-s = 1\n+s = 2\n",
}
PATCHED = {"mmdet/a.py": "a = 2\nb = 2\n", "mmdet/.mim/tools/t.py": "t = 2\n"}


@pytest.fixture
def series(tmp_path, monkeypatch):
    """A function that writes a series and lets the command use it."""
    folder = tmp_path / "patches"

    def write(diffs, lines):
        (folder / "mmdet").mkdir(parents=True, exist_ok=True)
        for name, text in diffs.items():
            (folder / "mmdet" / f"{name}.diff").write_text(text)
        (folder / "series").write_text("# a comment\n" + lines)
        monkeypatch.setattr(command, "read_series", lambda: read_series(folder))

    write(
        DIFFS,
        "mmdet/first.diff 2.0.0 2.9.0\nmmdet/second.diff 2.1.0 2.9.0\nmmdet/build.diff 2.0.0 2.9.0 checkout\n",
    )
    return write


@pytest.fixture
def root(tmp_path, series):
    """An installed package."""
    return package(tmp_path / "site")


def package(root, version="2.5.0"):
    for name, text in {
        "mmdet/__init__.py": "",
        "mmdet/version.py": f"__version__ = '{version}'\n",
        "mmdet/a.py": "a = 1\nb = 1\n",
        "mmdet/.mim/tools/t.py": "t = 1\n",
        "tools/t.py": "somebody else's\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def content(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def run(capsys):
    """Run an action; its status and what it printed, which must be lines without a traceback."""

    def run(action, root, *more):
        capsys.readouterr()
        status = cli.main(["patch", f"--{action}", "--root", str(root), *more])
        text = capsys.readouterr()
        assert "Traceback" not in text.err
        assert len(text.err.splitlines()) == (1 if status == 2 else 0)
        return status, text.out + text.err

    return run


def test_apply_repeat_and_revert(root, run):
    before = content(root)
    assert run("check", root) == (0, f"mmdet 2.5.0 in {root}: 2 patches apply\n")
    assert content(root) == before
    assert run("apply", root) == (0, f"mmdet 2.5.0 in {root}: 2 patches applied to 2 files\n")
    applied = content(root)
    assert {name: applied[name].decode() for name in PATCHED} == PATCHED
    assert applied["tools/t.py"] == before["tools/t.py"]
    assert run("check", root) == (0, f"mmdet 2.5.0 in {root}: 2 patches applied already\n")
    assert run("apply", root) == (0, f"mmdet 2.5.0 in {root}: 2 patches applied already\n")
    assert content(root) == applied
    assert run("revert", root) == (0, f"mmdet 2.5.0 in {root}: 2 files as before the patches\n")
    assert content(root) == before
    assert run("revert", root) == (0, f"mmdet 2.5.0 in {root}: nothing to revert\n")


def test_a_checkout_has_its_tools_at_the_top_and_its_build(root, run):
    (root / "setup.py").write_text("s = 1\n")
    (root / "tools" / "t.py").write_text("t = 1\n")
    before = content(root)
    status, text = run("apply", root)
    assert status == 0 and "3 patches applied to 3 files" in text
    assert (root / "tools" / "t.py").read_text() == "t = 2\n" and (root / "setup.py").read_text() == "s = 2\n"
    assert (root / "mmdet" / ".mim" / "tools" / "t.py").read_text() == "t = 1\n"
    run("revert", root)
    assert content(root) == before


def test_permissions_and_links_stay(root, run):
    tool, target = root / "mmdet" / ".mim" / "tools" / "t.py", root / "real.py"
    tool.rename(target)
    tool.symlink_to(target)
    target.chmod(0o755)
    assert run("apply", root)[0] == 0
    assert tool.is_symlink() and target.read_text() == "t = 2\n" and target.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "name,text,words",
    [
        (
            "mmdet/.mim/tools/t.py",
            "t = 7\n",
            "mmdet/.mim/tools/t.py: hunk 1, line 1: there is 't = 7', expected 't = 1'",
        ),
        ("mmdet/a.py", "a = 2\nb = 1\n", "mmdet/first.diff does not apply: mmdet/a.py: it is there already"),
        ("mmdet/a.py", None, "mmdet/a.py cannot be read: No such file"),
        ("mmdet/a.py", b"a = 1\nb = '\xe9'\n", "mmdet/a.py cannot be read: it is no UTF-8"),
    ],
)
def test_code_that_differs_is_refused_whole(root, run, name, text, words):
    if text is None:
        (root / name).unlink()
    else:
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    before = content(root)
    status, told = run("apply", root)
    assert status == 2 and words in told
    status, told = run("check", root)
    assert status == 1 and words in told
    assert content(root) == before


def test_a_patched_file_that_was_edited_is_left_alone(root, run):
    run("apply", root)
    (root / "mmdet" / "a.py").write_text("a = 2\nb = 2\nmine = 3\n")
    before = content(root)
    for action in ("apply", "revert"):
        status, told = run(action, root)
        assert status == 2 and "mmdet/a.py was changed since the patches were applied" in told
    assert content(root) == before


def test_a_reinstalled_package_is_patched_again(root, run):
    run("apply", root)
    package(root)
    assert "2 patches apply" in run("check", root)[1]
    assert "2 patches applied to 2 files" in run("apply", root)[1]
    package(root, "2.6.0")  # another version, in which the code is another too
    (root / "mmdet" / "a.py").write_text("# new\na = 1\nb = 1\n")
    before = content(root)
    assert "2 patches applied to 2 files" in run("apply", root)[1]
    run("revert", root)
    del before["mmdet/mmonnx-patches.json"]
    assert content(root) == before


def test_a_newer_series_replaces_what_an_older_one_did(root, run, series):
    before = content(root)
    run("apply", root)
    series({"first": DIFFS["first"].replace("+a = 2", "+a = 5")}, "mmdet/first.diff 2.0.0 2.9.0\n")
    assert "1 patch applied to 1 file" in run("apply", root)[1]
    assert (root / "mmdet" / "a.py").read_text() == "a = 5\nb = 1\n"
    assert (root / "mmdet" / ".mim" / "tools" / "t.py").read_text() == "t = 1\n"
    run("revert", root)
    assert content(root) == before


@pytest.mark.parametrize("action", ["apply", "revert"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("which", [1, 2, 3])
def test_a_file_that_cannot_be_written_midway_leaves_all_as_before(root, run, monkeypatch, action, error, which):
    if action == "revert":
        run("apply", root)
    before = content(root)
    name = "unlink" if action == "revert" and which == 3 else "replace"
    real, calls = getattr(os, name), []

    def fail(source, *more, **kwargs):
        calls.append(source)
        if len(calls) == (1 if name == "unlink" else which):
            raise error
        return real(source, *more, **kwargs)

    if name == "unlink":
        record = type(root / "x")
        monkeypatch.setattr(record, "unlink", lambda path: fail(str(path)) if path.suffix == ".json" else real(path))
    else:
        monkeypatch.setattr(os, "replace", fail)
    status = cli.main(["patch", f"--{action}", "--root", str(root)])
    monkeypatch.undo()
    assert calls and status == (2 if isinstance(error, OSError) else 130)
    assert content(root) == before


@pytest.mark.parametrize("done", [[], ["mmdet/a.py"], ["mmdet/.mim/tools/t.py"]])
def test_a_killed_apply_can_be_finished_or_taken_back(root, run, done):
    before = content(root)
    run("apply", root)
    applied = content(root)
    for action, expected in (("apply", applied), ("revert", before)):
        for name in PATCHED:  # as the kill left them: the record is the first that is written
            (root / name).write_bytes((applied if name in done else before)[name])
        assert run(action, root)[0] == 0
        assert content(root) == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda data: "{",
        lambda data: "[]",
        lambda data: json.dumps({**data, "files": {"../a.py": next(iter(data["files"].values()))}}),
        lambda data: json.dumps(data).replace("b = 1", "b = 9"),
        lambda data: json.dumps({**data, "files": {"mmdet/a.py": {}}}),
    ],
)
def test_a_broken_record_is_refused(root, run, change):
    run("apply", root)
    record = root / "mmdet" / "mmonnx-patches.json"
    record.write_text(change(json.loads(record.read_text())))
    before = content(root)
    for action in ("check", "apply", "revert", "list"):
        status, told = run(action, root)
        assert status == 2 and "mmonnx-patches.json' cannot be read" in told
    assert content(root) == before


def test_a_version_that_no_patch_is_for(root, run):
    package(root, "3.0.0")
    assert run("check", root)[0] == 1
    status, told = run("apply", root)
    assert status == 2 and "mmdet 3.0.0" in told and "2.0.0 - 2.9.0" in told
    assert run("revert", root)[0] == 0


def test_a_wrong_root_or_package(tmp_path, root, run):
    assert "is not a folder" in run("apply", tmp_path / "none")[1]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "none of mmdet is in" in run("apply", empty)[1]
    assert "mmdet is not in" in run("apply", empty, "--package", "mmdet")[1]
    assert "--package mmseg has no patches; expected one of mmdet" in run("apply", root, "--package", "mmseg")[1]
    (root / "mmdet" / "version.py").write_text("version = 2\n")
    assert "names no version" in run("apply", root)[1]
    for arguments in ([], ["--apply", "--revert"]):
        assert cli.main(["patch", *arguments, "--root", str(root)]) == 2


def test_the_list_shows_each_patch_with_its_state(root, run):
    status, text = run("list", root)
    assert status == 0
    states = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "applies" in states["first"] and "Fix a." in states["first"] and "for a checkout" in states["build"]
    package(root, "2.0.0")
    assert "for 2.1.0 - 2.9.0" in run("list", root)[1]
    run("apply", root)
    assert "applied" in run("list", root)[1]


def test_the_installed_package_is_the_default(root):
    code = (
        "import sys; from pathlib import Path; from mmonnx import cli;"
        "from mmonnx.integration.patching import command, series;"
        f"command.read_series = lambda: series.read_series(Path({str(root.parent / 'patches')!r}));"
        "sys.exit(cli.main(['patch', '--apply']))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True)
    assert f"mmdet 2.5.0 in {root}: 2 patches applied to 2 files" in done.stdout.decode()
