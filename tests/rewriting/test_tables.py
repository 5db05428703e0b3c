"""Tables that are read at many fixed places: the file has the places, and not what is read."""

import io

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import mmonnx
from mmonnx.environment import compat
from mmonnx.graph.simplifier import simplify
from mmonnx.rewriting import tables_kept
from mmonnx.runtime import Session, large

SIDE, HEADS = 40, 12


class Bias(nn.Module):
    """As the attentions of BEiT and SwinV2 read theirs."""

    def __init__(self, read, side=SIDE):
        super().__init__()
        self.table = nn.Parameter(torch.rand(side, HEADS))
        self.register_buffer("places", torch.randint(0, side, (side, side)))
        self.read, self.side = read, side

    def forward(self, scores):
        bias = self.read(self.table, self.places).view(self.side, self.side, HEADS).permute(2, 0, 1).contiguous()
        return (scores + bias.unsqueeze(0)).softmax(-1)


READS = {
    "index": lambda table, places: table[places.view(-1)],
    "index, two axes": lambda table, places: table[places],
    "index, behind": lambda table, places: table.t().contiguous()[:, places.view(-1)].t(),
    "index_select": lambda table, places: table.index_select(0, places.view(-1)),
    "embedding": lambda table, places: nn.functional.embedding(places, table),
}


class Read(nn.Module):
    """What is read beside an input."""

    def __init__(self, read):
        super().__init__()
        self.register_buffer("places", torch.randint(0, SIDE, (SIDE * SIDE,)))
        self.table, self.read = nn.Parameter(torch.rand(SIDE * SIDE)), read

    def forward(self, x):
        return x + 1, self.read(self.table, self.places)


def sizes(model):
    return sorted(np.prod(tensor.dims) for tensor in model.graph.initializer)


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(large, "_READ", SIDE * SIDE * HEADS)


def traced(module, scores, opset):
    buffer = io.BytesIO()
    with torch.no_grad(), tables_kept(opset):
        torch.onnx.export(module, scores, buffer, opset_version=opset, **compat.export_kwargs())
    return onnx.load_from_string(buffer.getvalue())


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("read", READS)
def test_what_is_read_is_not_written_out(soon, read, opset):
    module, scores = Bias(READS[read]).eval(), torch.rand(1, HEADS, SIDE, SIDE)
    model = traced(module, scores, opset)
    assert sizes(model)[-2:] == [SIDE * HEADS, SIDE * SIDE]
    (name,) = model.graph.input
    feed, expected = {name.name: scores.numpy()}, module(scores).detach().numpy()
    output = model.graph.output[0].name
    found = simplify(model, [feed], lambda one, other: None if np.allclose(one[output], other[output]) else "other")
    assert found.tool == "onnxsim" and sizes(found.model)[-2:] == [SIDE * HEADS, SIDE * SIDE]
    assert [value.name for value in found.model.graph.input] == [name.name]
    np.testing.assert_allclose(Session(found.model).run(feed)[output], expected, rtol=1e-5)


def test_what_is_little_is_written_out():
    model = traced(Bias(READS["index"]).eval(), torch.rand(1, HEADS, SIDE, SIDE), 11)
    assert sizes(model)[-1] == SIDE * SIDE * HEADS and "Gather" not in {node.op_type for node in model.graph.node}


def test_other_reads_are_as_they_were(soon):
    for read in (lambda table, places: table[places >= 0][: places.numel()], lambda table, places: table[1:, None]):
        assert "Identity" not in {node.op_type for node in traced(Read(read), torch.rand(3), 11).graph.node}


def test_the_exporters_own_functions_are_back(soon):
    module, scores = Bias(READS["index"]).eval(), torch.rand(1, HEADS, SIDE, SIDE)
    traced(module, scores, 11)
    buffer = io.BytesIO()
    with torch.no_grad():
        torch.onnx.export(module, scores, buffer, opset_version=11, **compat.export_kwargs())
    assert sizes(onnx.load_from_string(buffer.getvalue()))[-1] == SIDE * SIDE * HEADS


def test_a_whole_export_has_the_table(tmp_path):
    """At its own size: 900 places a side, 12 heads, 39 MB of a table of 43 KB."""
    path = tmp_path / "bias.onnx"
    module = Bias(READS["index"], 900).eval()
    mmonnx.export(module, torch.rand(1, HEADS, 900, 900), str(path), simplify=True)
    assert path.stat().st_size < 8 << 20
    scores = torch.rand(1, HEADS, 900, 900)
    session = Session(str(path))
    (found,) = session.run({session.input_names[0]: scores.numpy()}).values()
    np.testing.assert_allclose(found, module(scores).detach().numpy(), rtol=1e-5, atol=1e-7)
