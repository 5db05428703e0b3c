"""tools/bootstrap.py, with fake interpreters and no network: what it refuses, what it redoes, what it shows."""

import os
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from platform import machine

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import bootstrap  # noqa: E402
from bootstrap_parts import interpreters, mmcv_full, stacks  # noqa: E402
from bootstrap_parts.steps import Steps  # noqa: E402

pytestmark = pytest.mark.once

PYTHONS = [(3, 9), (3, 10), (3, 11), (3, 12)]
STEPS = 8 if (sys.platform, machine()) == ("linux", "x86_64") else 7  # Ray is a step of its own

# Answers the probe; makes an "environment" with a copy of itself; writes down every other call, and fails on demand.
FAKE = """#!/bin/sh
case "$*" in
  *ensurepip*) echo "{version} {venv} {headers}" ;;
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; touch "$3/pyvenv.cfg" ;;
  *) echo "$*" >> "$FAKE_CALLS"
     if [ -n "$FAKE_FAIL" ]; then
       case "$*" in *"$FAKE_FAIL"*) seq 1 40; echo "boom: $FAKE_FAIL"; exit 3 ;; esac
     fi ;;
esac
"""


def fake_python(path: Path, version: str, venv: int = 1, headers: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FAKE.format(version=version, venv=venv, headers=headers))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


class Checkout:
    """A copy of the project's bootstrap files, and a home without any Python."""

    def __init__(self, folder: Path) -> None:
        self.root, self.home, self.bin = folder / "checkout", folder / "home", folder / "bin"
        self.calls = folder / "calls.txt"
        for part in ("tools", "requirements"):
            shutil.copytree(str(ROOT / part), str(self.root / part), ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "setup.py"):
            shutil.copy(str(ROOT / name), str(self.root))
        self.home.mkdir()
        self.bin.mkdir()

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run the bootstrap with a clean environment; ``calls`` has what it ran."""
        self.calls.write_text("")
        return subprocess.run(
            [sys.executable, str(self.root / "tools" / "bootstrap.py"), *arguments],
            env={
                "PATH": f"{self.bin}:/usr/bin:/bin",
                "HOME": str(self.home),
                "FAKE_CALLS": str(self.calls),
                **environment,
            },
            cwd=str(self.root),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.fixture
def python311(checkout):
    return str(fake_python(checkout.bin / "python3.11", "3.11.4"))


def test_builds_once_and_shows_a_line_a_step(checkout, python311):
    first = checkout.run("--python", python311)
    assert first.returncode == 0, first.stdout
    lines = first.stdout.splitlines()
    assert [line.split("]")[0] for line in lines[:-1]] == [f"[{n}/{STEPS}" for n in range(1, STEPS + 1)]
    assert "torch 2.14.1, torchvision 0.29.1" in lines[2]
    assert all(line.endswith(" s") for line in lines[:-1])
    calls = checkout.calls.read_text().splitlines()
    assert all("--no-deps" in call for call in calls if " install " in call)
    mmcv = next(call for call in calls if "mmcv==1.7.2" in call)
    assert "--no-build-isolation" in mmcv and "--no-cache-dir" in mmcv
    assert "numpy==1.26.4" in (checkout.root / "work_dirs/logs/bootstrap-default.log").read_text()

    second = checkout.run("--python", python311)
    assert second.returncode == 0
    assert second.stdout.splitlines() == [".venv is up to date (default stack)"]
    assert checkout.calls.read_text() == ""


def test_an_environment_of_another_python_will_do_unless_one_is_asked_for(checkout, python311):
    other = str(fake_python(checkout.bin / "python3.10", "3.10.2"))
    assert checkout.run("--python", python311).returncode == 0
    assert "up to date" in checkout.run().stdout
    assert "Python 3.10.2" in checkout.run("--python", other).stdout


@pytest.mark.parametrize("change", ["lock", "interpreter gone", "half built", "moved"])
def test_what_is_stale_is_built_anew(checkout, python311, change):
    assert checkout.run("--python", python311).returncode == 0
    venv = checkout.root / ".venv"
    (venv / "left-over").touch()
    if change == "lock":
        lock = checkout.root / "requirements" / "default.txt"
        lock.write_text(lock.read_text().replace("numpy==1.26.4", "numpy==1.26.3"))
    elif change == "interpreter gone":
        (venv / "bin" / "python").unlink()
    elif change == "half built":
        (venv / "mmonnx-stamp.json").unlink()
    else:
        checkout.root = checkout.root.rename(checkout.root.with_name("elsewhere"))
        venv = checkout.root / ".venv"
    again = checkout.run("--python", python311)
    assert again.returncode == 0 and f"[{STEPS}/{STEPS}]" in again.stdout
    assert not (venv / "left-over").exists()
    assert ("numpy==1.26.3" in checkout.calls.read_text()) == (change == "lock")


def test_a_failing_step_shows_the_end_of_its_log_and_is_redone(checkout, python311):
    failed = checkout.run("--python", python311, FAKE_FAIL="torchvision==")
    assert failed.returncode == 1
    lines = failed.stdout.splitlines()
    assert "torchvision" in lines[2] and "failed after" in lines[2]
    shown = [line.strip() for line in lines[3:-1]]
    assert shown[-1] == "boom: torchvision==" and shown[0] == "27" and len(shown) == 15
    assert "status 3" in lines[-1] and "bootstrap-default.log" in lines[-1] and "run this again" in lines[-1]
    again = checkout.run("--python", python311)
    assert again.returncode == 0 and f"[1/{STEPS}]" in again.stdout


def test_a_folder_that_is_no_environment_is_left_alone(checkout, python311):
    precious = checkout.root / "precious"
    precious.mkdir()
    (precious / "thesis.txt").touch()
    refused = checkout.run("--python", python311, "--venv", "precious")
    assert refused.returncode == 2 and "no virtual environment" in refused.stdout
    assert (precious / "thesis.txt").exists()


def test_wrong_pythons_are_refused(checkout):
    old = fake_python(checkout.bin / "old", "3.7.9")
    bare = fake_python(checkout.bin / "bare", "3.11.0", venv=0)
    for asked, words in (
        (str(old), "is Python 3.7.9; the default stack needs 3.9 to 3.12"),
        (str(checkout.bin / "none"), "is no Python that runs"),
        (str(bare), "cannot make virtual environments"),
    ):
        result = checkout.run("--python", asked)
        assert result.returncode in (1, 2) and words in result.stdout
        assert len(result.stdout.splitlines()) == 1 and not (checkout.root / ".venv").exists()


@pytest.mark.skipif(sys.version_info[:2] == (3, 8), reason="this Python itself serves the classic stack")
def test_classic_is_skipped_without_its_python(checkout):
    fake_python(checkout.bin / "python3.8", "3.8.1").write_text("#!/bin/sh\necho no such version >&2; exit 127\n")
    skipped = checkout.run("--stack", "classic")
    if any(Path(place).is_dir() for place in ("/opt", "/usr/local")) and skipped.returncode == 0:
        pytest.skip("there is a Python 3.8 outside the home folder")
    assert skipped.returncode == 77
    assert skipped.stdout.startswith("skipped: no Python 3.8") and len(skipped.stdout.splitlines()) == 1


def test_a_shim_that_fails_is_passed_over(checkout, monkeypatch):
    fake_python(checkout.bin / "python3.8", "3.8.1").write_text("#!/bin/sh\nexit 127\n")
    real = fake_python(checkout.home / ".pyenv/versions/3.8.18/bin/python", "3.8.18")
    monkeypatch.setenv("PATH", f"{checkout.bin}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(checkout.home))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    monkeypatch.setattr(sys, "executable", str(fake_python(checkout.bin / "current", "3.11.1")))
    assert interpreters.find_interpreter("classic", None).path == str(real)
    named = fake_python(checkout.home / "mine", "3.8.2")
    monkeypatch.setenv("PYTHON38", str(named))
    assert interpreters.find_interpreter("classic", None).path == str(named)


def test_default_stack_prefers_the_python_that_runs_it_and_else_the_newest(checkout, monkeypatch):
    for minor in (9, 12, 10):
        fake_python(checkout.bin / f"python3.{minor}", f"3.{minor}.1")
    monkeypatch.setenv("PATH", str(checkout.bin))
    monkeypatch.setattr(sys, "executable", str(fake_python(checkout.bin / "current", "3.11.1")))
    assert interpreters.find_interpreter("default", None).version == "3.11.1"
    monkeypatch.setattr(sys, "executable", str(fake_python(checkout.bin / "current", "3.14.0")))
    assert interpreters.find_interpreter("default", None).version == "3.12.1"


def test_compiled_says_first_that_a_compiler_is_missing(checkout, python311):
    refused = checkout.run("--stack", "compiled", "--python", python311, CXX="no-such-compiler")
    assert refused.returncode == 1 and len(refused.stdout.splitlines()) == 1
    assert "no C++ compiler (no-such-compiler)" in refused.stdout and "make test" in refused.stdout
    bare = str(fake_python(checkout.bin / "bare", "3.11.4", headers=0))
    fake_python(checkout.bin / "c++", "")
    assert "no Python.h" in checkout.run("--stack", "compiled", "--python", bare).stdout
    assert not (checkout.root / ".venv-compiled").exists()


def test_compiled_is_skipped_where_it_would_have_to_be_compiled_and_may_not(checkout, python311):
    given = ("--stack", "compiled", "--python", python311, "--no-compile")
    skipped = checkout.run(*given, XDG_CACHE_HOME=str(checkout.home / "empty"))
    assert skipped.returncode == 77 and len(skipped.stdout.splitlines()) == 1
    assert skipped.stdout.startswith("skipped: ") and "leave --no-compile out" in skipped.stdout
    assert not (checkout.root / ".venv-compiled").exists()


def test_compiled_takes_the_wheel_that_was_built_before(checkout, python311, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(checkout.home / "cache"))
    folder = mmcv_full.wheel_folder(interpreters.probe(python311), "2.14.1", "1.7.2")
    folder.mkdir(parents=True)
    wheel = folder / "mmcv_full-1.7.2-cp311-cp311-linux_x86_64.whl"
    wheel.touch()
    built = checkout.run(
        "--stack",
        "compiled",
        "--python",
        python311,
        "--no-compile",
        CXX="no-such-compiler",
        XDG_CACHE_HOME=str(checkout.home / "cache"),
    )
    assert built.returncode == 0 and "compile" not in built.stdout.replace("compiled", "")
    calls = checkout.calls.read_text()
    assert str(wheel) in calls and "mmdet==2.28.2" in calls and "mmcv==1.7.2" not in calls


def source_archive(folder: Path, setup: str) -> Path:
    (folder / "mmcv-full-1.7.2").mkdir(parents=True)
    (folder / "mmcv-full-1.7.2" / "setup.py").write_text(setup)
    with tarfile.open(str(folder / "mmcv-full-1.7.2.tar.gz"), "w:gz") as archive:
        archive.add(str(folder / "mmcv-full-1.7.2"), "mmcv-full-1.7.2")
    return folder / "mmcv-full-1.7.2.tar.gz"


def test_the_cpp_standard_is_left_to_torch(tmp_path):
    archive = source_archive(tmp_path / "a", "args['cxx'] = ['-std=c++14']\nargs['cxx'] = ['-std=c++17']\n")
    mmcv_full.unpack(archive, tmp_path / "source")
    assert (tmp_path / "source" / "setup.py").read_text() == "args['cxx'] = []\nargs['cxx'] = []\n"
    with pytest.raises(ValueError, match="no C\\+\\+ standard"):
        mmcv_full.unpack(source_archive(tmp_path / "b", "nothing\n"), tmp_path / "other")


@pytest.mark.parametrize("builds", [True, False])
def test_a_wheel_reaches_the_cache_whole_or_not_at_all(tmp_path, monkeypatch, builds):
    """The fake pip 'downloads' an archive and 'builds' a wheel; the check that it loads is what may fail."""
    archive = source_archive(tmp_path / "made", "['-std=c++17']")
    pip = tmp_path / "pip"
    pip.write_text(
        f'#!/bin/sh\ncase "$*" in\n  *download*) while [ "$1" != "-d" ]; do shift; done; cp {archive} "$2" ;;\n'
        '  *wheel\\ *) while [ "$1" != "-w" ]; do shift; done; mkdir "$2"; touch "$2/mmcv_full-1.7.2-x.whl" ;;\n'
        f"  *import*) exit {0 if builds else 1} ;;\nesac\n"
    )
    pip.chmod(0o755)
    folder = tmp_path / "cache" / "key"
    steps = Steps(1, tmp_path / "log", dict(os.environ))
    if builds:
        mmcv_full.build_wheel([pip], steps, "1.7.2", folder)
        assert [path.name for path in folder.iterdir()] == ["mmcv_full-1.7.2-x.whl"]
    else:
        with pytest.raises(stacks.Failure, match="status 1"):
            mmcv_full.build_wheel([pip], steps, "1.7.2", folder)
    assert [path.name for path in folder.parent.iterdir()] == (["key"] if builds else [])


def test_failures_say_what_helps(tmp_path, capsys):
    steps = Steps(2, tmp_path / "log", dict(os.environ))
    with pytest.raises(stacks.Failure) as caught:
        steps("full disk", ["sh", "-c", "echo OSError: No space left on device; exit 1"])
    assert "free some disk space" in caught.value.way_out
    with pytest.raises(stacks.Failure) as caught:
        steps("no index", [sys.executable, "-c", "raise SystemExit('No matching distribution found for torch')"])
    assert "package index" in caught.value.way_out
    with pytest.raises(stacks.Failure, match="FileNotFoundError"):
        steps("no such command", [str(tmp_path / "nothing")])
    assert "No space left" in capsys.readouterr().out


def lock_lines(name):
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


OLD = ("classic.txt", "torch1.10.txt", "torch1.13.txt")


@pytest.mark.parametrize(
    "name", ["default.txt", "members.txt", "ray.txt", "texts.txt", "compiled.txt", "torch2.1.txt", *OLD]
)
def test_lock_files_pin_exactly_one_version_of_everything(name):
    """The reader in the bootstrap against the packaging library, which pip itself uses."""
    requirements = [Requirement(line) for line in lock_lines(name)]
    assert all([clause.operator for clause in requirement.specifier] == ["=="] for requirement in requirements)
    for python in [(3, 8)] if name in OLD else PYTHONS:
        for platform in ("linux", "darwin"):
            environment = {"python_version": ".".join(map(str, python)), "sys_platform": platform}
            holding = [r for r in requirements if r.marker is None or r.marker.evaluate(environment)]
            assert len({r.name for r in holding}) == len(holding), f"two versions of one package on {environment}"
            sections = stacks.read_locks([ROOT / "requirements" / name], python, platform)
            pins = {pin: version for section in sections for pin, version in section.pins.items()}
            assert pins == {r.name: str(r.specifier)[2:] for r in holding}
            assert all(name in section.pins for section in sections for name in section.shown)


def test_compiled_is_default_with_mmcv_full_instead_of_mmcv():
    default, compiled = (
        {
            section.title: section.pins
            for section in stacks.read_locks([ROOT / "requirements" / lock for lock in locks], (3, 11))
        }
        for locks in (stacks.STACKS["default"].locks, stacks.STACKS["compiled"].locks)
    )
    ours, theirs = default.pop("openmmlab"), compiled.pop("openmmlab")
    assert "ray" in default.pop("many machines")
    assert default == compiled and "mmsegmentation" in default["members"]
    assert {**ours, "mmcv-full": ours["mmcv"]} == {**theirs, "mmcv": theirs["mmcv-full"]}


@pytest.mark.parametrize(
    "lacks,fine", [("chumpy", True), ("opencv-python", True), ("torch", False), ("xchumpy", False)]
)
def test_an_environment_is_complete_but_for_what_is_not_needed(lacks, fine):
    line = f"mmpose 0.29.0 requires {lacks}, which is not installed."
    pip = [sys.executable, "-c", f"print({line!r}); raise SystemExit(1)"]
    if fine:
        bootstrap.check_complete(pip)
    else:
        with pytest.raises(ValueError, match=lacks):
            bootstrap.check_complete(pip)


def test_an_unknown_marker_is_refused():
    with pytest.raises(ValueError, match="os_name"):
        stacks.marker_holds('os_name == "nt"', (3, 11))
