"""Division that rounds down: Python's of sizes and PyTorch's of tensors, below zero too."""

import io

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

import mmonnx
from mmonnx.runtime.session import Session
from mmonnx.terminal.report import Report

FUNCTIONS = {
    "as many as needed": lambda x: x[: -(-x.shape[0] // 2)],
    "padded to": lambda x: functional.pad(x, (0, -x.shape[1] // 4 * -4 - x.shape[1])),
    "less than nothing": lambda x: x * (-x.shape[0] // 2),
    "by less than nothing": lambda x: x * (7 // -x.shape[0]),
    "a difference": lambda x: x * ((x.shape[1] - 9) // 4),
    "fractions": lambda x: x // 0.3,
    "fractions by one": lambda x: x // 1,
    "by a tensor": lambda x: x // (x.abs() + 0.1),
    "whole numbers": lambda x: (x * 10).long() // 3,
    "small whole numbers": lambda x: (x * 10).int() // -3,
    "a number by a tensor": lambda x: 10 // ((x * 10).long() * 2 + 1),
    "the function": lambda x: torch.floor_divide((x * 10).long(), -3),
    "the method": lambda x: (x * 10).long().floor_divide(4),
}


class Model(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def export(function, folder):
    axes = {"input": {0: "rows", 1: "columns"}}
    file, report = str(folder / "x.onnx"), Report(io.StringIO())
    return mmonnx.export(Model(function), torch.randn(4, 6), file, dynamic_axes=axes, verify=True, report=report)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_it_rounds_as_pytorch_does(name, tmp_path):
    torch.manual_seed(0)
    done = export(FUNCTIONS[name], tmp_path)
    assert done.ok
    for size in ((5, 7), (1, 3), (8, 2), (7, 13)):
        x = torch.randn(size) * 3
        expected = FUNCTIONS[name](x).numpy()
        (found,) = Session(done.model).run({"input": x.numpy()}).values()
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "function",
    [lambda x: x[: x.shape[0] // 2], lambda x: x[: (x.shape[0] + 3) // 4 * 2 // 2]],
    ids=["half", "quarters"],
)
def test_of_sizes_it_is_no_more_than_a_division(function, tmp_path):
    done = export(function, tmp_path)
    assert done.ok and "Mod" not in {node.op_type for node in onnx.load(str(done.path)).graph.node}
