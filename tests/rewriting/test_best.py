"""The best of many values: which they are, and in what order."""

import numpy as np
import pytest
import torch
from models import exported

from mmonnx.rewriting import ExportContext
from mmonnx.rewriting.rewrites.batched import best_of
from mmonnx.runtime import Session
from mmonnx.targets import Capabilities

MANY = 5000


class Best(torch.nn.Module):
    def __init__(self, limit, **capabilities):
        super().__init__()
        self.context, self.limit = ExportContext(Capabilities(**capabilities)), limit

    def forward(self, values):
        return best_of(self.context, values, self.limit)


def expected(values, limit):
    """The places of the best, of equal values the first, in the order of the row."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :limit]
    return np.sort(order, axis=1)


@pytest.mark.parametrize("size", [MANY - 1, MANY, MANY + 1, 4 * MANY])
@pytest.mark.parametrize("levels", [1, 7, 10**6])
def test_the_best_of_many_stand_as_in_their_row(size, levels):
    """With many ties, few and none, of two rows, at sizes that the trace has not seen."""
    module = Best(MANY, unordered_best=True)
    axes = {"values": {0: "n", 1: "k"}}
    model = exported(module, (torch.rand(1, 3 * MANY),), input_names=["values"], dynamic_axes=axes)
    (node,) = (node for node in model.graph.node if node.op_type == "TopK")
    assert {item.name: item.i for item in node.attribute}["sorted"] == 0
    values = ((torch.rand(2, size) * levels).floor() / levels).numpy()
    found, place = Session(model).run({"values": values}).values()
    assert (place == expected(values, MANY)).all()
    assert (found == np.take_along_axis(values, place, 1)).all()


@pytest.mark.parametrize("limit, capabilities", [(MANY, {}), (50, {"unordered_best": True})])
def test_others_come_best_first(limit, capabilities):
    values = torch.rand(2, 3 * MANY)
    found, place = Best(limit, **capabilities)(values)
    assert (found == values.topk(limit, dim=1)[0]).all() and (values.gather(1, place) == found).all()
