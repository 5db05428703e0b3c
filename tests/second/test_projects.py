"""What lies in ``projects/`` of a checkout of mmdetection 3, beside a wheel; PYTHONPATH leads to the checkout."""

from pathlib import Path

import pytest
import torch
from torch import nn

pytest.importorskip("projects.ViTDet.vitdet")

import numpy as np
import projects
from models import exported

from mmonnx import loading
from mmonnx.loading.images import photographs
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.session import Session
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import make_cases, verify

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


def test_instances_of_sparseinst_are_those_of_pytorch():
    """At another size, of two pictures, of a padded one; and where it finds nothing."""
    config = Path(projects.__path__[0]) / "SparseInst/configs/sparseinst_r50_iam_8xb8-ms-270k_coco.py"
    decoder = dict(in_channels=34, ins_dim=32, mask_dim=32, ins_conv=1, mask_conv=1, kernel_dim=16, num_masks=30)
    options = {f"model.decoder.{name}": value for name, value in decoder.items()}
    options.update({"model.encoder.in_channels": [128, 256, 512], "model.encoder.out_channels": 32})
    options.update({"model.backbone.depth": 18, "model.backbone.init_cfg": None})
    task = loading.load(str(config), None, loading.LoadOptions(shape=(96, 128), dynamic=True, cfg_options=options))
    assert task.output_names == ["dets", "labels", "masks"]
    session = Session(lower(trace(task, 11, ExportContext())))
    results = verify(task, session.run, make_cases(task, None, task.shape))
    assert all(result.ok for result in results), [result.problems for result in results]
    assert len({result.shape for result in results}) > 1 and any("batch 2" in result.name for result in results)
    found = [one.masks for one in task.predict(task.preprocess(photographs()[:2], (64, 96)))]
    assert min(masks.mean() for masks in found) > 0.01 and max(masks.mean() for masks in found) < 0.99
    task.module.model.cls_threshold = 2.0
    feeds = task.preprocess(photographs()[:2], (64, 96))
    session = Session(lower(trace(task, 11, ExportContext())))
    outputs = session.run({name: value.numpy() for name, value in feeds.items()})
    assert [len(one.dets) for one in task.predict(feeds)] == [0, 0]
    assert all(not len(one.dets) for one in task.read(outputs)) and np.isfinite(outputs["dets"]).all()
