"""The stand-ins for ``torch.nn.functional``, in ONNX Runtime, at sizes that the trace has not seen."""

import numpy as np
import pytest
import torch
from models import exported
from torch.nn import functional

from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.session import Session


class PoolLikeAnother(torch.nn.Module):
    def forward(self, features, other):
        return functional.adaptive_max_pool2d(features, output_size=other.shape[2:])


@pytest.fixture(scope="module")
def session():
    axes = {0: "batch", 2: "height", 3: "width"}
    inputs = (torch.rand(1, 2, 8, 12), torch.rand(1, 2, 4, 6))
    dynamic = {"features": axes, "other": {key: f"other_{name}" for key, name in axes.items()}}
    return Session(exported(PoolLikeAnother(), inputs, input_names=["features", "other"], dynamic_axes=dynamic))


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((8, 12), (4, 6)), ((9, 13), (5, 7)), ((25, 38), (13, 19)), ((7, 50), (7, 3)), ((4, 4), (7, 9)), ((1, 1), (1, 1))],
)
def test_max_pooling_to_any_size(session, size, wanted):
    features = torch.randn(2, 2, *size)
    (found,) = session.run({"features": features.numpy(), "other": np.zeros((1, 2, *wanted), np.float32)}).values()
    np.testing.assert_array_equal(found, functional.adaptive_max_pool2d(features, wanted).numpy())


@pytest.fixture(scope="module")
def pooled():
    """Three average poolings of a map of any size."""
    wanted = {"square": 7, "flat": (3, 5), "rows": (4, None)}

    class Pool(torch.nn.Module):
        def forward(self, features):
            return tuple(functional.adaptive_avg_pool2d(features, size) for size in wanted.values())

    model = exported(
        Pool(),
        (torch.rand(1, 2, 14, 15),),
        ExportContext(dynamic_size=True),
        input_names=["features"],
        output_names=list(wanted),
        dynamic_axes={"features": {0: "batch", 2: "height", 3: "width"}},
    )
    return Session(model), wanted


@pytest.mark.parametrize("size", [(14, 15), (9, 13), (28, 21), (7, 50), (4, 4), (1, 1)])
def test_average_pooling_from_any_size(pooled, size):
    session, wanted = pooled
    features = torch.randn(2, 2, *size)
    for name, found in session.run({"features": features.numpy()}).items():
        expected = functional.adaptive_avg_pool2d(features, wanted[name]).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_file_of_one_size_has_the_pooling_of_onnx():
    (node,) = exported(torch.nn.AdaptiveAvgPool2d(7), (torch.rand(1, 2, 14, 21),)).graph.node
    assert node.op_type == "AveragePool"


def test_no_rows_at_all_are_flattened():
    """``x.view(x.size(0), -1)``, as box heads have it behind their pooling."""

    class Flat(torch.nn.Module):
        def forward(self, features):
            rows = features[(features[:, 0, 0, 0] > 0).nonzero()[:, 0]]
            return rows.view(rows.size(0), -1), rows.view((rows.shape[0], -1)), rows.view(-1, 2)

    inputs, dynamic = (torch.rand(3, 4, 2, 2) + 1,), {"features": {0: "rows"}}
    session = Session(exported(Flat(), inputs, input_names=["features"], dynamic_axes=dynamic))
    for features in (torch.rand(5, 4, 2, 2) - 0.5, -torch.ones(2, 4, 2, 2)):
        found = session.run({"features": features.numpy()}).values()
        kept = features[features[:, 0, 0, 0] > 0]
        for value, expected in zip(found, (kept.flatten(1), kept.flatten(1), kept.reshape(-1, 2))):
            np.testing.assert_array_equal(value, expected.numpy())
