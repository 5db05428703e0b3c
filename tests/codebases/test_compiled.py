"""Modules of ``torch.jit``, and plain models with such parts: the file gives PyTorch's answers."""

import io
import math
from types import SimpleNamespace
from typing import Dict, Tuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import mmonnx
from mmonnx.environment import compat
from mmonnx.loading.structure import named_tensors
from mmonnx.runtime.session import Session
from mmonnx.support.errors import ExportError
from mmonnx.terminal.report import Report

MAPS = torch.rand(1, 3, 8, 8)
AXES = {0: "batch", 2: "height", 3: "width"}


class Branch(nn.Module):
    """Another function on each side of a condition on the data."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, rows):
        if rows.sum() > 0:
            return self.linear(rows)
        else:
            return rows * 2


class Upsample(nn.Module):
    """Has an attribute that is no tensor, an argument with a default, and two outputs."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.factor = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), 3

    def forward(self, maps, more: bool = True):
        maps = self.norm(self.conv(maps)) * self.factor
        if more:
            maps = maps + 1
        size = [maps.shape[2] * 2, maps.shape[3] * 2]
        return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False), maps.flatten(1)


def doubled(maps: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(maps, scale_factor=2.0)


class ByFactors(nn.Module):
    """Layers and functions that resize by factors, in parts of one class and in a function."""

    def __init__(self):
        super().__init__()
        smooth = nn.Upsample(scale_factor=(1.5, 2.5), mode="bilinear", align_corners=True)
        parts = [nn.Sequential(nn.Conv2d(3, 3, 1), nn.Upsample(scale_factor=2)) for _ in range(2)]
        self.parts = nn.ModuleList([*parts, nn.Sequential(nn.Conv2d(3, 3, 1), smooth)])

    def forward(self, maps):
        for part in self.parts:
            maps = part(maps)
        less = functional.interpolate(maps, scale_factor=0.5, mode="bilinear", align_corners=False)
        return maps, doubled(less)


class Named(nn.Module):
    """Gives a dict."""

    def forward(self, maps):
        return {"more": maps + 1, "twice": maps * 2}


def compiled(module, how):
    """A module as torch.jit has it."""
    return torch.jit.script(module.eval()) if how == "script" else torch.jit.trace(module.eval(), MAPS, strict=False)


def code_of(module):
    parts = [part for part in module.modules() if isinstance(part, torch.jit.ScriptModule)]
    return [part.code for part in parts if part._c._has_method("forward")]  # a list of modules has none


@pytest.mark.parametrize("how", ["script", "trace"])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("make", [lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), Upsample, ByFactors, Named])
def test_compiled_modules(how, inside, make, tmp_path):
    torch.manual_seed(0)
    module = compiled(make(), how)
    module = nn.Sequential(nn.Conv2d(3, 3, 1), module).eval() if inside else module
    file, before = tmp_path / "model.onnx", code_of(module)
    done = mmonnx.export(
        module, MAPS, str(file), dynamic_axes={"input": AXES}, verify=True, report=Report(io.StringIO())
    )
    assert done.ok and code_of(module) == before
    maps = torch.randn(2, 3, 11, 9)
    with torch.no_grad():
        expected = module(maps)
    expected = list(expected.values()) if isinstance(expected, dict) else expected
    expected = expected if isinstance(expected, (list, tuple)) else [expected]
    for found, value in zip(Session(done.model).run({"input": maps.numpy()}).values(), expected):
        np.testing.assert_allclose(found, value.numpy(), atol=1e-5)


@pytest.mark.parametrize("inside", [False, True])
def test_both_sides_of_a_compiled_branch(inside, tmp_path):
    torch.manual_seed(0)
    module = torch.jit.script(Branch().eval())
    module = nn.Sequential(module, nn.Linear(8, 3)).eval() if inside else module
    file, report = tmp_path / "model.onnx", io.StringIO()
    axes = {"input": {0: "rows"}}
    done = mmonnx.export(module, torch.ones(2, 8), str(file), dynamic_axes=axes, verify=True, report=Report(report))
    assert done.ok and "If" in {node.op_type for node in done.model.graph.node}
    assert "depends on" not in report.getvalue()
    session = Session(done.model)
    for rows in (torch.rand(3, 8), -torch.rand(3, 8)):
        with torch.no_grad():
            expected = module(rows)
        np.testing.assert_allclose(session.run({"input": rows.numpy()})["output"], expected.numpy(), atol=1e-6)


def test_the_arguments_of_a_compiled_forward(tmp_path):
    part = torch.jit.script(Upsample().eval())

    class Calls(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = part

        def forward(self, maps):
            return self.part(maps, more=False)[1], self.part(maps, True)[1], self.part(maps=maps)[1]

    module = Calls().eval()
    done = mmonnx.export(module, MAPS, str(tmp_path / "x.onnx"), verify=True, report=Report(io.StringIO()))
    assert done.ok
    without, given, default = Session(done.model).run({"input": MAPS.numpy()}).values()
    np.testing.assert_array_equal(given, default)
    np.testing.assert_allclose(without + 1, given, atol=1e-5)


def exported(module, args, folder, axes):
    """A session of a module's file, and what was told; the module agrees with it in eval mode."""
    report = io.StringIO()
    done = mmonnx.export(module, args, str(folder / "x.onnx"), dynamic_axes=axes, verify=True, report=Report(report))
    assert done.ok
    return Session(done.model), report.getvalue()


def agrees(session, module, *others):
    for given in others:
        given = given if isinstance(given, tuple) else (given,)
        with torch.no_grad():
            expected = module(*given)
        feeds = {name: value.numpy() for name, value in zip(session.input_names, given)}
        expected = (
            [expected] if isinstance(expected, torch.Tensor) else list(named_tensors(expected, "output").values())
        )
        found = list(session.run(feeds).values())
        assert [one.shape for one in found] == [tuple(one.shape) for one in expected]
        for one, other in zip(found, expected):
            np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-5)


class LoopOverColumns(nn.Module):
    def forward(self, x):
        total = torch.zeros_like(x[:, 0])
        for column in range(int(x.shape[1])):
            total = total + x[:, column] * column
        return total


class LoopOverNumber(nn.Module):
    def forward(self, x, count):
        for step in range(int(count)):
            x = x * 2 + step
        return x


class LoopOverSum(nn.Module):
    def forward(self, x):
        for step in range(int(x.abs().sum().item()) % 5):
            x = x * 2 + step
        return x


class LoopWhile(nn.Module):
    def forward(self, x):
        while bool(x.abs().sum() > 1):
            x = x / 2
        return x


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


class ByRows(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        if x.shape[0] > 3:
            return self.linear(x)
        return x * 2


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
        return self.linear(x), {"more": x + 1, "twice": x * 2}


class Sizes(nn.Module):
    """What Python makes of sizes, whole and broken ones, and below zero."""

    def forward(self, x):
        rows = x.shape[0]
        found = [x[: int(rows * 0.5) + 1], x[: -(-rows // 2)], x[: math.ceil(rows / 2)], x[: (-rows) % 3 + 1]]
        found += [x * (-rows // 2), x * abs(rows - 4), x * math.sqrt(rows), x * float(rows), x * (rows % 3)]
        return found


class Values(nn.Module):
    """What Python makes of values."""

    def forward(self, x):
        largest = x.abs().max().item()
        found = [x * int(x.sum()), x * int(largest * 3), x * float(x.argmax()), x * abs(float(x.sum()))]
        found += [x * 2 if x.argmax() else x, x // 0.3, (x * 10).long() // 3 * 1.0]
        return found


class Direct(nn.Module):
    """Calls a part otherwise than as a module."""

    def __init__(self, part, method="forward"):
        super().__init__()
        self.linear, self.part, self.method = nn.Linear(4, 4), part, method

    def forward(self, x):
        return getattr(self.part, self.method)(self.linear(x))


ROWS = torch.rand(2, 4)
OTHERS = [torch.randn(5, 4) * 3, -torch.rand(1, 4), torch.rand(2, 4), torch.randn(7, 4)]
BOTH = {"input": {0: "rows"}}
KINDS = [LoopOverColumns, LoopOverSum, LoopWhile, Layers, ByRows, Nested, Sizes, Values]


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("how", ["alone", "inside", "by its forward", "frozen", "loaded"])
def test_what_is_compiled_keeps_its_branches_loops_and_numbers(make, how, tmp_path):
    torch.manual_seed(0)
    module = torch.jit.script(make().eval())
    if how == "loaded":
        buffer = io.BytesIO()
        torch.jit.save(module, buffer)
        buffer.seek(0)
        module = torch.jit.load(buffer)
    elif how == "frozen":
        module = torch.jit.freeze(module)
    elif how != "alone":
        module = (nn.Sequential(module) if how == "inside" else Direct(module)).eval()
    session, told = exported(module, ROWS, tmp_path, BOTH)
    agrees(session, module, *OTHERS)
    assert how == "by its forward" or "not exercised" not in told


@pytest.mark.parametrize("count", [torch.tensor(2), torch.tensor(2, dtype=torch.int32), torch.tensor(2.7)])
def test_a_loop_as_long_as_an_input_says(count, tmp_path):
    module = torch.jit.script(LoopOverNumber())
    session, _ = exported(module, (ROWS, count), tmp_path, {"x": {0: "rows"}})
    agrees(session, module, *((ROWS, torch.as_tensor(number).to(count)) for number in (0, 1, 5.9)))


class Methods(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return self.head(x)

    @torch.jit.export
    def head(self, x):
        if bool(x.sum() > 0):
            return self.linear(x)
        return x


class OnlyHead(torch.jit.ScriptModule):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    @torch.jit.script_method
    def head(self, x):
        if bool(x.sum() > 0):
            return self.linear(x)
        return x


@pytest.mark.parametrize("make", [lambda: torch.jit.script(Methods().eval()), OnlyHead])
def test_other_methods_than_the_forward(make, tmp_path):
    torch.manual_seed(0)
    module = Direct(make(), "head").eval()
    session, _ = exported(module, ROWS, tmp_path, BOTH)
    agrees(session, module, *OTHERS)


@torch.jit.script
def branching(x, factor: int = 3):
    if x.sum() > 0:
        return x * factor
    return x - factor


@torch.jit.script
def looping(x, factor: int = 3):
    for row in range(int(x.size(0) * 0.5)):
        x = x + row * factor
    return branching(x)


@torch.jit.script
def enlarging(x, factor: float = 1.5):
    return functional.interpolate(x[None, None], scale_factor=factor, mode="bilinear", align_corners=False)


class Uses(nn.Module):
    def __init__(self, function, factor):
        super().__init__()
        self.function, self.factor = function, factor

    def forward(self, x):
        return self.function(x, self.factor) + self.function(factor=self.factor, x=x - 1), self.function(x)


@pytest.mark.parametrize("function, factor", [(branching, 2), (looping, 5), (enlarging, 2.0)])
def test_compiled_functions(function, factor, tmp_path):
    module = Uses(function, factor).eval()
    session, _ = exported(module, ROWS, tmp_path, BOTH)
    agrees(session, module, *OTHERS)


class Counts(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(4))

    def forward(self, x):
        self.calls += 1
        return x + self.calls


class Remembers(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = torch.zeros(2, 4)

    def forward(self, x):
        found = x + self.last.sum()
        self.last = x
        return found


@pytest.mark.parametrize("make, name", [(Counts, "calls"), (Remembers, "last")])
@pytest.mark.parametrize("inside", [False, True])
def test_what_keeps_something_is_refused_by_its_name(make, name, inside, tmp_path):
    module = torch.jit.script(make().eval())
    module = nn.Sequential(module) if inside else module
    with pytest.raises(ExportError, match=f"keeps '{name}'"):
        mmonnx.export(module, ROWS, str(tmp_path / "x.onnx"), report=Report(io.StringIO()))
    assert not list(tmp_path.iterdir())


class Recomputes(nn.Module):
    def forward(self, maps):
        return functional.interpolate(maps, scale_factor=0.4, mode="bilinear", recompute_scale_factor=True)


def test_a_factor_that_is_recomputed_is_refused(tmp_path):
    """torch's exporter would resize by 0.4 where PyTorch does by 3 / 8."""
    with pytest.raises(ExportError, match=r"recomputes its scale_factor 0\.4"):
        mmonnx.export(torch.jit.script(Recomputes()), MAPS, str(tmp_path / "x.onnx"), report=Report(io.StringIO()))
    assert not list(tmp_path.iterdir())


def test_a_torch_that_does_not_tell_of_a_method_whose_it_is_is_refused_by_name():
    """As torch 1.8's methods are, which have no ``owner``."""
    with pytest.raises(ExportError, match=r"forward of a compiled module cannot be traced with torch .*torch 1\.13"):
        compat.frozen_graph(SimpleNamespace(name="forward"))
