"""``--verify`` for a target that has a runtime of its own: its answers count as well."""

import dataclasses
import io

import pytest
import torch
from stand_in_engine import planted
from torch import nn

import mmonnx
from mmonnx.targets import ONNXRUNTIME, TARGETS
from mmonnx.terminal import Report

ROW = "in Stand-In 1.2"


class Waves(nn.Module):
    def forward(self, x):
        return x.mean(1).sin().tan()


@pytest.fixture
def exported(monkeypatch, tmp_path):
    """Export with faults in the target's runtime: what came of it, and what was printed."""
    monkeypatch.setitem(TARGETS, "stand-in", dataclasses.replace(ONNXRUNTIME, name="stand-in", engine="stand-in"))

    def run(**faults):
        planted(monkeypatch, **faults)
        printed = io.StringIO()
        found = mmonnx.export(
            Waves(),
            torch.rand(1, 3, 4),
            str(tmp_path / "x.onnx"),
            dynamic_axes={"input": [0, 2]},
            target="stand-in",
            verify=True,
            on_mismatch="return",
            report=Report(printed),
        )
        return found, printed.getvalue()

    return run


def test_every_case_is_run_there_too(exported):
    found, text = exported()
    names = [result.name for result in found.results]
    there = [name for name in names if name.endswith(ROW)]
    assert found.ok and len(there) * 2 == len(names)
    assert {f"{name}, {ROW}" for name in names[: len(there)]} == set(there)
    assert f"{len(names)} of {len(names)} cases agree" in text and "alone" not in text


@pytest.mark.parametrize(
    "faults,words",
    [
        ({"wrong": {"Sin": "Cos"}}, "differ"),
        ({"dies": ["Tan"]}, "died from SIGFPE"),
        ({"lacks": ["Tan"]}, "no operator Tan"),
    ],
)
def test_a_fault_there_keeps_the_file_from_being_written(exported, faults, words):
    found, text = exported(**faults)
    assert not found.ok and ROW in found.mismatch and words in found.mismatch
    assert all(result.ok != (ROW in result.name) for result in found.results), text


def test_without_the_runtime_a_note_says_so(exported):
    found, text = exported(missing=True)
    assert found.ok and not any(ROW in result.name for result in found.results)
    assert "warning: verified in ONNX Runtime alone: stand_in is not installed (install stand_in)\n" in text


def test_a_runtime_that_mmonnx_does_not_run(exported, monkeypatch):
    monkeypatch.setitem(TARGETS, "stand-in", dataclasses.replace(TARGETS["stand-in"], engine="other"))
    found, text = exported()
    assert found.ok and "verified in ONNX Runtime alone: mmonnx does not run other\n" in text
