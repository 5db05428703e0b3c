"""Hostile inputs for every entry point: tools/fuzz.py itself, and properties that hypothesis looks for holes in."""

import gc
import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import onnxruntime
import pytest
from fuzz_parts import entries, mutations, runner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.once

TOOLS = Path(__file__).resolve().parents[2] / "tools"
FEW = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=40)
NUMBER = st.one_of(st.sampled_from([str(one) for one in mutations.HOSTILE_NUMBERS if not 31 < one < 10**6]), TEXT)
"""What stands in the place of a number; none that makes a model large, and still one that is right to export."""
LIMITS = runner.Limits(seconds=240, gigabytes=3)
"""Of an input; a test machine may be busy."""


@pytest.mark.parametrize("entry", sorted(entries.ENTRIES))
def test_hostile_inputs_end_in_an_answer_or_a_refusal(corpus, tmp_path, entry):
    """The first inputs of seed 0, of each entry point; ``make fuzz`` runs 10,000 of all."""
    count = max(3, entries.ENTRIES[entry].share)
    found = list(runner.fuzz(corpus, tmp_path, 0, range(count), entry, LIMITS))
    assert len(found) == count
    assert not [one for one in found if one.problem], "python tools/fuzz.py --entry NAME --only INDEX"
    assert not list(tmp_path.iterdir())


def test_inputs_are_the_same_every_time(corpus, tmp_path):
    first, second = ([one[:5] for one in runner.fuzz(corpus, tmp_path, 5, range(4), None, LIMITS)] for _ in range(2))
    assert first == second


def test_a_crash_a_hang_and_a_wrong_end_are_findings(corpus, tmp_path, monkeypatch):
    ends = {
        "crashes": (lambda *given: os.kill(os.getpid(), signal.SIGKILL), "it died from SIGKILL", LIMITS),
        "hangs": (lambda *given: time.sleep(60), "it did not end in time", runner.Limits(seconds=1)),
        "leaves": (lambda *given: os._exit(7), "it left with status 7", LIMITS),
        "is refused": (lambda *given: ["check", "no.onnx"], None, LIMITS),
    }
    for name, (make, problem, limits) in ends.items():
        monkeypatch.setitem(runner.ENTRIES, name, entries.Entry(make, 0))
        (found,) = runner.fuzz(corpus, tmp_path, 0, [0], name, limits)
        assert found.problem == problem
    assert found.status == 2
    monkeypatch.setattr(runner.judge.cli, "main", lambda argv: 1 // 0)
    (found,) = runner.fuzz(corpus, tmp_path, 0, [0], name, LIMITS)
    assert found.problem == "an exception came out"


def test_what_is_left_of_a_session_does_not_hang_a_fork(corpus, tmp_path, monkeypatch):
    """Ending a session in a fork waits forever for the threads that only the process before has."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2

    def collect(*given):
        gc.collect()
        return ["check", "no.onnx"]

    monkeypatch.setitem(runner.ENTRIES, "collects", entries.Entry(collect, 0))
    gc.disable()
    try:
        cycle = [onnxruntime.InferenceSession(corpus.models["plain"], options, providers=["CPUExecutionProvider"])]
        cycle.append(cycle)
        del cycle
        time.sleep(1)  # its threads are waiting then
        (found,) = runner.fuzz(corpus, tmp_path, 0, [0], "collects", runner.Limits(seconds=30))
    finally:
        gc.enable()
    assert found.problem is None


def test_the_tool_prints_a_table():
    done = subprocess.run(
        [sys.executable, str(TOOLS / "fuzz.py"), "--count", "3", "--seed", "3"], stdout=subprocess.PIPE, text=True
    )
    assert done.returncode == 0, done.stdout
    assert "3 inputs, 0 of them ended wrong" in done.stdout and "refused" in done.stdout


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris, which has few wheels")
def test_inputs_that_atheris_finds(tmp_path):
    """A hundred of them; ``make fuzz`` goes on for minutes."""
    command = [sys.executable, str(TOOLS / "fuzz_atheris.py"), "-atheris_runs=100", "-seed=1", "-rss_limit_mb=0"]
    done = subprocess.run(command, cwd=str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and "Done 100" in done.stdout, done.stdout
    assert not list(tmp_path.iterdir())


@FEW
@given(data=st.binary(max_size=300))
def test_bytes_that_are_no_file_of_any_kind_are_refused(corpus, refused, data):
    sound = corpus.folder / "classifier.onnx"
    for name, argv in {
        "x.onnx": ["check", "x.onnx"],
        "y.onnx": ["inspect", "y.onnx"],
        "z.onnx": ["predict", "z.onnx", str(corpus.folder / "colour.png"), "--json", "found.json"],
        "x.png": ["predict", str(sound), "x.png", "--out", "drawn"],
        "x.pth": ["export", "fuzz_model:make", "x.pth", "--shape", "16", "--output-file", "made.onnx"],
    }.items():
        refused(argv, lambda folder, name=name: (folder / name).write_bytes(data))


def is_whole(data):
    """Whether it is a model: cut between two entries of its metadata, it is that of a file without the later ones."""
    model = onnx.load_model_from_string(data)
    onnx.checker.check_model(model)
    return model.SerializeToString() == data


@FEW
@given(seed=st.integers(0, 2**32), cut=st.floats(0, 1, exclude_max=True))
def test_a_file_that_ends_early_is_refused(corpus, judged, refused, seed, cut):
    rng = random.Random(seed)
    model, image = corpus.models["plain"], corpus.images[rng.choice(["colour.png", "alpha.png", "deep.png"])]
    checkpoint = corpus.checkpoints["zip"]
    half = model[: int(len(model) * cut)]
    found = judged(["inspect", "x.onnx"], lambda folder: (folder / "x.onnx").write_bytes(half))
    assert found.status == 2 or is_whole(half), found
    sound, half = str(corpus.folder / "classifier.onnx"), image[: int(len(image) * cut * 0.9)]
    refused(["predict", sound, "x.png", "--out", "o"], lambda folder: (folder / "x.png").write_bytes(half))
    half = checkpoint[: int(len(checkpoint) * cut)]
    argv = ["export", "fuzz_model:make", "x.pth", "--shape", "16", "--output-file", "made.onnx"]
    refused(argv, lambda folder: (folder / "x.pth").write_bytes(half))


@FEW
@given(where=st.integers(0, 2**32), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_checkpoint_is_found_or_of_no_account(corpus, judged, where, bit):
    data = bytearray(corpus.checkpoints["zip"])
    data[where % len(data)] ^= 1 << bit
    argv = ["export", "fuzz_model:make", "x.pth", "--shape", "16", "--output-file", "made.onnx"]
    judged(argv, lambda folder: (folder / "x.pth").write_bytes(bytes(data)), corpus.expected)


@FEW
@given(shape=st.lists(NUMBER, min_size=1, max_size=3), batch=NUMBER, opset=NUMBER)
def test_numbers_that_make_no_sense_are_refused(corpus, judged, shape, batch, opset):
    plain = ["export", "fuzz_model:make", "--output-file", "made.onnx"]
    for more in (["--shape", *shape], ["--shape", "16", f"--batch={batch}"], [f"--opset-version={opset}"]):
        judged([*plain, *more])
    judged(["inspect", str(corpus.folder / "plain.onnx"), "--shape", *(shape * 2)[:2]])


@FEW
@given(key=TEXT, value=st.one_of(TEXT, st.recursive(NUMBER, lambda one: st.lists(one).map(str), max_leaves=5)))
def test_options_that_make_no_sense_are_refused(corpus, judged, key, value):
    for config, option in (("fuzz_model:make", "--model-kwargs"), (str(corpus.folder / "lenet5.py"), "--cfg-options")):
        judged(["export", config, "--shape", "32", "--output-file", "made.onnx", option, f"{key}={value}"])


@FEW
@given(words=st.lists(st.one_of(TEXT, st.sampled_from(["export", "check", "--help-me", "--shape", "-"])), max_size=4))
def test_command_lines_that_make_no_sense_are_refused(judged, words):
    if not {"-h", "--help", "--version"} & set(words) and not any(word.startswith("--v") for word in words):
        judged([*words, "--no-such-option"])
