"""The export hook in real short trainings by mmengine's Runner."""

import json
import sys
from pathlib import Path

import onnx
import pytest
import torch

pytest.importorskip("mmengine")
sys.path.insert(0, str(Path(__file__).parent))

from mmengine_trainings import make_data, read_config, train  # noqa: E402

import mmonnx  # noqa: E402
from mmonnx import loading  # noqa: E402
from mmonnx.graph.inspecting import inspect  # noqa: E402
from mmonnx.hooks import ONNXExportHook  # noqa: E402
from mmonnx.runtime import open_model  # noqa: E402
from mmonnx.runtime.session import Session  # noqa: E402
from mmonnx.support.errors import InputError, VerificationError  # noqa: E402
from mmonnx.verifying.matching import match  # noqa: E402

SHAPE = (96, 128)
QUICK = dict(type="ONNXExportHook", shape=(64, 64), simplify=False, verify=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A few digits."""
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def baseline(data, tmp_path_factory):
    """A training without the hook."""
    return train(data, tmp_path_factory.mktemp("without") / "run", [], lower_threshold())


def check_the_same(without, found):
    """The training with the hook is that without, to the bit."""
    assert without.curve == found.curve and len(found.curve) >= 4 and not without.files
    before, after = without.weights(), found.weights()
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert torch.equal(value, after[name]), name


def answers(path, checkpoint):
    """The file's answers to photographs, and PyTorch's with a checkpoint's weights."""
    options = loading.LoadOptions(shape=SHAPE, trust_checkpoint=True)
    task = loading.load("mmonnx::digits/rtmdet_tiny_digits.py", str(checkpoint), options)
    feeds = {name: value.numpy() for name, value in task.inputs.items()}
    return task.read(Session(str(path)).run(feeds))[0], task.predict(task.inputs)[0]


def lower_threshold(options=None):
    """A detector of two epochs finds something at a lower threshold alone.

    It is wider than its config's: in a narrower one all scores are so close that rounding decides which ones are given.
    """
    wider = {"model.backbone.widen_factor": 0.25, "model.neck.in_channels": [64, 128, 256]}
    wider.update({f"model.{name}": 48 for name in ("neck.out_channels", "bbox_head.in_channels")})
    wider["model.bbox_head.feat_channels"] = 48
    return {"model.test_cfg.score_thr": 0.001, **wider, **(options or {})}


def test_training_is_the_same_to_the_bit_and_every_epoch_has_its_file(data, tmp_path, baseline):
    hook = dict(type="ONNXExportHook", shape=SHAPE, strict=True)
    found = train(data, tmp_path / "run", [hook], lower_threshold())
    check_the_same(baseline, found)
    assert found.files == ["epoch_1.onnx", "epoch_2.onnx"]
    for number in (1, 2):
        path = found.folder / f"epoch_{number}.onnx"
        assert f"Exported {path}" in found.log and "cases agree" in found.log
        about = inspect(str(path))["metadata"]
        assert about["mmonnx.checkpoint"] == f"a training, epoch {number}"
        assert "test_pipeline" in about["mmonnx.config_text"]
        session, feeds = Session(str(path)), None
        options = loading.LoadOptions(shape=SHAPE, trust_checkpoint=True, cfg_options=lower_threshold())
        checkpoint = str(found.folder / f"epoch_{number}.pth")
        task = loading.load("mmonnx::digits/rtmdet_tiny_digits.py", checkpoint, options)
        feeds = {name: value.numpy() for name, value in task.inputs.items()}
        (expected,), (actual,) = task.predict(task.inputs), task.read(session.run(feeds))
        assert len(expected.dets) > 10 and match(expected, actual, score_thr=0.001, limit=100).ok
        assert about["mmonnx.pipeline"] == json.loads(json.dumps(task.pipeline))
    dims = onnx.load(str(path)).graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param for dim in dims] == ["batch", "", "height", "width"]
    assert list(open_model(str(path)).classes) == [str(digit) for digit in range(10)]
    pictures = list(found.folder.glob("*/vis_data/vis_image/onnx*.png"))
    assert pictures and [line for line in found.lines if line.get("onnx/written") == 1]


def test_it_exports_averaged_weights_and_leaves_them(data, tmp_path):
    ema = dict(type="EMAHook", momentum=0.5, priority=49)
    options = lower_threshold({"optim_wrapper.optimizer.lr": 0.02})
    found = train(data, tmp_path / "with", [ema, QUICK], options)
    without = train(data, tmp_path / "without", [ema], options)
    check_the_same(without, found)
    kept = torch.load(str(found.folder / "epoch_2.pth"), map_location="cpu", weights_only=False)
    averages = {name[len("module.") :]: value for name, value in kept["ema_state_dict"].items() if name != "steps"}
    # mmengine's checkpoint has the averages under the names of the weights, and the weights as the averages
    raw = tmp_path / "raw.pth"
    torch.save({"state_dict": {**kept["state_dict"], **averages}}, str(raw))
    options = dict(shape=(64, 64), trust_checkpoint=True, cfg_options=lower_threshold())
    config, session = "mmonnx::digits/rtmdet_tiny_digits.py", Session(str(found.folder / "epoch_2.onnx"))
    for checkpoint, same in ((found.folder / "epoch_2.pth", True), (raw, False)):
        task = loading.load(config, str(checkpoint), loading.LoadOptions(**options))
        actual = task.read(session.run({name: value.numpy() for name, value in task.inputs.items()}))[0]
        assert match(task.predict(task.inputs)[0], actual, score_thr=0.001, limit=100).ok == same


@pytest.mark.parametrize("values, best", [([0.1, 0.3], 2), ([0.3, 0.1], 1)])
def test_the_best_is_kept_by_the_rules_of_mmengine(values, best, data, tmp_path, monkeypatch):
    from mmengine.runner import ValLoop

    scores = iter(values)

    def run(loop):
        metrics = {"coco/bbox_mAP": next(scores), "flavour": 1.0}
        loop.runner.call_hook("after_val_epoch", metrics=metrics)
        return metrics

    monkeypatch.setattr(ValLoop, "run", run)
    hook = dict(QUICK, save_best=True, interval=-1)
    found = train(data, tmp_path / "run", [hook], {"train_cfg.val_interval": 1}, validate=True)
    assert found.files == [f"best_coco_bbox_mAP_epoch_{best}.onnx", "epoch_2.onnx"]
    session, path = Session(str(found.folder / found.files[0])), found.folder / f"epoch_{best}.pth"
    options = loading.LoadOptions(shape=(64, 64), trust_checkpoint=True)
    task = loading.load("mmonnx::digits/rtmdet_tiny_digits.py", str(path), options)
    feeds = {name: value.numpy() for name, value in task.inputs.items()}
    assert match(task.predict(task.inputs)[0], task.read(session.run(feeds))[0], score_thr=0.05).ok


def test_a_metric_that_nobody_can_judge_and_a_loop_of_iterations_are_refused(data, tmp_path):
    with pytest.raises(InputError, match="save_best='flavour'"):
        train(data, tmp_path / "metric", [dict(QUICK, save_best="flavour")], validate=True)
    with pytest.raises(InputError, match="without an evaluation"):
        train(data, tmp_path / "none", [dict(QUICK, save_best=True)])
    loop = {"train_cfg": dict(_delete_=True, type="IterBasedTrainLoop", max_iters=2, val_interval=10)}
    with pytest.raises(InputError, match="by_epoch=False"):
        train(data, tmp_path / "loop", [QUICK], loop)
    with pytest.raises(InputError, match="interval=0"):
        ONNXExportHook(interval=0)


def test_iterations_are_counted_and_old_files_go(data, tmp_path):
    loop = {"train_cfg": dict(_delete_=True, type="IterBasedTrainLoop", max_iters=4, val_interval=10)}
    found = train(data, tmp_path / "run", [dict(QUICK, by_epoch=False, interval=1, keep=2)], loop)
    assert found.files == ["iter_3.onnx", "iter_4.onnx"]


@pytest.mark.parametrize("strict", [False, True])
def test_a_file_that_differs_is_not_written_and_the_training_goes_on(strict, data, tmp_path, monkeypatch):
    wrong = loading.Task.__init__

    def shifted(task, *args, **kwargs):
        wrong(task, *args, **kwargs)
        predict = task.predict

        def moved(feeds):
            found = predict(feeds)
            for one in found:
                one.dets[:, :4] += 1
            return found

        task.predict = moved

    monkeypatch.setattr(loading.Task, "__init__", shifted)
    hook = dict(type="ONNXExportHook", shape=(64, 64), simplify=False, strict=strict)
    if strict:
        with pytest.raises(VerificationError):
            train(data, tmp_path / "run", [hook], lower_threshold())
        return
    found = train(data, tmp_path / "run", [hook], lower_threshold())
    assert not found.files and "was not exported: VerificationError" in found.log
    assert [line for line in found.lines if line.get("onnx/written") == 0]


def test_mixed_precision_is_left_alone_and_the_file_is_in_single(data, tmp_path):
    # mmengine's own wrapper of it asks for a GPU
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = train(data, tmp_path / "with", [QUICK])
        without = train(data, tmp_path / "without", [])
    check_the_same(without, found)
    assert found.files == ["epoch_1.onnx", "epoch_2.onnx"]
    kinds = {value.data_type for value in onnx.load(str(found.folder / "epoch_2.onnx")).graph.initializer}
    assert onnx.TensorProto.FLOAT in kinds
    assert not kinds & {onnx.TensorProto.BFLOAT16, onnx.TensorProto.FLOAT16}


def test_importing_mmonnx_registers_the_hook_and_disabling_takes_it_away():
    from mmengine.registry import HOOKS

    assert HOOKS.get("ONNXExportHook") is ONNXExportHook
    mmonnx.disable()
    try:
        assert HOOKS.get("ONNXExportHook") is None
    finally:
        mmonnx.enable()
    assert HOOKS.get("ONNXExportHook") is ONNXExportHook


def test_a_config_that_names_mmonnx_has_the_hook(data, tmp_path):
    cfg = read_config(data)
    cfg.custom_imports = dict(imports=["mmonnx"])
    path = tmp_path / "config.py"
    cfg.dump(str(path))
    assert type(cfg).fromfile(str(path)).custom_imports.imports == ["mmonnx"]
