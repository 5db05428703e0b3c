"""PSA masks' body against mmcv's kernel, compiled or the fallback's."""

import pytest
import torch
from bodies import close, every_opset, export, randn, run, run_body
from kernels import both

from mmonnx import fallback


def expected(ext, input, psa_type, mask_size):
    batch, _, height, width = input.shape
    output = input.new_zeros((batch, height * width, height, width))
    sizes = dict(zip(("h_feature", "w_feature", "h_mask", "w_mask"), (height, width, *mask_size)))
    halves = dict(half_h_mask=(mask_size[0] - 1) // 2, half_w_mask=(mask_size[1] - 1) // 2)
    ext.psamask_forward(input, output, psa_type=psa_type, num_=batch, **sizes, **halves)
    return output


@every_opset
@pytest.mark.parametrize("ext", both())
@pytest.mark.parametrize("psa_type", [0, 1])
@pytest.mark.parametrize("mask_size", [(3, 5), (7, 7), (1, 1), (2, 4), (15, 3)])
def test_body(opset, ext, psa_type, mask_size):
    for shape in ((2, 3, 4), (1, 5, 2), (1, 1, 1)):
        input = randn(shape[0], mask_size[0] * mask_size[1], *shape[1:])
        found = run_body("MMCVPSAMask", opset, [input], psa_type=psa_type, mask_size=mask_size)
        close(found[0], expected(ext, input, psa_type, mask_size), 0)


@every_opset
def test_body_of_no_image(opset):
    found = run_body("MMCVPSAMask", opset, [torch.zeros(0, 9, 3, 4)], psa_type=0, mask_size=(3, 3))
    close(found[0], torch.zeros(0, 12, 3, 4))


@every_opset
@pytest.mark.parametrize("kind", ["collect", "distribute"])
def test_module_at_other_sizes(opset, kind):
    fallback.ensure()
    from mmcv.ops import PSAMask

    layer = PSAMask(kind, (3, 5))
    model = export(layer, [randn(1, 15, 4, 6)], opset)
    for shape in ((1, 15, 4, 6), (2, 15, 3, 7)):
        close(run(model, [randn(*shape)])[0], layer(randn(*shape)))
