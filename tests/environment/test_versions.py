"""Versions outside of the range are refused before anything is loaded."""

import sys
import types

import pytest

from mmonnx.environment import compat
from mmonnx.pipeline import ExportSettings, export
from mmonnx.support.errors import InputError

OUTSIDE = [("torch", "1.7.1"), ("mmcv", "1.2.7"), ("mmcv", "3.0.0"), ("mmdet", "2.13.0"), ("mmdet", "4.0.0")]
OUTSIDE += [("mmcls", "0.11.1"), ("mmcls", "1.0.0rc6"), ("mmengine", "0.6.0"), ("mmpretrain", "2.0.0")]


@pytest.fixture
def pretend(monkeypatch):
    """A function that gives a package another version."""

    def pretend(package, version):
        module = types.ModuleType(package)
        module.__version__ = version
        monkeypatch.setitem(sys.modules, package, module)

    return pretend


@pytest.mark.parametrize("package,version", OUTSIDE)
def test_a_version_outside_the_range_is_refused_with_the_way_out(pretend, package, version):
    pretend(package, version)
    with pytest.raises(InputError) as caught:
        export(ExportSettings("no such config"))
    text = str(caught.value)
    assert f"{package} {version}" in text and f"{package}{compat.SUPPORTED[package]}" in text and "pip install" in text


@pytest.mark.parametrize(
    "package,version", [("mmdet", "2.14.0"), ("mmdet", "3.3.0"), ("mmcv", "1.3.18"), ("mmcv", "2.1.0")]
)
def test_a_version_of_the_range_is_taken(pretend, package, version):
    pretend(package, version)
    compat.check_versions()


def test_what_is_installed_here_is_in_the_range():
    compat.check_versions()
    found = {package: compat.installed_version(package) for package in compat.SUPPORTED}
    assert found["torch"] and found["mmcv"] and found["mmdet"]
    for package, version in found.items():
        assert version is None or compat.version_tuple(version) >= compat.SUPPORTED[package].oldest


def test_what_is_not_installed_is_no_matter(monkeypatch):
    monkeypatch.setitem(compat.SUPPORTED, "nothing", compat.Range((9,), None, ("mmonnx-nothing-of-that-name",)))
    assert compat.installed_version("nothing") is None
    compat.check_versions()


def test_ranges_read_like_pip_requirements():
    assert str(compat.Range((2, 14), (3,), ("mmdet",))) == ">=2.14,<3"
    assert str(compat.Range((1, 8), None, ("torch",))) == ">=1.8"
