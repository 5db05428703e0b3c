"""What lies in ``projects/`` of a checkout of mmdetection 3, beside a wheel; PYTHONPATH leads to the checkout."""

import pytest
import torch
from torch import nn

pytest.importorskip("projects.ViTDet.vitdet")

from models import exported

from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.session import Session

AXES = {0: "batch", 2: "height", 3: "width"}


def vit(**more):
    """ViTDet's backbone with a window of 3 cells, a global layer, and tables that are not zero."""
    from projects.ViTDet.vitdet import ViT

    torch.manual_seed(0)
    sizes = dict(img_size=64, patch_size=16, embed_dim=12, depth=2, num_heads=3, pretrain_img_size=48)
    model = ViT(**sizes, use_rel_pos=True, window_size=3, window_block_indexes=[0], **more).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize("traced", [(64, 64), (48, 48), (96, 80)])
def test_features_of_vitdet_are_those_of_pytorch_at_any_size(traced):
    """Traced where the table of a global layer fits, where positions and windows do, and where nothing does."""
    model, axes = vit().requires_grad_(False), {"maps": AXES}
    context = ExportContext(dynamic_size=True)
    file = exported(model, (torch.randn(1, 3, *traced),), context, input_names=["maps"], dynamic_axes=axes)
    session = Session(lower(file))
    for size in ((1, 3, 64, 64), (2, 3, 48, 48), (2, 3, 112, 80), (1, 3, 32, 144)):
        maps = torch.randn(size)
        (found,) = session.run({"maps": maps.numpy()}).values()
        expected = model(maps)
        expected = expected[0] if isinstance(expected, (tuple, list)) else expected
        assert expected.std() > 0.1
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-4)
