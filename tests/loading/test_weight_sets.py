"""Which of the weights in a checkpoint a model gets, and what is said of the others."""

import copy
import types

import onnx
import pytest
import torch
from models import load_small
from torch import nn

from mmonnx import cli, loading
from mmonnx.loading.checkpoint import load_weights
from mmonnx.support.errors import InputError

RETINANET = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
HOOKS = ["mmcv.runner.EMAHook", "mmdet.core.hook.ExpMomentumEMAHook", "mmdet.core.hook.LinearMomentumEMAHook"]


class Net(nn.Module):
    """A model whose keys have parts as those of most have."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.backbone(x).mean((2, 3)))


class Held(nn.Module):
    """A model that itself calls a part ``module``."""

    def __init__(self):
        super().__init__()
        self.module = Net()

    def forward(self, x):
        return self.module(x)


def state(value, make=Net):
    """Weights that are all of one value."""
    return {key: torch.full_like(one, value) for key, one in make().state_dict().items()}


def under(prefix, weights):
    return {f"{prefix}{key}": value for key, value in weights.items()}


def loaded(content, tmp_path, make=Net, key=None):
    """The values of a model's weights after loading, and what is said."""
    path, model = str(tmp_path / "x.pth"), make()
    torch.save(content, path)
    notes = load_weights(model, path, key=key).notes
    return {float(value.flatten()[0]) for value in model.state_dict().values()}, notes


ONE = {
    "bare": state(2),
    "state_dict": {"state_dict": state(2), "optimizer": {"state": {0: {"exp_avg": torch.ones(4)}}}},
    "model": {"model": state(2), "epoch": 3},
    "an entry of another name": {"ema_state_dict": state(2), "epoch": 3},
    "an entry in an entry": {"network": {"weights": state(2)}, "lr": torch.ones(1)},
    "distributed": {"state_dict": under("module.", state(2))},
    "compiled": {"state_dict": under("_orig_mod.", state(2))},
    "compiled and distributed": under("_orig_mod.module.", state(2)),
    "lightning": {"state_dict": under("model.", state(2))},
    "three prefixes": {"state_dict": under("module.ema_model.net.", state(2))},
    "a part that was wrapped": {
        key.replace("backbone.", "backbone._orig_mod.module."): v for key, v in state(2).items()
    },
    "mmcv's averaged buffers": {
        "state_dict": {**state(2), **{f"ema_{k.replace('.', '_')}": v for k, v in state(9).items()}}
    },
    "a distilled student": {"state_dict": {**state(2), **under("teacher_model.", state(9))}},
    "a teacher of another size": {
        "state_dict": {
            **under("student.", state(2)),
            **under("teacher.", {key: torch.full((9, *value.shape), 9.0) for key, value in state(9).items()}),
        }
    },
    "averaged by torch": {"state_dict": {"n_averaged": torch.tensor(5), **under("module.", state(2))}},
}


@pytest.mark.parametrize("name", list(ONE))
@pytest.mark.parametrize("make", [Net, Held])
def test_the_only_weights_are_found_without_a_word(tmp_path, name, make):
    values, notes = loaded(ONE[name], tmp_path, make)
    assert values == {2.0} and notes == []


SEVERAL = {
    "timm": ({"state_dict": state(2), "state_dict_ema": state(3)}, "state_dict", "state_dict_ema"),
    "DeiT": ({"model": state(2), "model_ema": state(3), "optimizer": {}}, "model", "model_ema"),
    "an averaged entry": (
        {"meta": {}, "state_dict": state(2), "ema_state_dict": state(3)},
        "state_dict",
        "ema_state_dict",
    ),
    "an entry beside the keys": ({**state(2), "ema": state(3)}, "its top level", "ema"),
    "SoftTeacher": (
        {"state_dict": {**under("student.", state(3)), **under("teacher.", state(2))}},
        "state_dict.teacher",
        "state_dict.student",
    ),
    "distributed teachers": (
        {**under("module.student.", state(3)), **under("module.teacher.", state(2))},
        "teacher",
        "student",
    ),
    "online and averaged": (
        {**under("online_model.", state(3)), **under("ema_model.module.", state(2))},
        "ema_model",
        "online_model",
    ),
}


@pytest.mark.parametrize("name", list(SEVERAL))
def test_of_several_one_is_taken_and_the_others_are_named(tmp_path, name):
    content, first, other = SEVERAL[name]
    values, (note,) = loaded(content, tmp_path)
    assert values == {2.0} and f"of {first!r}" in note and f"--checkpoint-key {other}" in note
    for key in (other, other.rpartition(".")[2]):
        assert loaded(content, tmp_path, key=key) == ({3.0}, [])
    assert " " in first or loaded(content, tmp_path, key=first) == ({2.0}, [])
    with pytest.raises(InputError) as error:
        loaded(content, tmp_path, key="none_such")
    assert "'none_such'" in str(error.value) and other in str(error.value)


@pytest.mark.parametrize(
    "weights, told",
    [
        (
            under("head.other.", {"head.weight": torch.zeros(2, 4), "head.bias": torch.zeros(2)}),
            "has no key of this model",
        ),
        ({f"ema_{key.replace('.', '_')}": value for key, value in state(9).items()}, "has no key of this model"),
        ({"0.weight": torch.zeros(4, 3, 3, 3)}, "has no key of this model"),
    ],
    ids=["a small part under a prefix", "averaged buffers alone", "a backbone without its name"],
)
def test_what_is_not_the_models_is_refused(tmp_path, weights, told):
    with pytest.raises(InputError, match=told):
        loaded({"state_dict": weights}, tmp_path)


@pytest.mark.parametrize("prefix", ["", "module.", "model.module."])
def test_a_backbone_alone_is_told_of(tmp_path, prefix):
    weights = {key: value for key, value in state(2).items() if key.startswith("backbone")}
    _, (note,) = loaded({"state_dict": under(prefix, weights)}, tmp_path)
    assert "lacks 2 keys of the model (head.weight, ...)" in note


@pytest.mark.parametrize("name", HOOKS)
def test_upstreams_own_averaging_is_what_upstream_loads(tmp_path, name):
    """After an epoch, the hook puts the averaged weights under the model's own names."""
    from mmcv.runner import load_checkpoint
    from mmcv.utils import import_modules_from_strings

    module, _, kind = name.rpartition(".")
    task = load_small(RETINANET, tmp_path, shape=(64, 64))
    model = copy.deepcopy(task.module.model)
    runner = types.SimpleNamespace(model=model, iter=0, epoch=0, meta={})
    hook = getattr(import_modules_from_strings(module), kind)(interval=1)
    hook.before_run(runner)
    for _ in range(3):
        with torch.no_grad():
            for value in model.parameters():
                value.add_(0.01)
        hook.after_train_iter(runner)
        runner.iter += 1
    raw = model.backbone.conv1.weight.clone()
    hook.after_train_epoch(runner)
    path = str(tmp_path / "epoch_1.pth")
    torch.save({"meta": {}, "state_dict": model.state_dict()}, path)
    assert any(key.startswith("ema_") for key in model.state_dict())
    config = str(tmp_path / RETINANET.split("/")[-1])
    found = loading.load(config, path, loading.LoadOptions(shape=(64, 64)))
    load_checkpoint(task.module.model, path)
    for key, value in task.module.model.state_dict().items():
        assert torch.equal(found.module.model.state_dict()[key], value), key
    assert found.notes == [] and not torch.equal(found.module.model.backbone.conv1.weight, raw)


def test_the_option_takes_the_other_set_and_the_next_command_has_it(tmp_path, capsys):
    path, made = str(tmp_path / "x.pth"), str(tmp_path / "made.onnx")
    torch.save({"state_dict": state(2), "state_dict_ema": state(3)}, path)
    command = ["export", f"{__name__}:Net", path, "--shape", "8", "8", "--output-file", made]
    for more, value in (([], 2.0), (["--checkpoint-key", "state_dict_ema"], 3.0)):
        assert cli.main([*command, *more]) == 0
        out = capsys.readouterr().out
        assert ("several sets of weights" in out) != bool(more) and all(
            one in out.rpartition("next:")[2] for one in more
        )
        file = onnx.load(made)
        weights = {one.name: onnx.numpy_helper.to_array(one) for one in file.graph.initializer}
        assert (weights["head.weight"] == value).all()
        about = {one.key: one.value for one in file.metadata_props}
        assert about["mmonnx.checkpoint_key"] == (more[-1] if more else "")
