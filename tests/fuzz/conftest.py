"""What the tests share that feed hostile inputs: the sound files, which take seconds to make."""

import contextlib
import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from fuzz_parts import judge, runner  # noqa: E402
from fuzz_parts.corpus import Corpus  # noqa: E402


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    return Corpus(tmp_path_factory.mktemp("corpus") / "corpus")


@pytest.fixture
def judged(tmp_path):
    """A function that runs a command in an empty folder after ``fill(folder)``, and says how it ended."""
    count = iter(range(10**6))

    def run(argv, fill=lambda folder: None, expected=None):
        folder = tmp_path / str(next(count)) / "in"
        folder.mkdir(parents=True)
        try:
            fill(folder)
            with runner.limited(3):
                found = judge.run(argv, folder, expected)
        finally:
            shutil.rmtree(str(folder.parent))
        assert found.problem is None, f"{found.problem}: {argv}: {found.line}"
        return found

    with contextlib.ExitStack() as stack:
        stack.callback(os.chdir, os.getcwd())
        yield run


@pytest.fixture
def refused(judged):
    """The same for what has to be refused; the refusal."""

    def run(argv, fill=lambda folder: None):
        found = judged(argv, fill)
        assert found.status == 2, found
        return found.line

    return run
