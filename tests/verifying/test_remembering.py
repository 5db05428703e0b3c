"""Parts of a model that are not run again on what they have seen."""

import torch
from torch import nn

from mmonnx.tracing.probes import Probe
from mmonnx.verifying.remembering import Memory


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.runs = 0

    def forward(self, maps, scale=1.0, bias=None):
        self.runs += 1
        return maps * scale + (0 if bias is None else bias)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.part, self.end = Scaled(), nn.Linear(3, 2)


def test_a_part_is_run_once_on_the_same_arguments_whatever_they_are():
    model, maps = Model(), torch.rand(2, 3)
    memory = Memory(model, [Probe("end", 0)])
    with memory.used():
        found = [model.part(maps), model.part(maps, scale=2.0), model.part(maps, bias=torch.ones(3))]
        again = [model.part(maps.clone()), model.part(maps, scale=2.0), model.part(maps, bias=torch.ones(3))]
        assert model.part.runs == 3
        model.part(maps + 1), model.part(maps, 2.0), model.part(maps, bias=torch.zeros(3))
        assert model.part.runs == 6
    for one, other, expected in zip(found, again, (maps, maps * 2, maps + 1)):
        assert torch.equal(one, expected) and torch.equal(other, expected)
    assert "forward" not in vars(model.part)


def test_what_is_remembered_is_not_what_others_write_into():
    model, maps = Model(), torch.rand(2, 3)
    with Memory(model, [Probe("end", 0)]).used():
        model.part(maps).zero_()
        assert torch.equal(model.part(maps), maps)
