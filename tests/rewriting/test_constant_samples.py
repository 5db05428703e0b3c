"""Plain models that take a value out of the trace, exported with samples of one constant: refused, the line named."""

import math
import random

import cv2
import numpy as np
import pytest
import torch
from models import line_marked_here
from scipy.ndimage import gaussian_filter
from torch import nn
from torch.nn import functional

import mmonnx
from mmonnx.runtime.session import Session
from mmonnx.support.errors import ExportError


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return self.linear(x) if x.sum() > 0 else x  # here


class ScaledByMaximum(nn.Module):
    def forward(self, x):
        return x * x.max().item()  # here


class Normalised(nn.Module):
    def forward(self, x):
        return x / (float(x.abs().max()) + 1)  # here


class Numpy(nn.Module):
    def forward(self, x):
        return x + torch.from_numpy(x.detach().numpy().round())  # here


class Listed(nn.Module):
    def forward(self, x):
        low, high = torch.stack([x.min(), x.max()]).tolist()  # here
        return x.clamp(low / 2 - 0.1, high / 2 + 0.1)


class NotANumber(nn.Module):
    def forward(self, x):
        if torch.isnan(x).any() or x.mean() < -0.5:  # here
            return torch.zeros_like(x)
        return x * 2


class Loop(nn.Module):
    def forward(self, x):
        for _ in range(int(x.abs().max().ceil())):  # here
            x = x * 0.5 + 0.1
        return x


class Steps(nn.Module):
    def forward(self, x):
        steps = 0
        while x.norm() > 1:  # here
            x, steps = x / 2, steps + 1
        return x


class Early(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        first = torch.tanh(self.one(x))
        if first.abs().mean() < 0.25:  # here
            return first
        return self.other(first)


class Chosen(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))

    def forward(self, x):
        return self.experts[int(x.mean(0).argmax()) % 3](x)  # here


class Temperature(nn.Module):
    def forward(self, x):
        return torch.softmax(x / math.exp(x.std(unbiased=False)), dim=1)  # here


class Quantised(nn.Module):
    def forward(self, x):
        scale = max(x.abs().max().item() / 127, 1e-8)  # here
        return (x / scale).round() * scale


class Threshold(nn.Module):
    def forward(self, x):
        return functional.hardshrink(x, x.median().item())  # here


class Compared(nn.Module):
    def forward(self, x):
        return x + 1 if torch.equal(x, x.flip(0)) else x - 1  # here


class Table(nn.Module):
    def forward(self, x):
        weights = [1.0, 2.0, 3.0, 4.0]
        return x * weights[x.sum().long() % 4]  # here


class Vocabulary(nn.Module):
    """Whole numbers: whether a text has the token 3."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(16, 8)

    def forward(self, tokens):
        found = self.embedding(tokens)
        return found if 3 in tokens else found.flip(1)  # here


ONES, ZEROS, HALVES = torch.ones(2, 8), torch.zeros(2, 8), torch.full((2, 8), 0.5)
MODELS = [
    (Gate, ONES),
    (ScaledByMaximum, ONES),
    (ScaledByMaximum, ZEROS),
    (Normalised, ZEROS),
    (Normalised, torch.zeros(1, 3, 16, 16)),
    (Numpy, HALVES),
    (Listed, ZEROS),
    (NotANumber, ONES),
    (NotANumber, ZEROS),
    (Loop, ONES),
    (Steps, ONES),
    (Steps, ZEROS),
    (Early, ONES),
    (Chosen, ONES),
    (Temperature, ONES),
    (Quantised, HALVES),
    (Threshold, ONES),
    (Compared, ZEROS),
    (Table, ONES),
    (Vocabulary, torch.full((1, 6), 3)),
]


@pytest.mark.parametrize(("model", "sample"), MODELS)
def test_it_is_refused_and_its_line_is_named(tmp_path, capfd, model, sample):
    torch.manual_seed(0)
    file = tmp_path / "model.onnx"
    outcome = mmonnx.export(model(), (sample,), str(file), verify=True, on_mismatch="return")
    told = capfd.readouterr()
    assert not outcome.ok and not file.exists(), [(case.name, case.verdict) for case in outcome.results]
    assert f"{__file__}:{line_marked_here(model)} " in told.out + told.err


def test_what_no_case_shows_is_named_and_counts_as_not_exercised(tmp_path, capfd):
    tokens = torch.zeros((1, 6), dtype=torch.int64)  # a token among sixteen: the cases may have it or not
    outcome = mmonnx.export(Vocabulary(), (tokens,), str(tmp_path / "model.onnx"), verify=True, on_mismatch="return")
    told, place = capfd.readouterr().out, f"{__file__}:{line_marked_here(Vocabulary)}"
    assert f"warning: {place} " in told
    goal = next(goal for goal in outcome.goals if goal.what.startswith("values that Python takes"))
    assert not goal.reached and goal.note.startswith(f"{place},")
    assert f"not exercised: {goal}" in told


class Rebuilt(nn.Module):
    def forward(self, x):
        return x - torch.tensor([x.mean(), x.max()]).sum()


def test_a_tensor_of_tensors_follows_them(tmp_path, capfd):
    outcome = mmonnx.export(Rebuilt(), (ZEROS,), str(tmp_path / "model.onnx"), verify=True, strict=True)
    assert outcome.ok and "warning" not in capfd.readouterr().out
    x = torch.randn(2, 8)
    (found,) = Session(outcome.model).run({"input": x.numpy()}).values()
    np.testing.assert_allclose(found, Rebuilt()(x).numpy(), atol=1e-5)


@pytest.mark.parametrize(("model", "sample"), [(Gate, ONES), (ScaledByMaximum, ONES), (Numpy, HALVES), (Table, ONES)])
def test_strict_refuses_it_before_anything_is_written(tmp_path, model, sample):
    file = tmp_path / "model.onnx"
    with pytest.raises(ExportError) as raised:
        mmonnx.export(model(), (sample,), str(file), strict=True)
    assert f"{__file__}:{line_marked_here(model)} " in str(raised.value) and not list(tmp_path.iterdir())


class Follows(nn.Module):
    """Much that looks like it, and is followed by the tracer, or changes no answer."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        assert x.shape[1] == 8 and x.dim() == 2
        if x.shape[1] != 8:
            raise ValueError("other channels")
        half = x.shape[0] // 2
        index = (slice(half, None), slice(None))
        top, rest = x[:half], x[half:, :]
        x = torch.cat([rest, top, x[index]])[: x.shape[0]]
        x = x.view(x.size(0), -1, 2).reshape(x.shape[0], 8)
        x = x + torch.arange(x.shape[0], dtype=x.dtype)[:, None] * 0.1
        return torch.where(x.sum() > 0, self.linear(x), x), x.new_full((x.shape[0],), 2.0)


def test_nothing_is_told_of_what_the_tracer_follows(tmp_path, capfd):
    axes = {"input": {0: "n"}}
    outcome = mmonnx.export(
        Follows(), (torch.ones(4, 8),), str(tmp_path / "model.onnx"), dynamic_axes=axes, verify=True, strict=True
    )
    told = capfd.readouterr()
    assert outcome.ok and "warning" not in told.out + told.err


def test_torch_is_as_before_afterwards(tmp_path):
    """Not even a list of tensors is taken otherwise: Python keeps what a class once was given."""
    before = dict(vars(torch.Tensor)), dict(vars(random)), dict(vars(np.random))
    mmonnx.export(Gate(), (ONES,), str(tmp_path / "model.onnx"))
    assert (dict(vars(torch.Tensor)), dict(vars(random)), dict(vars(np.random))) == before
    assert torch.tensor([torch.tensor(-1)]).tolist() == [-1]


class ThroughALibrary(nn.Module):
    def forward(self, x):
        return x + torch.from_numpy(gaussian_filter(x, 1.0))  # here


class Sorted(nn.Module):
    """The first thing that is taken out of the trace is no fault, and the second is."""

    def forward(self, x):
        return torch.stack(sorted(x.flatten()[:4]))  # here


class Stored(nn.Module):
    def forward(self, x):
        return x * x.storage()[0]  # here


class Interchanged(nn.Module):
    def forward(self, x):
        return x + torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(x)).round()  # here


class Blurred(nn.Module):
    def forward(self, x):
        return x + torch.from_numpy(cv2.blur(x.numpy(), (3, 3)))  # here


class Asked(nn.Module):
    def forward(self, x):
        return x + torch.as_tensor(np.sqrt(np.asarray(x.abs())))  # here


class RootOfSum(nn.Module):
    def forward(self, x):
        return x * math.sqrt(x.abs().sum())  # here


class Again(nn.Module):
    def forward(self, x):
        return x + torch.tensor(x.max().item())  # here


class Shaken(nn.Module):
    def forward(self, x):
        return x * random.random()  # here


class ShakenByNumPy(nn.Module):
    def forward(self, x):
        return x + np.random.rand()  # here


class Steady(nn.Module):
    """Of a size that is dynamic, though slices stand on the same line."""

    def forward(self, x):
        return x + torch.from_numpy(np.linspace(0, 1, x.shape[0]).astype(np.float32))[:, None]  # here


TAKEN = [ThroughALibrary, Sorted, Stored, Interchanged, Blurred, Asked, RootOfSum, Again, Shaken, ShakenByNumPy, Steady]


@pytest.mark.parametrize("model", TAKEN)
def test_its_line_is_named_at_a_dynamic_size(tmp_path, model):
    torch.manual_seed(0)
    axes = {"input": {0: "n"}}
    with pytest.raises(ExportError) as raised:
        mmonnx.export(model(), torch.randn(4, 8), str(tmp_path / "x.onnx"), dynamic_axes=axes, strict=True)
    assert f"{__file__}:{line_marked_here(model)} " in str(raised.value) and not list(tmp_path.iterdir())


class TimesTruth(nn.Module):
    def forward(self, x):
        return x * bool(x.sum() > 0)  # here


class TimesNot(nn.Module):
    def forward(self, x):
        return x * (not x.sum() > 0)  # here


class Halves(nn.Module):
    def forward(self, x):
        return x[: round(x.shape[0] / 2)]  # here


@pytest.mark.parametrize("model", [TimesTruth, TimesNot, Halves])
def test_what_the_tracer_fails_at_is_named_too(tmp_path, model):
    with pytest.raises(ExportError) as raised:
        axes = {"input": {0: "n"}}
        mmonnx.export(model(), torch.randn(4, 8), str(tmp_path / "x.onnx"), dynamic_axes=axes)
    assert f"{__file__}:{line_marked_here(model)} " in str(raised.value)


FOLLOWED = {
    "data": lambda x: x + x.data * 2,
    "data written": lambda x: x.clone().data.mul_(3) - x,
    "root of a size": lambda x: x * x.shape[0] ** 0.5,
    "one over a root": lambda x: x * x.shape[1] ** -0.5,
    "new tensor of a size": lambda x: x.new_tensor([x.shape[0]]) * x,
    "sizes as a tensor": lambda x: x / torch.tensor(x.shape).sum(),
    "dimensions": lambda x: x * len(x.shape),
    "elements": lambda x: x / x.numel(),
    "NumPy's number": lambda x: x * np.float64(2.5) + np.float32(1.5),
}


@pytest.mark.parametrize("name", sorted(FOLLOWED))
def test_what_is_followed_is_right_at_another_size(tmp_path, capfd, name):
    model, axes = type("Follow", (nn.Module,), {"forward": lambda self, x: FOLLOWED[name](x)})(), {0: "n", 1: "m"}
    file = str(tmp_path / "x.onnx")
    outcome = mmonnx.export(model, torch.randn(4, 8), file, dynamic_axes={"input": axes}, verify=True, strict=True)
    assert outcome.ok and "warning" not in capfd.readouterr().out
    for size in ((7, 3), (1, 8), (16, 11)):
        x = torch.randn(size)
        (found,) = Session(outcome.model).run({"input": x.numpy()}).values()
        np.testing.assert_allclose(found, model(x).numpy(), rtol=1e-5, atol=1e-6)
