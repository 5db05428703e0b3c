"""Models of mmpretrain from config to file: pixels, scores, features; and what they refuse by name."""

import copy

import cv2
import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("mmpretrain.registry")

from mmonnx import loading
from mmonnx.loading import images
from mmonnx.loading.config import find_config
from mmonnx.loading.images import photographs
from mmonnx.loading.model import load_or_calibrate
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import REGISTRY, ExportContext
from mmonnx.runtime import from_config, pipeline
from mmonnx.runtime.session import Session
from mmonnx.support import InputError
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import make_cases, verify

LAYERS = {"_delete_": True, "embed_dims": 24, "num_layers": 2, "num_heads": 3, "feedforward_channels": 48}
WINDOWS = {"_delete_": True, "embed_dims": 24, "depths": [2, 2], "num_heads": [3, 6]}
RESNET = {"model.backbone.depth": 18, "model.backbone.base_channels": 16}
HEAD = {"model.head.in_channels": 24, "model.head.num_classes": 20}
VIT = {"model.backbone.arch": LAYERS, "model.backbone.img_size": 64, **HEAD}
ROPE = "mmpretrain::eva02/eva02-tiny-p14_in1k.py"
ANY_SIZE = {
    "mmpretrain::resnet/resnet50_8xb32_in1k.py": {**RESNET, "model.head.in_channels": 128},
    "mmpretrain::vision_transformer/vit-base-p16_64xb64_in1k.py": {**VIT, "model.backbone.patch_size": 16},
    "mmpretrain::deit/deit-tiny-distilled_4xb256_in1k.py": VIT,
    ROPE: {**VIT, "model.backbone.patch_size": 16},
    "mmpretrain::swin_transformer/swin-tiny_16xb64_in1k.py": {
        "model.backbone.arch": WINDOWS,
        "model.backbone.out_indices": [1],
        "model.backbone.img_size": 64,
        **HEAD,
        "model.head.in_channels": 48,
    },
    "mmpretrain::csra/resnet101-csra_1xb16_voc07-448px.py": {**RESNET, "model.head.in_channels": 128},
}


def load(name, options=None, shape=(64, 64), **more):
    # mmengine takes _delete_ out of what it merges
    given = loading.LoadOptions(shape=shape, cfg_options=copy.deepcopy(options), **more)
    return loading.load(name, None, given)


def check(task):
    """The file of a task gives PyTorch's answers, at another size too, and for two pictures at once."""
    session = Session(lower(trace(task, 11, ExportContext())))
    results = verify(task, session.run, make_cases(task, None, task.shape))
    assert all(result.ok for result in results), [result.problems for result in results]
    assert any("batch 2" in result.name for result in results)
    return results


@pytest.mark.parametrize("name", list(ANY_SIZE))
def test_scores_are_those_of_pytorch_at_any_size(name):
    task = load(name, ANY_SIZE[name], dynamic=True)
    assert len({result.shape for result in check(task)}) > 1
    one, other = (scores.probs for scores in task.predict(task.preprocess(photographs()[:2], task.shape)))
    assert np.abs(one - other).max() > 0.01 * np.abs(one).max()
    several = "csra" in name  # the sum of several labels' probabilities is anything
    assert (abs(float(one.sum()) - 1) < 1e-4) != several


def test_they_are_what_upstream_predicts():
    name = "mmpretrain::resnet/resnet50_8xb32_in1k.py"
    task = load(name, ANY_SIZE[name])
    (scores,) = task.predict(task.inputs)
    with torch.no_grad():
        (sample,) = task.module.model(task.inputs["input"], mode="predict")
        logits = task.module.model(task.inputs["input"], mode="tensor")
    np.testing.assert_array_equal(scores.probs, sample.pred_score.numpy())
    (plain,) = load(name, ANY_SIZE[name], softmax=False).predict(task.inputs)
    np.testing.assert_allclose(plain.probs, logits[0].numpy(), rtol=1e-5, atol=1e-5)
    assert load(name, ANY_SIZE[name], topk=3).predict(task.inputs)[0].labels[0] == int(sample.pred_label)


@pytest.mark.parametrize(
    ("name", "options", "outputs"),
    [
        # a retriever's embedding, the backbone of a self-supervised model, and a classifier without a head
        ("mmpretrain::arcface/resnet50-arcface_8xb32_inshop.py", {}, ["features"]),
        ("mmpretrain::simsiam/simsiam_resnet50_8xb32-coslr-100e_in1k.py", RESNET, ["features"]),
        (
            "mmpretrain::mae/mae_vit-base-p16_8xb512-amp-coslr-300e_in1k.py",
            {"model.backbone.arch": LAYERS, "model.backbone.img_size": 64, "model.neck.embed_dim": 24},
            ["features"],
        ),
        (
            "mmpretrain::dinov2/vit-small-p14_dinov2-pre_headless.py",
            {"model.backbone.arch": LAYERS, "model.backbone.img_size": 70},
            ["features"],
        ),
    ],
)
def test_without_classes_the_outputs_are_features(name, options, outputs):
    if "arcface" in name:
        options = {"model.image_encoder": ENCODER, "model.head.in_channels": 128, "model.head.num_classes": 10}
    task = load(name, options, shape=(70, 70) if "dinov2" in name else (64, 64), dynamic_batch=True)
    assert task.output_names == outputs
    check(task)
    with pytest.raises(InputError, match="has no classes"):
        load(name, options, shape=task.shape, topk=5)


ENCODER = [
    {"type": "ResNet", "depth": 18, "base_channels": 16, "out_indices": (3,)},
    {"type": "GlobalAveragePooling"},
]


def test_a_model_of_text_is_refused_by_name():
    with pytest.raises(InputError, match="BlipCaption.*pictures and text"):
        load("mmpretrain::blip/blip-base_8xb32_caption.py")


LINEAR = {"type": "LinearClsHead", "in_channels": 128}
LABELS = {"type": "MultiLabelLinearClsHead", "in_channels": 128}
TASKS = {
    "kind": {**LINEAR, "num_classes": 7},
    "look": {
        "type": "MultiTaskHead",
        "task_heads": {"colours": {**LABELS, "num_classes": 4}, "size": {**LINEAR, "num_classes": 3}},
    },
}
SEVERAL = {**RESNET, "model.head": {"_delete_": True, "type": "MultiTaskHead", "task_heads": TASKS}}


@pytest.mark.parametrize("softmax", [True, False])
def test_a_head_of_several_tasks_gives_the_scores_of_each(softmax):
    task = load("mmpretrain::resnet/resnet50_8xb32_in1k.py", SEVERAL, dynamic=True, softmax=softmax)
    kind = "probs" if softmax else "logits"
    assert task.output_names == [f"{kind}_kind", f"{kind}_look.colours", f"{kind}_look.size"]
    check(task)
    feeds = task.preprocess(photographs()[:2], (96, 80))
    found = Session(lower(trace(task, 11, ExportContext()))).run({"input": feeds["input"].numpy()})
    with torch.no_grad():
        if softmax:
            samples = task.module.model(feeds["input"], mode="predict")
            expected = [sample.look.colours.pred_score for sample in samples]
            assert torch.allclose(samples[0].kind.pred_score.sum(), torch.ones(()))
        else:
            expected = task.module.model(feeds["input"], mode="tensor")["look"]["colours"]
    expected = np.stack([value.numpy() for value in expected])
    assert np.abs(expected[0] - expected[1]).max() > 1e-4
    np.testing.assert_allclose(found[f"{kind}_look.colours"], expected, atol=1e-5)


def test_scores_of_several_tasks_are_not_sorted_together():
    with pytest.raises(InputError, match=r"several tasks \(kind, look.colours, look.size\)"):
        load("mmpretrain::resnet/resnet50_8xb32_in1k.py", SEVERAL, topk=2)


PIPELINES = (
    "resnet/resnet50_8xb32_in1k.py",  # the short edge, and the middle
    "beit/benchmarks/beit-base-p16_8xb64_in1k.py",  # Pillow, bicubic
    "efficientnet/efficientnet-b0_8xb32_in1k.py",  # a share of the short edge, resized
    "efficientnet_v2/efficientnetv2-b0_8xb32_in1k.py",
    "mobilevit/mobilevit-small_8xb128_in1k.py",  # BGR, scaled alone
    "repmlp/repmlp-base_8xb64_in1k.py",  # to a fixed size
)


@pytest.mark.parametrize("options", [{}, {"crop": (200, 120)}], ids=["own", "not_square"])
@pytest.mark.parametrize("name", PIPELINES)
def test_a_file_sees_the_pixels_that_upstream_does(tmp_path, name, options):
    from mmengine import Config
    from mmengine.dataset import Compose
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import MODELS, TRANSFORMS

    config = Config.fromfile(str(find_config(f"mmpretrain::{name}")))
    steps = config.test_dataloader.dataset.pipeline
    for step in steps:
        if options and step["type"] == "CenterCrop":
            step["crop_size"] = options["crop"]
        if options and step["type"] == "Resize":
            step["scale"] = options["crop"]
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        apply = Compose([TRANSFORMS.build(step) for step in steps])
        own = {"type": "ClsDataPreprocessor", **config.get("data_preprocessor", {})}
        own.update(config.model.get("data_preprocessor", {}))
        preprocess = MODELS.build(own)
    for height, width in ((333, 517), (301, 223), (97, 131)):
        noise = np.random.RandomState(0).randint(0, 256, (height // 3, width // 3, 3), np.uint8)
        path = str(tmp_path / "picture.png")
        cv2.imwrite(path, cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC))
        packed = apply({"img_path": path, "gt_label": 0})
        expected = preprocess({"inputs": [packed["inputs"]]})["inputs"].numpy()
        found = pipeline.apply(from_config(images.test_pipeline(config)), cv2.imread(path)).feed
        np.testing.assert_array_equal(found, expected)


def test_angles_of_a_traced_size_are_upstreams():
    from mmpretrain.models.utils.position_encoding import RotaryEmbeddingFast

    rope, x = RotaryEmbeddingFast(32, (4, 4)), torch.randn(2, 3, 15, 32)
    stand_in = REGISTRY["mmpretrain.models.utils.position_encoding.RotaryEmbeddingFast.forward"].function
    found = stand_in(ExportContext(), None, rope, x, (torch.tensor(3), torch.tensor(5)))
    assert torch.equal(rope.freqs_cos, RotaryEmbeddingFast(32, (4, 4)).freqs_cos)  # nothing is kept
    torch.testing.assert_close(found, rope(x, (3, 5)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(6, 8), (5, 8), (7, 3)])
def test_patches_of_any_map_are_upstreams(size):
    from mmpretrain.models.backbones.mobilevit import MobileVitBlock

    block = MobileVitBlock(8, 12, 16, 8).eval()
    stand_in = REGISTRY["mmpretrain.models.backbones.mobilevit.MobileVitBlock.forward"].function
    x = torch.randn(2, 8, *size)
    with torch.no_grad():
        for dynamic in (True, False):
            found = stand_in(ExportContext(dynamic_size=dynamic), None, block, x)
            torch.testing.assert_close(found, block(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (64, 96), (128, 32), (80, 80)])
def test_places_of_a_traced_size_are_upstreams(size):
    """At 64x64, of the embedding's own size, upstream resizes nothing; at 128x32 it has as many cells, and does."""
    from mmpretrain.models.backbones.hivit import HiViT

    arch = {"embed_dims": 32, "depths": [1, 1, 1], "num_heads": 2}
    model = HiViT(arch, img_size=64, ape=True, rpe=False, out_indices=[2])
    nn.init.normal_(model.pos_embed)
    stand_in = REGISTRY["mmpretrain.models.backbones.hivit.HiViT.interpolate_pos_encoding"].function
    cells = torch.zeros(1, size[0] * size[1] // 256, 32)
    expected = model.interpolate_pos_encoding(cells, *size)
    found = stand_in(ExportContext(), None, model, cells, torch.tensor(size[0]), torch.tensor(size[1]))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_features_of_itpn_are_those_of_pytorch_at_any_size():
    name = "mmpretrain::itpn/itpn-pixel_hivit-base-p16_8xb512-amp-coslr-400e_in1k.py"
    # a last block that has the number of none before it, by which upstream knows it
    arch = {"_delete_": True, "embed_dims": 32, "depths": [1, 1, 8], "num_heads": 2}
    task = load(name, {"model.backbone.arch": arch, "model.backbone.img_size": 64}, dynamic=True)
    assert len({result.shape for result in check(task)}) > 1


@pytest.mark.parametrize("shape", [(64, 64), (96, 64), (80, 112)])
def test_features_of_sam_are_those_of_pytorch_at_any_size(shape):
    """Traced where its windows are whole and its table is of the size, and where neither is so."""
    arch = {"_delete_": True, "embed_dims": 24, "num_layers": 2, "num_heads": 3, "feedforward_channels": 48}
    backbone = {"arch": {**arch, "global_attn_indexes": [1]}, "img_size": 64, "window_size": 2, "out_channels": 16}
    options = {f"model.backbone.{name}": value for name, value in backbone.items()}
    task = load("mmpretrain::sam/vit-base-p16_sam_headless.py", options, shape, dynamic=True)
    assert len({result.shape for result in check(task)}) > 1


class Keeping(nn.Linear):
    """Keeps what follows from its weights when it is put into eval mode, as LeViT and TinyViT do."""

    def train(self, mode=True):
        self.kept = None if mode else self.weight.detach() * 2
        return super().train(mode)


@pytest.mark.parametrize("given", [True, False])
def test_what_a_model_keeps_of_its_weights_is_of_those_that_it_has(tmp_path, given):
    model = Keeping(3, 2).eval()
    torch.save({"state_dict": {"weight": torch.ones(2, 3), "bias": torch.ones(2)}}, str(tmp_path / "a.pth"))
    path = str(tmp_path / "a.pth") if given else None
    load_or_calibrate(model, path, loading.LoadOptions(), lambda: model(torch.randn(4, 3)))
    assert torch.equal(model.kept, model.weight * 2) and (not given or torch.equal(model.weight, torch.ones(2, 3)))
