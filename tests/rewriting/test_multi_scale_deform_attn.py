"""Multi-scale deformable attention's body against mmcv's own Python form."""

import pytest
import torch
from bodies import close, every_opset, export, rand, randn, run, run_body

from mmonnx import fallback
from mmonnx.rewriting.symbolics import multi_scale_deform_attn
from mmonnx.targets import Capabilities

FORMS = {"mmcv": "MMCVMultiScaleDeformableAttn", "mmonnx": "MultiScaleDeformableAttnByLevels"}
every_form = pytest.mark.parametrize("domain", FORMS)


def make(batch, queries, heads, dims, points, shapes, seed=0):
    """Value, shapes, starts, locations (some outside of the map) and weights."""
    shapes = torch.tensor(shapes)
    sizes = shapes.prod(1)
    value = randn(batch, int(sizes.sum()), heads, dims, seed=seed)
    locations = rand(batch, queries, heads, len(shapes), points, 2, seed=seed + 1) * 1.6 - 0.3
    weights = rand(batch, queries, heads, len(shapes), points, seed=seed + 2)
    return [value, shapes, sizes.cumsum(0) - sizes, locations, weights]


def reference(value, shapes, starts, locations, weights):
    fallback.ensure()
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    return multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)


@every_form
@every_opset
@pytest.mark.parametrize("batch, queries, heads, dims, points", [(1, 5, 1, 4, 1), (2, 7, 3, 8, 4), (3, 1, 2, 1, 2)])
@pytest.mark.parametrize("shapes", [[[3, 4]], [[5, 7], [3, 4], [1, 2]], [[1, 1], [6, 1], [2, 9], [4, 4]]])
def test_body(domain, opset, batch, queries, heads, dims, points, shapes):
    inputs = make(batch, queries, heads, dims, points, shapes)
    close(run_body(FORMS[domain], opset, inputs, domain, im2col_step=64)[0], reference(*inputs))


@every_opset
@pytest.mark.parametrize("turns", [2, 3, 4, 30, 42, 99])
def test_body_in_turns(opset, turns, monkeypatch):
    """Some of 42 rows at a time: the last turn reaches back for 4; in 30 there are more turns than rows in one."""
    inputs = make(2, 7, 3, 8, 4, [[5, 7], [3, 4]])
    rows, each = 2 * 7 * 3, 2 * 4 * 4 * 8
    monkeypatch.setattr(multi_scale_deform_attn, "_NEAR", rows * each // turns)
    close(run_body(FORMS["mmcv"], opset, inputs, im2col_step=64)[0], reference(*inputs))


@every_form
@every_opset
def test_body_of_no_image(domain, opset):
    inputs = make(0, 5, 2, 4, 3, [[2, 3], [1, 2]])
    close(run_body(FORMS[domain], opset, inputs, domain, im2col_step=64)[0], torch.zeros(0, 5, 8))


class Attention(torch.nn.Module):
    """mmcv's layer on maps whose sizes are known at run time alone."""

    def __init__(self):
        super().__init__()
        from mmcv.ops import MultiScaleDeformableAttention

        torch.manual_seed(0)
        self.layer = MultiScaleDeformableAttention(16, num_heads=2, num_levels=2, num_points=3, batch_first=True)
        torch.nn.init.normal_(self.layer.sampling_offsets.weight)
        torch.nn.init.normal_(self.layer.attention_weights.weight)

    def forward(self, query, places, one, two):
        value = torch.cat([level.flatten(2).transpose(1, 2) for level in (one, two)], 1)
        shapes = torch.stack([torch._shape_as_tensor(level)[2:] for level in (one, two)])
        return self.layer(query, value=value, reference_points=places, spatial_shapes=shapes)


def attention_inputs(batch, queries, sizes):
    maps = [randn(batch, 16, *size, seed=number) for number, size in enumerate(sizes)]
    return [randn(batch, queries, 16, seed=5), rand(batch, queries, 2, 2, seed=6), *maps]


@every_form
@every_opset
def test_module_at_other_sizes(domain, opset):
    fallback.ensure()
    module = Attention().eval()
    capabilities = Capabilities(scanning_loops=domain == "mmcv")
    model = export(module, attention_inputs(1, 4, [(5, 6), (3, 2)]), opset, capabilities)
    (loop,) = (node for node in model.graph.node if node.op_type == "Loop")
    assert len(loop.input) == (2 if domain == "mmcv" else 3)  # what goes from turn to turn
    for inputs in (attention_inputs(1, 4, [(5, 6), (3, 2)]), attention_inputs(2, 9, [(4, 8), (1, 3)])):
        with torch.no_grad():
            expected = module(*inputs)
        close(run(model, inputs)[0], expected)
