"""The size of a model, counted without serializing it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mmonnx.graph import large


def model_of(count, shape, raw):
    """A model with so many weights, and a node for each."""
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    weights = [numpy_helper.from_array(values, f"weight_{number}") for number in range(count)]
    if not raw:
        weights = [helper.make_tensor(one.name, TensorProto.FLOAT, shape, values.ravel()) for one in weights]
    nodes = [helper.make_node("Identity", [one.name], [f"y_{one.name}"], doc_string="what it is") for one in weights]
    outputs = [helper.make_tensor_value_info(f"y_{one.name}", TensorProto.FLOAT, shape) for one in weights[:1]]
    return helper.make_model(helper.make_graph(nodes, "graph", [], outputs, weights))


@pytest.mark.parametrize(("count", "shape"), [(1, (300, 400)), (50, (64, 3, 3, 3)), (300, (1,)), (1, (0, 4))])
@pytest.mark.parametrize("raw", [True, False])
def test_it_is_protobufs_or_a_little_more(monkeypatch, count, shape, raw):
    model = model_of(count, shape, raw)
    model.metadata_props.append(onnx.StringStringEntryProto(key="config", value="x = 1" * 1000))
    exact = model.ByteSize()
    assert large.byte_size(model) == exact
    monkeypatch.setattr(large, "_QUICK", 0)
    found = large.byte_size(model)
    assert exact - 300 <= found <= exact + 150 * count + 1000
