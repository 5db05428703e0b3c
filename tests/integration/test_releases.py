"""The patches on upstream's own releases, which come from the package index: each one applies exactly in its range."""

import itertools
import os
import py_compile
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from mmonnx import cli
from mmonnx.integration.patching.plan import patches_for
from mmonnx.integration.patching.series import read_series
from mmonnx.integration.patching.target import find_targets
from mmonnx.support.resources import patch_root

pytestmark = pytest.mark.once

WHEELS = {"mmdet": ["2.17.0", "2.20.0", "2.25.3", "2.28.2"], "mmcls": ["0.16.0", "0.20.1", "0.25.0"]}
SDISTS = {"mmcv-full": ["1.3.18", "1.5.3", "1.7.2"]}
RELEASES = [(name, version) for name, versions in [*WHEELS.items(), *SDISTS.items()] for version in versions]
NAMES = [f"{name}-{version}" for name, version in RELEASES]


@pytest.fixture(scope="session")
def fetch(tmp_path_factory):
    """A function that gives the folder of a release's Python files, unpacked once."""
    folder = tmp_path_factory.mktemp("releases")

    def fetch(name, version):
        target = folder / f"{name}-{version}"
        if not target.is_dir():
            # an sdist tells its name only to a build, for which it wants what is installed here
            kind = ["--no-binary", ":all:", "--no-build-isolation"] if name in SDISTS else ["--only-binary", ":all:"]
            options = ["-q", "--no-deps", "--retries", "1", "--timeout", "30", *kind, "-d", str(folder)]
            command = [sys.executable, "-m", "pip", "download", *options, f"{name}=={version}"]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode:
                reason = (done.stdout.decode().strip().splitlines() or [""])[-1]
                pytest.skip(f"{name} {version} cannot be had from the package index: {reason}")
            unpack(folder, f"{name.replace('-', '[-_]')}-{version}", target)
        return target

    return fetch


def unpack(folder, pattern, target):
    (archive,) = [path for path in folder.glob(f"{pattern}*") if path.is_file()]
    if archive.suffix == ".whl":
        with zipfile.ZipFile(str(archive)) as wheel:
            wheel.extractall(str(target), [name for name in wheel.namelist() if name.endswith(".py")])
    else:
        with tarfile.open(str(archive)) as sdist:
            members = [member for member in sdist.getmembers() if member.name.endswith((".py", ".txt", ".md"))]
            sdist.extractall(str(target), members)
        (inner,) = target.iterdir()
        for path in list(inner.iterdir()):
            path.rename(target / path.name)


@pytest.fixture
def release(request, fetch, tmp_path):
    """A fresh copy of a release."""
    source = fetch(*request.param)
    return Path(shutil.copytree(str(source), str(tmp_path / "release")))


def content(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def run(action, root):
    return cli.main(["patch", f"--{action}", "--root", str(root)])


def target_of(root):
    (target,) = find_targets(["mmdet", "mmcls", "mmcv"], root, required=False)
    return target


@pytest.mark.parametrize("release", RELEASES, ids=NAMES, indirect=True)
def test_every_patch_applies_and_reverts(release, tmp_path):
    before = content(release)
    target = target_of(release)
    patches = patches_for(target, read_series())
    assert run("check", release) == run("apply", release) == 0
    after = content(release)
    changed = {name for name in before if before[name] != after[name]}
    named = {str(target.locate(file.path).relative_to(release)) for patch in patches for file in patch.diff.files}
    assert changed == named and set(after) - set(before) == {f"{target.package}/mmonnx-patches.json"}
    for name in changed:
        py_compile.compile(str(release / name), doraise=True, cfile=str(tmp_path / "compiled"))
    assert run("revert", release) == 0
    assert content(release) == before


def as_checkout(root, package):
    """Give an unpacked wheel the shape of its repository."""
    if (root / package / ".mim").is_dir():
        (root / package / ".mim" / "tools").rename(root / "tools")
        (root / "setup.py").write_text("")
    return root


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
@pytest.mark.parametrize("release", RELEASES, ids=NAMES, indirect=True)
def test_git_apply_takes_the_same_files_in_a_checkout(release, tmp_path):
    target = target_of(as_checkout(release, target_of(release).package))
    other = Path(shutil.copytree(str(release), str(tmp_path / "other")))
    subprocess.run(["git", "init", "-q"], cwd=str(other), check=True)  # so that no repository above is meant
    for patch in patches_for(target, read_series()):
        subprocess.run(["git", "apply", str(patch_root() / patch.name)], cwd=str(other), check=True)
    shutil.rmtree(str(other / ".git"))
    assert run("apply", release) == 0
    target.record_path.unlink()
    assert content(release) == content(other)


def test_each_patch_is_tried_on_a_release():
    tried = {
        patch.name
        for (name, version), patch in itertools.product(RELEASES, read_series())
        if name.startswith(patch.package) and patch.covers(version)
    }
    assert tried == {patch.name for patch in read_series()}


SETUP = """
import sys
import setuptools, torch.utils.cpp_extension  # which imports pkg_resources too, in torch 1.13
sys.modules["pkg_resources"] = None
torch.__version__ = {torch!r}
setuptools.setup = lambda **how: print(how["version"], [m.extra_compile_args["cxx"] for m in how["ext_modules"]])
exec(compile(open("setup.py", encoding="utf-8").read(), "setup.py", "exec"))
"""


@pytest.mark.parametrize("torch", ["2.14.1", "2.0.1", "1.12.1"])
@pytest.mark.parametrize("release", [("mmcv-full", version) for version in SDISTS["mmcv-full"]], indirect=True)
def test_mmcv_full_builds_without_pkg_resources(release, torch):
    def build():
        environment = {**os.environ, "MMCV_WITH_OPS": "1", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-c", SETUP.format(torch=torch)]
        return subprocess.run(
            command, cwd=str(release), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    assert b"pkg_resources" in build().stdout  # as upstream has it
    assert run("apply", release) == 0
    done = build()
    version = target_of(release).version
    standard = {"2.14.1": [], "2.0.1": ["-std=c++17"], "1.12.1": ["-std=c++14"]}[torch]
    if version != "1.7.2":
        standard = ["-std=c++14"]
    assert done.stdout.decode().splitlines()[-1] == f"{version} {[standard]}"
