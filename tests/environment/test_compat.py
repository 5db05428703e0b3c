"""What differs between versions of torch."""

import warnings

import pytest
import torch

from mmonnx.environment import compat


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


def test_assertions_of_torch_are_answered_where_attention_takes_the_ordinary_path():
    with compat.no_attention_fast_path():
        torch._assert(True, "holds")
        with pytest.raises(AssertionError, match="does not hold"):
            torch._assert(False, "does not hold")


def test_attention_takes_the_ordinary_path():
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    tokens = torch.rand(2, 5, 8)
    with torch.no_grad(), compat.no_attention_fast_path():
        operators = {node.kind() for node in torch.jit.trace(layer, tokens).inlined_graph.nodes()}
        expected = layer(tokens)
    with torch.no_grad():
        assert torch.allclose(layer(tokens), expected, atol=1e-5)
    assert not any("_transformer_encoder_layer" in name or "_native_multi_head" in name for name in operators)
