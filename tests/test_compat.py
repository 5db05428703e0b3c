"""What differs between versions of torch."""

import warnings

import pytest
import torch

from mmonnx import compat


class Untraceable(torch.nn.Module):
    def forward(self, image):
        return torch.special.bessel_j0(image) if compat.TORCH >= (1, 12) else torch.special.i1(image)


def test_a_failed_export_prints_no_graph(capfd):
    with warnings.catch_warnings(), compat.no_graph_dump():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception, match="."):
            torch.onnx.export(Untraceable(), torch.rand(1, 3), "unwritten.onnx", **compat.export_kwargs())
    printed = capfd.readouterr()
    assert "graph(" not in printed.out + printed.err


def test_the_exporter_has_its_log_again():
    write = getattr(torch._C, "_jit_onnx_log", None)
    with pytest.raises(ValueError), compat.no_graph_dump():
        raise ValueError
    assert getattr(torch._C, "_jit_onnx_log", None) is write
