"""Torch's attention in the operators of an old opset, at lengths that the trace has not seen."""

import numpy as np
import pytest
import torch
from models import exported
from torch.nn import functional

from mmonnx.environment import compat
from mmonnx.runtime.session import Session

pytestmark = pytest.mark.skipif(
    not hasattr(functional, "scaled_dot_product_attention"), reason="torch before 2.0 has none"
)


def traced(module, inputs, opset=11):
    names = [f"input_{number}" for number in range(len(inputs))]
    dynamic = {name: {0: f"{name}_batch", 2: f"{name}_length"} for name in names[:3]}
    session = Session(exported(module, inputs, opset=opset, input_names=names, dynamic_axes=dynamic))
    return lambda *values: next(iter(session.run(dict(zip(names, (value.numpy() for value in values)))).values()))


class Attention(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, query, key, value, mask=None):
        return functional.scaled_dot_product_attention(query, key, value, mask, **self.options)


def inputs(batch, length, other):
    generator = torch.Generator().manual_seed(length)
    return [torch.randn(batch, 2, size, 8, generator=generator) for size in (length, other, other)]


@pytest.mark.parametrize("opset", [11, 14])
@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.2}])
def test_it_is_torchs(options, opset):
    module = Attention(**options)
    run = traced(module, tuple(inputs(1, 5, 7)), opset)
    for shape in ((1, 5, 7), (3, 4, 4), (2, 9, 3)):
        given = inputs(*shape)
        np.testing.assert_allclose(run(*given), module(*given).numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", [bool, float])
def test_masks(kind):
    mask = torch.rand(5, 7, generator=torch.Generator().manual_seed(0))
    mask = mask > 0.3 if kind is bool else mask
    given = [*inputs(2, 5, 7), mask]
    module = Attention()
    np.testing.assert_allclose(traced(module, tuple(given))(*given), module(*given).numpy(), atol=1e-5)


def test_a_layer_of_attention():
    layer = torch.nn.MultiheadAttention(16, 4, batch_first=True).eval()

    class Alone(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, tokens):
            return self.layer(tokens, tokens, tokens, need_weights=False)[0]

    tokens = torch.randn(2, 6, 16)
    with compat.no_attention_fast_path(), torch.no_grad():
        found = traced(Alone(), (tokens,))(tokens)
        np.testing.assert_allclose(found, Alone()(tokens).numpy(), atol=1e-5)


@pytest.mark.skipif(not hasattr(torch, "_safe_softmax"), reason="torch before 2.5 gives NaN itself")
@pytest.mark.parametrize("opset", [11, 14])
@pytest.mark.parametrize("kind", [bool, float])
def test_a_query_that_may_look_nowhere(kind, opset):
    """As of https://github.com/pytorch/pytorch/issues/120075."""
    module, look = Attention(), torch.rand(5, 7, generator=torch.Generator().manual_seed(0)) > 0.4
    run = traced(module, (*inputs(1, 5, 7), _mask(look, kind)), opset)
    look[2] = False
    given = (*inputs(2, 5, 7), _mask(look, kind))
    expected = module(*given).numpy()
    assert (expected[:, :, 2] == 0).all()
    np.testing.assert_allclose(run(*given), expected, atol=1e-5)


def _mask(look, kind):
    return look if kind is bool else torch.where(look, 0.0, -float("inf"))
