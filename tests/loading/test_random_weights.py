"""Random weights that prove something: nothing of a model is asleep, and its scores tell pictures apart."""

import numpy as np
import pytest
import torch
from models import load_small
from torch import nn

from mmonnx import fallback
from mmonnx.codebases.mmdet import CODEBASE
from mmonnx.loading.images import photographs
from mmonnx.loading.random_weights import calibrate, revive, seeded

DEFORMABLE = "mmdet::dcn/faster_rcnn_r50_fpn_dconv_c3-c5_1x_coco.py"


def test_what_sleeps_is_woken_and_nothing_else_changes():
    model = nn.ModuleDict({"norm": nn.BatchNorm2d(4), "conv": nn.Conv2d(4, 4, 3), "other": nn.Conv2d(4, 4, 1)})
    model.scale = nn.Parameter(torch.full((4,), 1e-6))
    nn.init.zeros_(model["norm"].weight)
    nn.init.zeros_(model["conv"].weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    revive(model)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"norm.weight", "conv.weight", "scale"}
    assert model["conv"].weight.std() > 1e-3 and (model.scale == model["norm"].weight).all()


def test_what_upstream_never_draws_does_not_depend_on_the_memory():
    fallback.ensure()
    from mmdet.models.backbones.trident_resnet import TridentConv

    weights = []
    for held in (1e6, 0.3):
        model = nn.ModuleDict({"before": nn.Conv2d(3, 3, 1), "conv": TridentConv(4, 4, 3)})
        nn.init.constant_(model["conv"].weight, held)
        with seeded(0):
            revive(model, CODEBASE.undrawn)
        weights.append(model["conv"].weight.detach())
    assert torch.equal(*weights) and 1e-3 < weights[0].std() < 1


def test_no_branch_of_a_deformable_residual_network_is_asleep(tmp_path):
    """Upstream starts the last norm of every block, and the offsets of deformable convolutions, at zero."""
    # mmcv's own kernel refuses maps that are smaller than its 3x3 window, which 64 pixels make of the last stage
    task = load_small(DEFORMABLE, tmp_path, shape=(96, 96))
    model = task.module.model
    block = next(module for module in model.backbone.layer2 if hasattr(module.conv2, "conv_offset"))
    seen = {}
    block.conv2.conv_offset.register_forward_hook(lambda module, inputs, output: seen.update(offset=output))
    block.norm3.register_forward_hook(lambda module, inputs, output: seen.update(branch=output))
    task.predict(task.preprocess(photographs()[:1], (96, 96)))
    assert seen["offset"].std() > 0.01 and seen["branch"].std() > 0.01


def test_scores_tell_photographs_apart(tmp_path):
    name = "mmcls::mobilenet_v2/mobilenet-v2_8xb32_in1k.py"
    options = {"model.backbone.widen_factor": 0.25, "model.head.num_classes": 20}
    task = load_small(name, tmp_path, options, shape=(64, 64))
    one, other = (scores.probs for scores in task.predict(task.preprocess(photographs()[:2], (64, 64))))
    assert np.abs(one - other).max() > 0.1


class Focal(nn.Module):
    """A class head as for focal loss: hardly any weight, and a bias by which all that it begins with is rare."""

    def __init__(self, layer):
        super().__init__()
        self.retina_cls = layer
        nn.init.normal_(self.retina_cls.weight, std=1e-5)
        nn.init.constant_(self.retina_cls.bias, -4.6)

    def forward(self, x):
        return self.retina_cls(x)


@pytest.mark.parametrize(
    ("layer", "shape"), [(nn.Conv2d(8, 20, 3, padding=1), (2, 8, 12, 16)), (nn.Linear(8, 20), (6, 2, 30, 8))]
)
def test_the_bias_of_a_head_does_not_hide_that_its_scores_are_all_alike(layer, shape):
    torch.manual_seed(0)
    model, x = Focal(layer), torch.randn(shape)
    calibrate(model, lambda: model(x))
    assert model(x).std() > 1 and (model.retina_cls.bias == 0).all()


class Masked(nn.Conv2d):
    """A convolution that leaves most places out, as mmcv's masked ones do: they are 0 there."""

    def forward(self, x):
        where = (torch.arange(x.shape[-1]) % 4 == 0).to(x)
        return super().forward(x) * where


def test_places_that_a_masked_head_leaves_out_do_not_spread_for_it():
    torch.manual_seed(0)
    model, x = Focal(Masked(8, 20, 3, padding=1)), torch.randn(2, 8, 12, 16)
    calibrate(model, lambda: model(x))
    assert model(x)[..., ::4].std() > 1


class Attention(nn.Module):
    """Channels that are weighed by their means over the whole image."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.squeeze = nn.Sequential(nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8))

    def forward(self, images):
        return self.squeeze(self.stem(images).mean((2, 3), keepdim=True))


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_pooled_over_whole_images_is_not_magnified_for_other_images(count):
    torch.manual_seed(0)
    model, images = Attention().eval(), torch.rand(count, 3, 32, 32)
    calibrate(model, lambda: model(images))
    with torch.no_grad():
        seen, other = model(images), model(torch.rand(4, 3, 24, 48) * 0.8)
    assert 0.2 < seen.std() < 2 and 0.2 < other.std() < 4 and other.abs().max() < 8
    assert not any(module.training for module in model.modules())


class Heats(nn.Module):
    """A backbone without training whose heat maps have outliers, and a choice of places that is as good as hard."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8, eps=0.0), nn.ReLU())
        self.context = nn.ModuleDict({"conv_mask": nn.Conv2d(8, 1, 1)})
        self.bbox_head = nn.Module()
        self.bbox_head.heatmap_head = nn.Sequential(nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 20, 1))

    def forward(self, images):
        features = self.stem(images)
        where = self.context["conv_mask"](features)
        return self.bbox_head.heatmap_head(features), where


def test_heats_have_a_few_classes_on_top_and_are_not_saturated():
    torch.manual_seed(0)
    model, images = Heats().eval(), torch.rand(2, 3, 32, 32)
    images[0, :, 4, 4] = 100.0
    model.context["conv_mask"].weight.data.mul_(100)
    calibrate(model, lambda: model(images), CODEBASE.rules)
    with torch.no_grad():
        heats, where = model(images)
    assert heats.abs().max() < 8 and len(heats.max(0)[0].flatten(1).max(1)[0].unique()) == 20
    best = heats.transpose(0, 1).flatten(1).quantile(0.9, dim=1)
    assert best[:8].min() > best[8:].max()
    assert 0.1 < where.std() < 2 and where.abs().max() < 8
    assert model.stem[1].eps == 0.0 and not model.stem[1].training
