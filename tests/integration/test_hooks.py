"""The export hook, in real short trainings through mmdet's and mmcls's train APIs."""

import functools
import json
import random
import re

import numpy as np
import onnx
import pytest
import torch
from models import once_if
from torch import nn
from trainings import check_upstreams_answer, folder_dataset, load_weights, make_data, train

from mmonnx import fallback, loading
from mmonnx.environment import compat
from mmonnx.graph.inspecting import inspect
from mmonnx.loading.config import find_config
from mmonnx.runtime import open_model
from mmonnx.runtime.session import Session
from mmonnx.support.errors import ExportError, InputError, VerificationError
from mmonnx.verifying.matching import match

fallback.ensure()

from mmonnx.integration.hooks import ONNXExportHook  # noqa: E402  (it imports mmcv, which may need the fallback)
from mmonnx.integration.training.data import find_norm  # noqa: E402
from mmonnx.integration.training.snapshot import random_state_kept, snapshot  # noqa: E402

SHAPES = {"classifier": (64, 64), "detector": (96, 128)}
QUICK = dict(type="ONNXExportHook", shape=(64, 64), simplify=False, verify=False)
# What torch's autocast takes on the CPU. With bfloat16 mmcv trains no detector: it casts between half and float alone.
HALF = torch.float16 if compat.TORCH >= (2, 5) else torch.bfloat16


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A few digits."""
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def baseline(data, tmp_path_factory):
    """Trains without the hook, once for each set of arguments."""
    known = {}

    def without(kind, others=(), options=None):
        key = repr((kind, others, options))
        if key not in known:
            folder = tmp_path_factory.mktemp("without") / "run"
            known[key] = train(kind, data, folder, list(others), options)
        return known[key]

    return without


def with_and_without(kind, data, folder, hook, baseline, others=(), options=None):
    """Trains with the hook; it has to be the same to the bit as without."""
    without = baseline(kind, others, options)
    found = train(kind, data, folder / "with", [*others, hook], options)
    assert without.curve == found.curve and len(found.curve) >= 4 and not without.files
    before, after = without.weights, found.weights  # each is read from its file
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert torch.equal(value, after[name]), name
    return found


def answers(path, kind, checkpoint):
    """The file's answers to photographs, and PyTorch's with a checkpoint's weights."""
    name = {"detector": "faster_rcnn_digits", "classifier": "mobilenet_v2_digits"}[kind]
    options = loading.LoadOptions(shape=SHAPES[kind], trust_checkpoint=True)  # mmcv writes more than weights
    task = loading.load(f"mmonnx::digits/{name}.py", str(checkpoint), options)
    feeds = {name: value.numpy() for name, value in task.inputs.items()}
    return task.read(Session(str(path)).run(feeds))[0], task.predict(task.inputs)[0]


@pytest.mark.parametrize("kind", once_if("detector".__eq__, ["classifier", "detector"]))
def test_training_is_the_same_to_the_bit_and_every_epoch_has_its_file(kind, data, tmp_path, baseline):
    hook = dict(type="ONNXExportHook", shape=SHAPES[kind], strict=True)
    found = with_and_without(kind, data, tmp_path, hook, baseline)
    assert found.files == ["epoch_1.onnx", "epoch_2.onnx"]
    for number, line in enumerate(found.exports, 1):
        path = str(found.folder / f"epoch_{number}.onnx")
        assert line["onnx_file"] == path and line["onnx_step"] == f"epoch {number}"
        agree = re.fullmatch(r"(\d+) of \1 cases agree", line["onnx_verified"])
        assert line["onnx_time"] > 0 and agree and int(agree[1]) >= 7
        assert "epoch" not in line  # upstream's analyze_logs.py takes such lines for metrics
        assert f"Exported {path}" in found.log
        actual, expected = answers(path, kind, found.folder / f"epoch_{number}.pth")
        assert match(expected, actual, score_thr=0.05).ok
    dims = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param for dim in dims] == ["batch", "", "height", "width"]
    check_that_it_runs_as_upstream(path, kind, found.folder / "epoch_2.pth", data)


def check_that_it_runs_as_upstream(path, kind, checkpoint, data):
    """The hook's file prepares a picture, and answers, as upstream's inference of the checkpoint does."""
    from mmcv import Config

    config = find_config(f"mmonnx::digits/{'faster_rcnn' if kind == 'detector' else 'mobilenet_v2'}_digits.py")
    picture = str(next((data / "detection" / "train").glob("*.png")))
    runtime = open_model(path)
    about = inspect(path)["metadata"]
    assert list(runtime.classes) == [str(digit) for digit in range(10)]
    assert about["mmonnx.checkpoint"] == "a training, epoch 2" and "test_pipeline" in about["mmonnx.config_text"]
    trusted = dict(trust_checkpoint=True)
    task = loading.load(str(config), str(checkpoint), loading.LoadOptions(shape=SHAPES[kind], **trusted))
    assert about["mmonnx.pipeline"] == json.loads(json.dumps(task.pipeline))
    model = task.module.model
    model.cfg, model.CLASSES = Config.fromfile(str(config)), runtime.classes
    check_upstreams_answer(kind, model, runtime, picture)


def save_other(weights, path):
    """Write a checkpoint with what an EMA hook holds in its buffers in the place of the weights."""
    other = {name: weights.get(f"ema_{name.replace('.', '_')}", value) for name, value in weights.items()}
    torch.save({"state_dict": other}, str(path))


@pytest.mark.parametrize("priority", once_if((60).__eq__, [30, 60]))
def test_it_exports_averaged_weights_before_and_after_the_ema_hook(priority, data, tmp_path, baseline):
    ema = dict(type="EMAHook", momentum=0.5, priority=49)
    found = with_and_without("classifier", data, tmp_path, dict(QUICK, priority=priority), baseline, [ema])
    # mmcv's checkpoint of an epoch's end has the averages under the names of the weights, and the weights as ema_*
    actual, expected = answers(found.folder / "epoch_2.onnx", "classifier", found.folder / "epoch_2.pth")
    assert match(expected, actual).ok
    save_other(found.weights, tmp_path / "raw.pth")
    actual, raw = answers(found.folder / "epoch_2.onnx", "classifier", tmp_path / "raw.pth")
    assert not match(raw, actual).ok


@pytest.mark.once
def test_it_exports_the_averages_of_mmdets_own_hook(data, tmp_path, baseline):
    import mmdet.core  # noqa: F401  (registers its hooks)
    from mmcv.runner import HOOKS

    if "ExpMomentumEMAHook" not in HOOKS:
        pytest.skip("this mmdet has no such hook")
    ema = dict(type="ExpMomentumEMAHook", momentum=0.5, priority=49)
    hook = dict(QUICK, shape=SHAPES["detector"], priority=30, interval=2)
    found = with_and_without("detector", data, tmp_path, hook, baseline, [ema])
    actual, expected = answers(found.folder / "epoch_2.onnx", "detector", found.folder / "epoch_2.pth")
    assert match(expected, actual, score_thr=0.05).ok


@pytest.mark.once
def test_it_exports_averages_in_the_middle_of_an_epoch(data, tmp_path):
    ema = dict(type="EMAHook", momentum=0.5, priority=49)
    checkpoints = dict(interval=3, by_epoch=False, save_last=False)  # mmcv names them by the epoch all the same
    options = {"checkpoint_config": checkpoints, "runner.max_epochs": 1}
    found = train("classifier", data, tmp_path / "run", [ema, dict(QUICK, by_epoch=False, interval=3)], options)
    save_other(load_weights(found.folder / "epoch_1.pth"), tmp_path / "average.pth")
    for checkpoint, same in ((tmp_path / "average.pth", True), (found.folder / "epoch_1.pth", False)):
        actual, expected = answers(found.folder / "iter_3.onnx", "classifier", checkpoint)
        assert match(expected, actual).ok == same


@pytest.mark.skipif(compat.TORCH < (2, 0), reason="this torch has no mixed precision on the CPU, or not all of it")
@pytest.mark.parametrize("kind", ["classifier", "detector"] if HALF is torch.float16 else ["classifier"])
def test_mixed_precision_training_is_the_same_and_the_file_is_float32(kind, data, tmp_path, monkeypatch, baseline):
    # mmcv's autocast is CUDA's, and on the CPU does nothing but let half meet float
    from mmcv.runner import fp16_utils

    plain = baseline(kind)
    on_cpu = functools.partial(torch.autocast, "cpu", dtype=HALF)
    monkeypatch.setattr(fp16_utils, "autocast", on_cpu)
    hook = dict(QUICK, shape=SHAPES[kind], strict=True)
    found = with_and_without(kind, data, tmp_path, hook, baseline, options={"fp16": dict(loss_scale=512.0)})
    assert found.curve != plain.curve  # or it was no mixed precision
    actual, expected = answers(found.folder / "epoch_2.onnx", kind, found.folder / "epoch_2.pth")
    assert match(expected, actual, score_thr=0.05).ok
    types = {value.data_type for value in onnx.load(str(found.folder / "epoch_2.onnx")).graph.initializer}
    assert onnx.TensorProto.FLOAT in types and onnx.TensorProto.FLOAT16 not in types


def test_iterations_are_counted_and_old_files_removed(data, tmp_path):
    options = {"runner": dict(type="IterBasedRunner", max_iters=5, _delete_=True)}
    hook = dict(QUICK, by_epoch=False, interval=2, keep=2, out_dir=str(tmp_path / "files"))
    found = train("classifier", data, tmp_path / "run", [hook], options)
    assert [line["onnx_step"] for line in found.exports] == ["iter 2", "iter 4", "iter 5"]
    assert not found.files
    assert sorted(path.name for path in (tmp_path / "files" / "run").glob("*")) == ["iter_4.onnx", "iter_5.onnx"]


def test_an_interval_by_epoch_needs_epochs(data, tmp_path):
    options = {"runner": dict(type="IterBasedRunner", max_iters=2, _delete_=True)}
    with pytest.raises(InputError, match="by_epoch=True with an IterBasedRunner"):
        train("classifier", data, tmp_path / "run", [QUICK], options)


def evaluations(monkeypatch, values):
    """Let the evaluation of the classifier give these accuracies."""
    left = list(values)
    monkeypatch.setattr(folder_dataset(), "evaluate", lambda self, *args, **kwargs: {"top": left.pop(0), "loss": 1.0})


@pytest.mark.parametrize(
    "metric, values, best", [(True, [0.1, 0.3, 0.2], 2), ("top", [0.3, 0.2, 0.1], 1), ("loss", [0.1, 0.2, 0.3], 1)]
)
def test_the_best_is_kept_by_the_rules_of_mmcv(metric, values, best, data, tmp_path, monkeypatch):
    evaluations(monkeypatch, values)
    hook = dict(QUICK, save_best=metric, interval=-1)
    found = train("classifier", data, tmp_path / "run", [hook], {"runner.max_epochs": 3}, validate=True)
    name = "top" if metric is True else metric
    assert found.files == [f"best_{name}_epoch_{best}.onnx", "epoch_3.onnx"]
    actual, expected = answers(found.folder / found.files[0], "classifier", found.folder / f"epoch_{best}.pth")
    assert match(expected, actual).ok
    validations = [line for line in found.lines if line.get("mode") == "val"]
    assert [line["top"] for line in validations] == values  # the evaluation is logged as ever


def test_a_file_that_is_both_due_and_best_is_exported_once(data, tmp_path, monkeypatch):
    evaluations(monkeypatch, [0.1])
    hook, options = dict(QUICK, save_best="top"), {"runner.max_epochs": 1}
    found = train("classifier", data, tmp_path / "run", [hook], options, validate=True, with_config=False)
    assert found.files == ["best_top_epoch_1.onnx", "epoch_1.onnx"]
    contents = {(found.folder / name).read_bytes() for name in found.files}
    assert len(contents) == 1
    # without the config, as in a notebook, the evaluation tells how pictures are prepared
    about = inspect(str(found.folder / "epoch_1.onnx"))["metadata"]
    assert [step["type"] for step in about["mmonnx.pipeline"]] == ["resize", "crop", "normalize"]
    assert about["mmonnx.classes"] == [str(digit) for digit in range(10)] and not about["mmonnx.config_text"]


@pytest.mark.parametrize(
    "metric, validate, said",
    [("auto", False, "without an evaluation"), ("flavour", True, "save_best='flavour'")],
)
def test_a_metric_that_nobody_gives_or_knows_is_refused(metric, validate, said, data, tmp_path):
    with pytest.raises(InputError, match=said):
        train("classifier", data, tmp_path / "run", [dict(QUICK, save_best=metric)], validate=validate)


@pytest.mark.once
def test_a_failed_export_warns_and_training_goes_on(data, tmp_path, monkeypatch, baseline):
    from mmonnx.exporting import stages

    def fail(*args, **kwargs):
        raise ExportError("it cannot be traced")

    monkeypatch.setattr(stages, "trace", fail)
    found = with_and_without("classifier", data, tmp_path, QUICK, baseline)
    assert not found.files and [line["onnx_file"] for line in found.exports] == [None, None]
    assert "ExportError: it cannot be traced" in found.exports[0]["onnx_error"]
    assert "epoch_1.onnx was not exported: ExportError: it cannot be traced" in found.log
    with pytest.raises(ExportError, match="it cannot be traced"):
        train("classifier", data, tmp_path / "strict", [dict(QUICK, strict=True)])


@pytest.mark.once
def test_a_file_that_does_not_agree_is_a_failed_export(data, tmp_path, monkeypatch):
    from mmonnx.codebases.mmcls import classifiers as mmcls
    from mmonnx.runtime import Scores

    monkeypatch.setattr(mmcls, "_read", lambda outputs: [Scores(row[::-1]) for row in outputs["probs"]])
    found = train("classifier", data, tmp_path / "run", [dict(QUICK, verify=True)])
    assert not found.files and "does not agree with PyTorch on photograph" in found.exports[0]["onnx_error"]
    with pytest.raises(VerificationError, match="does not agree with PyTorch on photograph"):
        train("classifier", data, tmp_path / "strict", [dict(QUICK, verify=True, strict=True)])


def test_a_file_of_which_nothing_was_compared_is_a_failed_export(data, tmp_path, monkeypatch):
    from mmonnx.exporting import stages

    monkeypatch.setattr(stages, "verify_model", lambda *args, **kwargs: stages.Verification([]))
    found = train("classifier", data, tmp_path / "run", [dict(QUICK, verify=True)])
    assert not found.files and "no case has any answer to compare" in found.exports[0]["onnx_error"]


def test_only_rank_0_exports(data, tmp_path, monkeypatch):
    from mmcv.runner import dist_utils

    monkeypatch.setattr(dist_utils, "get_dist_info", lambda: (1, 2))
    monkeypatch.setattr(ONNXExportHook, "_export", lambda *args: pytest.fail("rank 1 exports"))
    found = train("classifier", data, tmp_path / "run", [dict(QUICK, strict=True)])
    assert not found.files and not found.exports


@pytest.mark.parametrize(
    "name, value",
    [
        ("interval", 0),
        ("interval", True),
        ("by_epoch", 1),
        ("shape", 800),
        ("shape", (800, 0)),
        ("dynamic", "yes"),
        ("simplify", None),
        ("image_size_input", 1),
        ("verify", 0),
        ("out_dir", 3),
        ("save_best", ""),
        ("keep", 0),
        ("target", "tensorflow"),
        ("strict", "no"),
    ],
)
def test_wrong_values_are_refused_with_the_value(name, value):
    with pytest.raises(InputError, match="ONNXExportHook got") as found:
        ONNXExportHook(**{name: value})
    assert f"{name}={value!r}" in str(found.value)


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError, match="intervall"):
        ONNXExportHook(intervall=1)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.utils.weight_norm(nn.Conv2d(3, 4, 1))
        self.register_buffer("seen", torch.zeros(1))
        self.fp16_enabled = True
        self.calls = []
        self.loss = self.convolution(torch.ones(1, 3, 2, 2)).sum()  # a part that deepcopy refuses

    def forward(self, image):
        return self.convolution(image)


def test_a_snapshot_leaves_the_model_as_it_was():
    model = Model().train()
    model.convolution.eval()  # as a frozen part
    called = []
    model.register_forward_hook(lambda *args: called.append(1))
    (model(torch.ones(1, 3, 2, 2)).sum()).backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    hooks, weights = dict(model._forward_hooks), [value.clone() for value in model.state_dict().values()]
    image = torch.rand(1, 3, 2, 2)
    expected = model.convolution(image)

    copied = snapshot(model, {})
    assert torch.equal(copied(image), expected) and called == [1]
    copied.convolution.bias.data.zero_()

    assert not copied.training and model.training and not model.convolution.training
    assert copied.fp16_enabled is False and model.fp16_enabled is True
    assert dict(model._forward_hooks) == hooks and not copied._forward_hooks
    assert all(torch.equal(*pair) for pair in zip(model.state_dict().values(), weights))
    assert all(torch.equal(parameter.grad, value) for parameter, value in zip(model.parameters(), gradients))
    assert not {id(value) for value in model.parameters()} & {id(value) for value in copied.parameters()}


def test_random_states_are_kept_also_after_an_error():
    def draw():
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    expected = draw()
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    with pytest.raises(KeyError), random_state_kept():
        draw()
        raise KeyError
    assert draw() == expected


def test_the_normalisation_is_found_in_wrapped_datasets():
    class Normalize:
        mean, std, to_rgb = [1.0], [2.0], False

    class Holder:
        def __init__(self, **parts):
            vars(self).update(parts)

    inner = Holder(pipeline=Holder(transforms=[object(), Normalize()]))
    source = Holder(_dataloader=Holder(dataset=Holder(datasets=[Holder(), Holder(dataset=inner)])))
    assert find_norm(source) == dict(type="Normalize", mean=[1.0], std=[2.0], to_rgb=False)
    assert find_norm(Holder(dataset=Holder())) is None
