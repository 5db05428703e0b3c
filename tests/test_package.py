"""The wheel: it works away from the checkout, with its configs and patches."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a clean copy of the tracked files."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=str(ROOT), stdout=subprocess.PIPE, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(source)], check=True)
    return next(folder.glob("mmonnx-*.whl"))


def test_it_holds_every_config_with_its_weights_the_patches_and_nothing_that_is_not_the_package(wheel):
    with zipfile.ZipFile(str(wheel)) as archive:
        names = archive.namelist()
    for path in (ROOT / "configs").rglob("*"):
        if path.suffix in (".py", ".pth"):
            assert f"mmonnx/configs/{path.relative_to(ROOT / 'configs')}" in names
    for path in (ROOT / "patches").rglob("*"):
        assert path.is_dir() or f"mmonnx/patches/{path.relative_to(ROOT / 'patches')}" in names
    assert {"mmonnx/runtime/engines/onnxruntime_web.js", "mmonnx/targets/runs.json"} <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"mmonnx"}


def test_an_installed_wheel_exports_a_model_of_its_own(wheel, tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    work.mkdir()
    with zipfile.ZipFile(str(wheel)) as archive:
        archive.extractall(str(home))
    environment = {**os.environ, "PYTHONPATH": str(home)}

    def run(*arguments):
        command = [sys.executable, "-m", "mmonnx", *arguments]
        done = subprocess.run(command, cwd=str(work), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout.decode()

    where = "import mmonnx; print(mmonnx.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=str(work), env=environment, stdout=subprocess.PIPE, check=True
    )
    assert found.stdout.decode().startswith(str(home))
    run("export", "mmonnx::digits/mobilenet_v2_digits.py", "--shape", "64", "--dynamic-export", "--verify")
    assert (work / "tmp.onnx").is_file()
    run("patch", "--list")
