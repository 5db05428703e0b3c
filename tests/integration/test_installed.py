"""The patches on copies of the packages of this environment, whatever their versions."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from mmonnx import cli

PACKAGES = ("mmdet", "mmcls", "mmcv")


def python_files(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def site(tmp_path):
    """Copies of the installed packages."""
    for package in PACKAGES:
        source = Path(importlib.util.find_spec(package).origin).parent
        ignored = shutil.ignore_patterns("__pycache__", "mmonnx-patches.json")
        shutil.copytree(str(source), str(tmp_path / package), ignore=ignored)
    return tmp_path


def run(action, root):
    return cli.main(["patch", f"--{action}", "--root", str(root)])


def test_they_apply_and_revert(site, capsys):
    before = python_files(site)
    assert run("check", site) == 0, capsys.readouterr()
    assert run("apply", site) == 0, capsys.readouterr()
    after = python_files(site)
    assert [name for name in before if before[name] != after[name]], "no patch is for these versions"
    for name, text in after.items():
        if name.endswith(".py") and before.get(name) != text:
            compile(text, name, "exec")
    assert run("revert", site) == 0
    assert python_files(site) == before
