"""Inputs that a graph does not use, or not for their values, and outputs that depend on none."""

import io

import numpy as np
import pytest
import torch
from torch import nn

import mmonnx
from mmonnx.loading.structure import named_tensors
from mmonnx.runtime.session import Session
from mmonnx.support.errors import InputError
from mmonnx.terminal.report import Report


class Model(nn.Module):
    """What a function makes of a layer, and of the arguments."""

    def __init__(self, function):
        super().__init__()
        self.linear, self.function = nn.Linear(4, 4), function

    def forward(self, *args, **kwargs):
        return self.function(self.linear, *args, **kwargs)


def rows(count):
    return torch.randn(count, 4)


N = {"input": {0: "n"}}
ONE, BOTH = {"input_0": {0: "n"}}, {"input_0": {0: "n"}, "input_1": {0: "m"}}
LIKE = {"input_0": {0: "n"}, "input_1": {0: "n"}}
X, MASK, SECOND = {"x": {0: "n"}}, {"mask": {0: "n"}}, ["input_1"]
A1, A2, A3, A5, A7, A9 = map(rows, (1, 2, 3, 5, 7, 9))
SAME, HALVES = rows(2), torch.ones(3).half()
# the function, arguments, axes, other arguments, and the inputs that are told to be unused
CASES = {
    "keyword": (lambda f, x, mask=None: f(x), dict(x=A2, mask=A3), X, dict(x=A5, mask=A3), ["mask"]),
    "dynamic keyword": (lambda f, x, mask=None: f(x), dict(x=A2, mask=A3), MASK, dict(x=A2, mask=A9), ["mask"]),
    "entry of a dict": (lambda f, x: f(x["a"]), (dict(a=A2, b=A3),), None, (dict(a=A2, b=A3),), ["input_0_b"]),
    "entry of a tuple": (lambda f, x: f(x[1]), ((A1, A2),), None, ((A1, A2),), ["input_0_0"]),
    "entry of a list": (lambda f, x: f(x[1]), ([A1, A2],), None, ([A1, A2],), ["input_0_0"]),
    "whole numbers": (lambda f, x, i: f(x), (A2, torch.arange(3)), ONE, (A5, torch.arange(3)), SECOND),
    "truths": (lambda f, x, i: f(x), (A2, torch.ones(3) > 0), ONE, (A5, torch.ones(3) > 2), SECOND),
    "half numbers": (lambda f, x, i: f(x), (A2, HALVES), ONE, (A5, -HALVES), SECOND),
    "no axes": (lambda f, x, i: f(x), (A2, torch.tensor(3.0)), ONE, (A5, torch.tensor(1.0)), SECOND),
    "size of another": (lambda f, x, o: f(x)[:, : o.shape[0]], (A2, A3), BOTH, (A5, A2), []),
    "fixed size of another": (lambda f, x, o: f(x)[:, : o.shape[0]], (A2, A3), ONE, (A5, A3), SECOND),
    "size alone": (lambda f, x: torch.zeros_like(x), (A2,), N, (A5,), []),
    "returned": (lambda f, x, o: (f(x), o), (A2, A3), BOTH, (A5, A7), []),
    "returned twice": (lambda f, x: (x, x, x + 1), (A2,), N, (A5,), []),
    "returned alone": (lambda f, x: x, (A2,), N, (A5,), []),
    "all": (lambda f, x, o: f.weight + 1, (A2, A3), ONE, (A5, A3), ["input_0", "input_1"]),
    "all, a weight": (lambda f, x: f.weight, (A2,), N, (A5,), ["input"]),
    "all, a constant": (lambda f, x: torch.ones(3), (A2,), N, (A5,), ["input"]),
    "outputs of none": (lambda f, x: (f(x), f.weight, f.bias * 2, torch.ones(3)), (A2,), N, (A5,), []),
    "one tensor twice": (lambda f, x, o: f(x) - o, (SAME, SAME), None, (A2, A2), []),
    "one tensor twice, of any size": (lambda f, x, o: f(x) - o, (SAME, SAME), LIKE, (A5, A5), []),
    "one tensor twice in a list": (lambda f, x: f(x[0]) - x[1], ([SAME, SAME],), None, ([A2, A2],), []),
    "one tensor twice, one unused": (lambda f, x, o: f(x), (SAME, SAME), None, (A2, A2), SECOND),
    "a part of another": (lambda f, x, o: f(x) - o, (SAME, SAME[:1]), None, (A2, A1), []),
    "none first": (lambda f, o, x: f(x) if o is None else x, (None, A2), N, (None, A5), []),
    "none last": (lambda f, x, o: f(x) if o is None else x, (A2, None), N, (A5, None), []),
    "none in a list": (lambda f, x: f(x[1]), ([None, A2],), N, ([None, A5],), []),
    "default": (lambda f, x, o=2.0, m=None: f(x) * o, (A2,), N, (A5,), []),
    "number and flag": (lambda f, x, o, m=False: f(x) * o if m else x, (A2, 3.0, True), N, (A5, 3.0, True), []),
}  # fmt: skip


def parts(args):
    """Positional and keyword arguments."""
    return ((), args) if isinstance(args, dict) else (args, {})


SIMPLIFIED = ["keyword", "size of another", "returned", "all", "outputs of none"]


@pytest.mark.parametrize(
    ("name", "simplify"), [*((name, False) for name in CASES), *((one, True) for one in SIMPLIFIED)]
)
def test_they_stay_inputs_and_the_answers_are_pytorchs(name, simplify, tmp_path):
    function, args, axes, others, unused = CASES[name]
    torch.manual_seed(0)
    model, report = Model(function).eval(), io.StringIO()
    file = str(tmp_path / "x.onnx")
    done = mmonnx.export(model, args, file, dynamic_axes=axes, verify=True, simplify=simplify, report=Report(report))
    assert done.ok
    told = [line.split("'")[1] for line in report.getvalue().splitlines() if "is not used" in line]
    assert told == unused
    session = Session(done.model)
    assert list(session.input_names) == list(done.task.inputs)
    for given in (args, others):
        positional, keywords = parts(given)
        with torch.no_grad():
            expected = list(named_tensors(model(*positional, **keywords), "output").values())
        tensors = named_tensors([*positional, *keywords.values()], "input").values()
        found = list(session.run(dict(zip(done.task.inputs, (one.numpy() for one in tensors)))).values())
        assert [one.shape for one in found] == [tuple(one.shape) for one in expected]
        for one, other in zip(found, expected):
            np.testing.assert_allclose(one, other.detach().numpy(), rtol=1e-5, atol=1e-6)


class Two(nn.Module):
    def forward(self, x, other):
        return x + other


REFUSED = {
    "too few": ((rows(2),), "Two does not run on these args: TypeError: .*'other'"),
    "too many": ((rows(2), rows(2), rows(2)), "Two does not run on these args: TypeError: .* 4 were given"),
    "no such keyword": (dict(x=rows(2), mask=rows(2)), "Two does not run on these args: TypeError: .*'mask'"),
    "other sizes": ((rows(2), rows(3)), r"Two does not run on these args: RuntimeError: .*, at .*return x \+ other"),
    "complex": ((rows(2), rows(2).to(torch.complex64)), "input 'other' is of torch.complex64"),
    "brain floats": ((rows(2), rows(2).bfloat16()), "input 'other' is of torch.bfloat16"),
    "sparse": ((rows(2), rows(2).to_sparse()), "input 'other' is of torch.sparse_coo"),
    "no tensor": ((None, 3), "the model has no tensor as input"),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_they_are_refused_in_the_users_words(name, tmp_path):
    args, words = REFUSED[name]
    with pytest.raises(InputError, match=words) as raised:
        mmonnx.export(Two(), args, str(tmp_path / "x.onnx"), report=Report(io.StringIO()))
    assert str(raised.value).count(";") == 2 and not list(tmp_path.iterdir())
