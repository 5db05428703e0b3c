"""Modules that are exported in their form for deployment, and compared with the model in that for training."""

import copy
import io
import threading
from collections import Counter

import numpy as np
import pytest
import torch
from detector_texts import FASTER, RETINANET
from models import case, once_if, run_known
from torch import nn

import mmonnx
from mmonnx import loading
from mmonnx.loading.images import photographs
from mmonnx.loading.random_weights import calibrate, seeded
from mmonnx.pipeline import ExportSettings, export
from mmonnx.runtime.session import Session
from mmonnx.support.errors import InputError
from mmonnx.terminal.report import Report
from mmonnx.verifying.verification import verify

REPVGG = (
    "type='{scope}RepVGG', arch=dict(num_blocks=[1, 2, 2, 1], width_factor=[0.25, 0.25, 0.25, 0.25], {arch}),"
    " out_indices={out}"
)
REPMLP = (
    "type='RepMLPNet', arch=dict(channels=[8, 16, 24, 32], depths=[1, 1, 2, 1], sharesets_nums=[1, 2, 2, 4]),"
    " img_size=64, reparam_conv_kernels=(1, 3), out_indices=(3,)"
)
CLASSIFIER = (
    "model = dict(type='ImageClassifier', backbone=dict({backbone}), neck=dict(type='GlobalAveragePooling'),"
    " head=dict(type='LinearClsHead', num_classes=7, in_channels={channels}))\n"
)


def repvgg(scope="", arch="group_layer_map=None, se_cfg=None, stem_channels=16", out=(3,)):
    return REPVGG.format(scope=scope, arch=arch, out=out)


def on_repvgg(text):
    backbone = repvgg(scope="mmcls.", out=(0, 1, 2, 3))
    return text.format(backbone=backbone, channels=[16, 32, 64, 128], maps=4, strides=[4, 8, 16, 32])


CONFIGS = {
    "RepVGG": CLASSIFIER.format(backbone=repvgg(), channels=128),
    "RepVGG with groups": CLASSIFIER.format(
        backbone=repvgg(arch="group_layer_map={2: 2, 4: 4}, se_cfg=None, stem_channels=16"), channels=128
    ),
    "RepMLP": CLASSIFIER.format(backbone=REPMLP, channels=32),
    "detector": on_repvgg(RETINANET),
    "two stages": on_repvgg(FASTER),
}


def trained(config, folder):
    """The path of a config, and of a checkpoint with norms as a training leaves them."""
    path, weights = folder / "config.py", folder / "weights.pth"
    path.write_text(config)
    task = loading.load(str(path), None, loading.LoadOptions(shape=(64, 64)))
    model = task.module.model
    make_trained(model)
    pictures = task.preprocess(photographs()[:2], (64, 64))
    with seeded(0):  # else all scores are 1
        calibrate(model, lambda: task.predict(pictures))
    torch.save({"state_dict": model.state_dict()}, str(weights))
    return str(path), str(weights), model


def make_trained(model):
    with seeded(3):
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d):
                for value, least, most in (
                    (part.weight, 0.5, 1.0),
                    (part.bias, -0.5, 0.5),
                    (part.running_mean, -0.2, 0.2),
                    (part.running_var, 0.3, 2.0),
                ):
                    nn.init.uniform_(value, least, most)


def run(config, checkpoint, folder, shape=(64, 64), **load):
    told = io.StringIO()
    options = loading.LoadOptions(shape=shape, **load)
    settings = ExportSettings(config, checkpoint, str(folder / "made.onnx"), options, verify=True, simplify=True)
    return export(settings, Report(told)), told.getvalue()


def operators(model):
    return Counter(node.op_type for node in model.graph.node)


@pytest.mark.parametrize("name", once_if(("detector", "two stages", "RepMLP").__contains__, CONFIGS))
def test_upstreams_modules_are_switched_and_answer_as_before(tmp_path, name):
    config, checkpoint, own = trained(CONFIGS[name], tmp_path)
    detector = name in ("detector", "two stages")
    found, told = run(
        config, checkpoint, tmp_path, **({"dynamic": True} if detector else {"dynamic_batch": True, "softmax": False})
    )
    assert found.ok and "backbone in the form for deployment" in told
    names = [node.name for node in found.model.graph.node if node.op_type == "Conv" and "backbone" in node.name]
    if name == "RepMLP":
        assert any("fc3" in one for one in names) and not any("repconv" in one for one in names)
    else:
        layers = sum(type(part).__name__ == "RepVGGBlock" for part in own.modules())
        assert len(names) == layers == 7 and not operators(found.model)["BatchNormalization"]
    unseen = case(found.task, (96, 160) if detector else (64, 64), photographs()[1:4])
    (result,) = verify(found.task, run_known(Session(found.model)), [unseen])
    assert result.ok and result.total >= 3, result.problems
    assert not any("deploy" in key or "reparam" in key for key in found.task.module.state_dict())


@pytest.mark.once
@pytest.mark.parametrize("name", ["RepVGG", "RepVGG with groups", "detector", "two stages"])
def test_raw_outputs_are_those_of_the_switched_form_too(tmp_path, name):
    config, checkpoint, _ = trained(CONFIGS[name], tmp_path)
    found, told = run(config, checkpoint, tmp_path, skip_postprocess=True, dynamic=True)
    assert found.ok and "backbone in the form for deployment" in told
    names = [node.name for node in found.model.graph.node if node.op_type == "Conv" and "backbone" in node.name]
    assert len(names) == 7 and all("branch_reparam" in one for one in names)
    unseen = case(found.task, (96, 160), photographs()[1:4])
    (result,) = verify(found.task, run_known(Session(found.model)), [unseen])
    assert result.ok and result.total >= 1, result.problems


def test_upstreams_own_mistake_is_not_taken(tmp_path):
    """mmcls's RepVGG has no squeeze-and-excitation in its form for deployment."""
    backbone = repvgg(arch="group_layer_map=None, se_cfg=dict(ratio=4, divisor=1), stem_channels=16")
    config, checkpoint, _ = trained(CLASSIFIER.format(backbone=backbone, channels=128), tmp_path)
    found, told = run(config, checkpoint, tmp_path, softmax=False)
    assert found.ok and "backbone is exported in its form for training: after RepVGG.switch_to_deploy" in told
    assert operators(found.model)["Conv"] == 7 * 4  # two branches, and two of the excitation


class Block(nn.Module):
    """As those who publish such networks write them: two branches and an identity, and one convolution after."""

    def __init__(self, channels, wrong=0.0):
        super().__init__()
        self.wide, self.narrow = nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.Conv2d(channels, channels, 1)
        self.norm, self.same = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.wrong = wrong

    def forward(self, x):
        if hasattr(self, "one"):
            return self.one(x).relu()
        return (self.norm(self.wide(x)) + self.narrow(x) + self.same(x)).relu()

    def switch_to_deploy(self):
        if self.wrong is None:
            raise RuntimeError("no such form")
        channels = self.wide.out_channels
        scale = [norm.weight / (norm.running_var + norm.eps).sqrt() for norm in (self.norm, self.same)]
        kernel = self.wide.weight * scale[0].reshape(-1, 1, 1, 1)
        kernel = kernel + nn.functional.pad(self.narrow.weight, [1, 1, 1, 1])
        kernel[range(channels), range(channels), 1, 1] += scale[1] + self.wrong
        bias = self.narrow.bias + sum(
            norm.bias - norm.running_mean * one for norm, one in zip((self.norm, self.same), scale)
        )
        self.one = nn.Conv2d(channels, channels, 3, 1, 1)
        self.one.weight.data, self.one.bias.data = kernel, bias
        for name in ("wide", "narrow", "norm", "same"):
            delattr(self, name)


class Renamed(Block):
    """One whose method is called otherwise."""

    switch_to_deploy = None

    def reparameterize(self):
        Block.switch_to_deploy(self)


class Outer(nn.Module):
    """Switches its own parts, as upstream's networks do, and cannot do so twice."""

    def __init__(self):
        super().__init__()
        self.parts = nn.Sequential(Block(4), Block(4))
        self.deploy = False

    def forward(self, x):
        return self.parts(x)

    def switch_to_deploy(self):
        assert not self.deploy
        for part in self.parts:
            part.switch_to_deploy()
        self.deploy = True


def nested(*parts):
    return nn.Sequential(nn.Conv2d(3, 4, 1), *parts, nn.Conv2d(4, 2, 1))


MODULES = {
    "blocks": (lambda: nested(Block(4), Block(4)), 4),
    "a network": (lambda: nested(Outer()), 4),
    "by another name": (lambda: nested(Renamed(4), nn.ReLU(), Renamed(4)), 4),
    "all of the model": (lambda: Block(3), 1),
    "the last layer": (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), Block(4)), 2),
}


def export_module(model, folder, **options):
    told = io.StringIO()
    x = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    axes = {"input": {0: "batch", 2: "height", 3: "width"}}
    path = str(folder / "made.onnx")
    found = mmonnx.export(model, x, path, dynamic_axes=axes, verify=True, report=Report(told), **options)
    return found, told.getvalue()


def answers(model, found):
    """PyTorch's and the file's, for a size and a batch that the trace has not seen."""
    x = torch.rand(3, 3, 40, 17, generator=torch.Generator().manual_seed(1))
    model.eval()
    with torch.no_grad():
        expected = model(x).numpy()
    (actual,) = Session(found.model).run({"input": x.numpy()}).values()
    assert np.ptp(expected) > 0.1
    return expected, actual


@pytest.mark.parametrize("name", list(MODULES))
@pytest.mark.parametrize("simplify", [False, pytest.param(True, marks=pytest.mark.once)], ids=["", "simplified"])
def test_modules_of_anybody_are_switched_and_the_model_itself_is_not(tmp_path, name, simplify):
    make, convolutions = MODULES[name]
    model = make()
    make_trained(model)
    before, keys, parts = copy.deepcopy(model.state_dict()), list(model.state_dict()), list(model.modules())
    tensors = [id(value) for value in (*model.parameters(), *model.buffers())]
    found, told = export_module(model, tmp_path, simplify=simplify)
    assert found.ok and "in the form for deployment" in told
    assert operators(found.model)["Conv"] == convolutions and not operators(found.model)["BatchNormalization"]
    assert list(model.state_dict()) == keys and list(model.modules()) == parts and model.training
    assert [id(value) for value in (*model.parameters(), *model.buffers())] == tensors
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(value.requires_grad for value in model.parameters())
    expected, actual = answers(model, found)
    assert np.abs(expected - actual).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("wrong, reason", [(0.01, "its answers differ by"), (None, "RuntimeError: no such form")])
def test_a_form_that_answers_otherwise_is_not_taken(tmp_path, wrong, reason):
    model = nested(Block(4), Block(4, wrong))
    make_trained(model)
    found, told = export_module(model, tmp_path)
    assert (
        found.ok and f"warning: 2 is exported in its form for training: after Block.switch_to_deploy, {reason}" in told
    )
    assert operators(found.model)["Conv"] == 5  # one of the first block, two of the second
    expected, actual = answers(model, found)
    assert np.abs(expected - actual).max() < 1e-5 * np.abs(expected).max()


def test_a_model_that_cannot_be_copied_is_exported_as_it_is(tmp_path):
    model = nested(Block(4))
    make_trained(model)
    model.lock = threading.Lock()
    found, told = export_module(model, tmp_path)
    assert found.ok and "warning: the model is exported in its form for training: no copy of it (TypeError" in told
    assert operators(found.model)["Conv"] == 4


class Sampling(nn.Module):
    """A method of the same name that is another thing: it takes arguments."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return self.reparameterize(self.layer(x), 0.0)

    def reparameterize(self, mean, deviation):
        return mean + deviation


def test_a_method_of_that_name_with_arguments_is_left_alone(tmp_path):
    found, told = export_module(Sampling(), tmp_path)
    assert found.ok and "deployment" not in told and "warning" not in told


@pytest.mark.parametrize("name", once_if("RepVGG".__ne__, ["RepVGG", "RepMLP", "detector"]))
def test_a_checkpoint_of_the_other_form_is_refused_by_its_module(tmp_path, name):
    config, checkpoint, model = trained(CONFIGS[name], tmp_path)
    model.backbone.switch_to_deploy()
    switched = str(tmp_path / "deploy.pth")
    torch.save({"state_dict": model.state_dict()}, switched)
    with pytest.raises(InputError) as error:
        run(config, switched, tmp_path)
    line = str(error.value)
    assert "has 'backbone'" in line and "in its form for deployment" in line
    assert "--cfg-options model.backbone.deploy=True" in line and not (tmp_path / "made.onnx").exists()
    asked = {"cfg_options": {"model.backbone.deploy": True}}
    with pytest.raises(InputError, match="in its form for training.*model.backbone.deploy=False"):
        run(config, checkpoint, tmp_path, **asked)
    found, told = run(config, switched, tmp_path, **asked)
    assert found.ok and "lacks" not in told
    other, _ = run(config, checkpoint, tmp_path)
    assert operators(found.model)["Conv"] == operators(other.model)["Conv"]
