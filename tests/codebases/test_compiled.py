"""Modules of ``torch.jit``, and plain models with such parts: the file gives PyTorch's answers."""

import io

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import mmonnx
from mmonnx.report import Report
from mmonnx.runtimes.onnxruntime import Session

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


class Named(nn.Module):
    """Gives a dict."""

    def forward(self, maps):
        return {"more": maps + 1, "twice": maps * 2}


def compiled(module, how):
    """A module as torch.jit has it."""
    return torch.jit.script(module.eval()) if how == "script" else torch.jit.trace(module.eval(), MAPS, strict=False)


@pytest.mark.parametrize("how", ["script", "trace"])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("make", [lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), Upsample, Named])
def test_compiled_modules(how, inside, make, tmp_path):
    torch.manual_seed(0)
    module = compiled(make(), how)
    module = nn.Sequential(nn.Conv2d(3, 3, 1), module).eval() if inside else module
    file = tmp_path / "model.onnx"
    done = mmonnx.export(
        module, MAPS, str(file), dynamic_axes={"input": AXES}, verify=True, report=Report(io.StringIO())
    )
    assert done.ok
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
    assert "hangs on" not in report.getvalue()
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
