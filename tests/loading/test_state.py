"""Plain models that keep something from one call for the next."""

import pytest
import torch
from models import line_marked_here
from torch import nn

import mmonnx
from mmonnx.runtime.session import Session


class Smooths(nn.Module):
    """An attribute is another tensor after each call."""

    def __init__(self):
        super().__init__()
        self.last = None

    def forward(self, x):
        smooth = x if self.last is None else 0.5 * (x + self.last)
        self.last = smooth  # here
        return smooth * 2


class Averages(nn.Module):
    """A buffer is written into."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x):
        self.mean.mul_(0.9).add_(x.mean(0), alpha=0.1)  # here
        return x - self.mean


class Remembers(nn.Module):
    """A list grows."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        before = sum(self.seen) if self.seen else 0.0
        self.seen.append(x.mean())  # here
        return x + before


class Replaces(nn.Module):
    """A buffer is replaced by a new one."""

    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x):
        self.steps = self.steps + 1  # here
        return x * self.steps


class Counts(nn.Module):
    """What is kept changes no answer."""

    def __init__(self):
        super().__init__()
        self.calls, self.shapes = 0, {}

    def forward(self, x):
        self.calls += 1
        self.shapes[self.calls] = tuple(x.shape)
        return x * 3


@pytest.mark.parametrize("model", [Smooths, Averages, Remembers, Replaces])
def test_the_file_answers_as_a_first_call_and_the_line_is_named(tmp_path, capfd, model):
    torch.manual_seed(0)
    module, sample = model(), torch.randn(2, 8)
    outcome = mmonnx.export(module, (sample,), str(tmp_path / "model.onnx"), verify=True)
    assert outcome.ok
    assert f"{__file__}:{line_marked_here(model)} " in capfd.readouterr().out
    session = Session(outcome.model)
    for x in (torch.randn(2, 8), torch.randn(2, 8)):
        (found,) = session.run({"input": x.numpy()}).values()
        torch.testing.assert_close(torch.from_numpy(found), model()(x), atol=1e-6, rtol=1e-5)
    first = model()(sample)
    torch.testing.assert_close(module(sample), first, atol=0, rtol=0)  # the export has left nothing behind


def test_nothing_is_told_of_what_changes_no_answer(tmp_path, capfd):
    module = Counts()
    outcome = mmonnx.export(module, (torch.randn(2, 8),), str(tmp_path / "model.onnx"), verify=True, strict=True)
    assert outcome.ok and "warning" not in capfd.readouterr().out
    assert module.calls == 0 and module.shapes == {}
