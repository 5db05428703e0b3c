"""Classifiers from config to file: their sizes, channels, outputs; and what they refuse by name."""

import copy

import numpy as np
import onnx
import pytest
import torch
from models import load_small

from mmonnx import cli
from mmonnx.loading.images import photographs
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.session import Session
from mmonnx.support.errors import FixedSizeError, InputError
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import make_cases, verify

MOBILENET = "mmcls::mobilenet_v2/mobilenet-v2_8xb32_in1k.py"
SMALL_MOBILENET = {"model.backbone.widen_factor": 0.25, "model.head.num_classes": 20}
TRANSFORMER = {"_delete_": True, "embed_dims": 24, "num_layers": 2, "num_heads": 3, "feedforward_channels": 48}
SMALL_VIT = {
    "model.backbone.arch": TRANSFORMER,
    "model.backbone.img_size": 64,
    "model.head.in_channels": 24,
    "model.head.num_classes": 20,
}
SMALL_SWIN = {
    "model.backbone.arch": {"_delete_": True, "embed_dims": 24, "depths": [2, 2], "num_heads": [3, 6]},
    "model.backbone.out_indices": [1],
    "model.backbone.img_size": 56,
    "model.head.in_channels": 48,
    "model.head.num_classes": 20,
}
SMALL_MIXER = {
    "model.backbone.arch": {
        "_delete_": True,
        "embed_dims": 24,
        "num_layers": 2,
        "tokens_mlp_dims": 12,
        "channels_mlp_dims": 48,
    },
    "model.backbone.img_size": 64,
    "model.head.in_channels": 24,
    "model.head.num_classes": 20,
}
ANY_SIZE = {
    MOBILENET: (64, SMALL_MOBILENET),
    "mmcls::vision_transformer/vit-base-p16_pt-64xb64_in1k-224.py": (64, SMALL_VIT),
    "mmcls::deit/deit-tiny-distilled_pt-4xb256_in1k.py": (64, SMALL_VIT),
    # 56 / 4 / 2 is one window of 7: it is shifted at other sizes alone
    "mmcls::swin_transformer/swin-tiny_16xb64_in1k.py": (56, SMALL_SWIN),
    "mmcls::csra/resnet101-csra_1xb16_voc07-448px.py": (64, {}),
    "mmcls::conformer/conformer-tiny-p16_8xb128_in1k.py": (64, {}),
}


def load(name, tmp_path, size, options, **more):
    shape = more.pop("shape", (size, size))
    # mmcv takes _delete_ out of what it merges
    return load_small(name, tmp_path, copy.deepcopy(options), shape=shape, **more)


def check(task):
    """The file of a task gives PyTorch's answers, and these tell pictures apart."""
    session = Session(lower(trace(task, 11, ExportContext())))
    results = verify(task, session.run, make_cases(task, None, task.shape))
    assert all(result.ok for result in results), [result.problems for result in results]
    one, other = (scores.probs for scores in task.predict(task.preprocess(photographs()[:2], task.shape)))
    assert np.abs(one - other).max() > 0.01 * np.abs(one).max()
    return session, results


@pytest.mark.parametrize("name", list(ANY_SIZE))
def test_it_gives_the_answers_of_pytorch_at_any_size(tmp_path, name):
    _, results = check(load(name, tmp_path, *ANY_SIZE[name], dynamic=True))
    assert len({result.shape for result in results}) == 3 and any(result.batch == 2 for result in results)


def test_a_model_of_one_size_refuses_to_be_dynamic_and_takes_any_batch(tmp_path):
    name = "mmcls::mlp_mixer/mlp-mixer-base-p16_64xb64_in1k.py"
    with pytest.raises(FixedSizeError, match=r"MlpMixer.* takes images of 64x64 and not of .*--dynamic-batch"):
        load(name, tmp_path, 64, SMALL_MIXER, dynamic=True)
    with pytest.raises(InputError, match=r"does not take images of 96x64 .*--shape"):
        load(name, tmp_path, 64, SMALL_MIXER, shape=(96, 64))
    task = load(name, tmp_path, 64, SMALL_MIXER, dynamic_batch=True)
    assert task.dynamic_axes == {"input": {0: "batch"}, "probs": {0: "batch"}} and "64x64" in " ".join(task.notes)
    _, results = check(task)
    assert any(result.batch == 2 for result in results)


def test_the_command_refuses_it_by_name_and_writes_nothing(tmp_path, capsys):
    options = [f"{key}={value}" for key, value in (("model.backbone.img_size", 64), ("model.head.num_classes", 20))]
    command = ["export", "mmcls::mlp_mixer/mlp-mixer-base-p16_64xb64_in1k.py", "--shape", "64", "--dynamic-export"]
    assert cli.main([*command, "--output-file", str(tmp_path / "x.onnx"), "--cfg-options", *options]) == 2
    assert "MlpMixer" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_digits_in_grey_and_never_one_at_a_time(tmp_path):
    """LeNet's config is for grey images of 32x32; upstream's forward fails on a batch of one."""
    task = load("mmcls::lenet/lenet5_mnist.py", tmp_path, 32, {}, shape=None, dynamic_batch=True)
    assert tuple(task.inputs["input"].shape) == (1, 1, 32, 32)
    check(task)


@pytest.mark.parametrize(
    "name,size", [(MOBILENET, 224), ("mmcls::swin_transformer/swin-base_16xb64_in1k-384px.py", 384)]
)
def test_without_a_shape_it_is_the_configs_own(tmp_path, name, size):
    small = {**(SMALL_MOBILENET if name == MOBILENET else {**SMALL_SWIN, "model.backbone.img_size": 384})}
    assert load(name, tmp_path, size, small, shape=None).shape == (size, size)


@pytest.mark.parametrize("name", [MOBILENET, "mmcls::conformer/conformer-tiny-p16_8xb128_in1k.py"])
def test_logits(tmp_path, name):
    size, options = ANY_SIZE[name]
    probs = load(name, tmp_path, size, options)
    task = load(name, tmp_path, size, options, softmax=False)
    assert task.output_names == ["logits"]
    check(task)
    feeds = task.preprocess(photographs()[:1], task.shape)
    logits = torch.from_numpy(task.predict(feeds)[0].probs)
    np.testing.assert_allclose(logits.softmax(0).numpy(), probs.predict(feeds)[0].probs, atol=1e-6)


def test_logits_of_many_labels(tmp_path):
    head = {"_delete_": True, "type": "MultiLabelLinearClsHead", "num_classes": 20, "in_channels": 1280}
    options = {**SMALL_MOBILENET, "model.head": head}
    del options["model.head.num_classes"]
    probs = load(MOBILENET, tmp_path, 64, options)
    check(probs)
    task = load(MOBILENET, tmp_path, 64, options, softmax=False)
    feeds = task.preprocess(photographs()[:1], task.shape)
    logits = torch.from_numpy(task.predict(feeds)[0].probs)
    np.testing.assert_allclose(logits.sigmoid().numpy(), probs.predict(feeds)[0].probs, atol=1e-6)
    with pytest.raises(InputError, match="CSRAClsHead has no softmax"):
        load("mmcls::csra/resnet101-csra_1xb16_voc07-448px.py", tmp_path, 64, {}, softmax=False)


@pytest.mark.parametrize("softmax", [True, False])
def test_the_best_classes(tmp_path, softmax):
    task = load(MOBILENET, tmp_path, 64, SMALL_MOBILENET, topk=5, softmax=softmax, dynamic=True)
    session, _ = check(task)
    full = load(MOBILENET, tmp_path, 64, SMALL_MOBILENET, softmax=softmax)
    feeds = task.preprocess(photographs()[:2], task.shape)
    found = session.run({"input": feeds["input"].numpy()})
    assert found["scores"].shape == found["labels"].shape == (2, 5) and found["labels"].dtype == np.int64
    for row, scores in enumerate(full.predict(feeds)):
        assert found["labels"][row].tolist() == np.argsort(-scores.probs)[:5].tolist()


def test_the_command_gives_the_best_classes_and_draws_them(tmp_path, capsys):
    options = ["model.backbone.widen_factor=0.25", "model.head.in_channels=1280", "model.head.num_classes=7"]
    command = ["export", MOBILENET, "--shape", "64", "--topk", "3", "--verify", "--show-dir", str(tmp_path / "show")]
    assert cli.main([*command, "--output-file", str(tmp_path / "x.onnx"), "--cfg-options", *options]) == 0
    assert [value.name for value in onnx.load(str(tmp_path / "x.onnx")).graph.output] == ["scores", "labels"]
    assert list((tmp_path / "show").glob("*.png"))


def test_options_that_cannot_be_met_are_refused(tmp_path, capsys):
    with pytest.raises(InputError, match=r"--topk 21 is more than .* has classes; expected 1 to 20"):
        load(MOBILENET, tmp_path, 64, SMALL_MOBILENET, topk=21)
    with pytest.raises(InputError, match="need the head"):
        load(MOBILENET, tmp_path, 64, SMALL_MOBILENET, topk=2, skip_postprocess=True)
    detector = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
    for more in ({"topk": 2}, {"softmax": False}):
        with pytest.raises(InputError, match="are for classifiers"):
            load(detector, tmp_path, 64, {}, **more)
    assert cli.main(["export", MOBILENET, "--topk", "0"]) == 2
    assert "--topk 0" in capsys.readouterr().err
