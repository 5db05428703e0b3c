"""Recognizers of mmaction2 from config to file: of frames, of clips, of skeletons, of sound; and what is refused."""

import importlib.util
import subprocess
import sys

import onnx
import pytest
import torch

pytest.importorskip("recognizers")

from models import photographs
from recognizers import FEW, R18, RECOGNIZERS, SLOWONLY, STGCN, TSN, made, small_config, small_recognizer

from mmonnx import cli
from mmonnx.environment import compat
from mmonnx.loading import LoadOptions, owner_of
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.session import Session
from mmonnx.tracing import faults_of
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import make_cases, verify

pytestmark = pytest.mark.once  # mmaction2 is on the default stack alone
DETECTOR = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
QUICK = ("tsn", "slowonly", "timesformer_divST", "stgcn")


def check(task):
    """The file of a task gives PyTorch's scores on every case, and nothing of the sample is in its trace."""
    context = ExportContext()
    cases = make_cases(task, None, task.shape)
    session = Session(lower(trace(task, 12, context)))
    assert not faults_of(task, context, [case.feeds for case in cases[1:]])
    results = verify(task, session.run, cases)
    assert all(result.ok for result in results), [(one.name, one.problems) for one in results if not one.ok]
    return cases, results


def differ(task):
    """Two films have other scores: a file that does not look at its input would be found out."""
    if task.preprocess is None:
        pair = {"input": torch.cat([task.samples["walk"]["input"], task.samples["nobody"]["input"]])}
    else:
        pair = task.preprocess(photographs()[:2], task.shape)
    found = task.predict(pair)  # where clips are not averaged, a film has several
    one, other = found[0].probs, found[-1].probs
    return abs(one - other).max() > 0.02 * one.std()


def parameters():
    for name, (options, load) in RECOGNIZERS.items():
        stem = name.split("/")[-1]
        quick = stem.startswith(QUICK)
        yield pytest.param(name, options, load, id=stem.split("_k")[0], marks=() if quick else pytest.mark.long)


@pytest.mark.parametrize("name,options,load", list(parameters()))
def test_it_gives_the_scores_of_pytorch_at_any_size(tmp_path, name, options, load):
    task = small_recognizer(f"mmaction::{name}", tmp_path, options, **{"dynamic": True, **load})
    cases, results = check(task)
    assert differ(task)
    assert any(case.feeds["input"].shape[0] == 2 for case in cases)
    assert len({case.feeds["input"].shape for case in cases}) >= (3 if "dynamic_batch" not in load else 2)


def test_the_number_of_clips_is_dynamic_too(tmp_path):
    task = small_recognizer(SLOWONLY, tmp_path, FEW, dynamic=True, shape=(32, 32))
    assert task.dynamic_axes["input"] == {0: "batch", 1: "clips", 4: "height", 5: "width"}
    assert task.samples["more clips"]["input"].shape[:3] == (1, 3, 3)


def test_the_file_says_what_it_is(tmp_path):
    _, _, path = made(TSN, tmp_path, {**R18, **FEW}, "--dynamic-export", "--softmax")
    model = onnx.load(path)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["mmonnx.task"] == '"action recognition"' and '"clips": 25' in properties["mmonnx.pipeline"]
    assert "mmaction" in properties["mmonnx.versions"]
    (output,) = model.graph.output
    assert output.name == "probs" and output.type.tensor_type.shape.dim[1].dim_value == 20


@pytest.mark.parametrize("name,shape", [(TSN, [1, 4, 3, 32, 48]), (SLOWONLY, [2, 1, 3, 2, 32, 48])])
def test_the_shape_of_mmaction2s_own_tool(tmp_path, name, shape):
    path = str(tmp_path / "x.onnx")
    config = small_config(name, tmp_path, dict(FEW))
    assert cli.main(["export", config, "--shape", *map(str, shape), "--output-file", path, "--verify"]) == 0
    assert [dim.dim_value for dim in onnx.load(path).graph.input[0].type.tensor_type.shape.dim] == shape


def test_softmax_makes_probabilities_of_scores_alone(tmp_path):
    logits = small_recognizer(TSN, tmp_path, {**R18, **FEW}, shape=(32, 32))
    probs = small_recognizer(TSN, tmp_path, {**R18, **FEW}, shape=(32, 32), add_softmax=True)
    assert (logits.output_names, probs.output_names) == (["logits"], ["probs"])
    (one,), (other,) = logits.predict(logits.inputs), probs.predict(probs.inputs)
    torch.testing.assert_close(torch.from_numpy(one.probs).softmax(0), torch.from_numpy(other.probs))
    averaged = small_recognizer(SLOWONLY, tmp_path, FEW, shape=(32, 32), add_softmax=True)
    assert averaged.output_names == ["probs"] and not averaged.module.softmax  # its clips' are averaged


def test_a_model_that_is_there_already(tmp_path):
    model = small_recognizer(SLOWONLY, tmp_path, FEW, shape=(32, 48)).module.model
    owner = owner_of(model)
    assert owner.name == "mmaction" and owner.covers(model)
    check(owner.task_of(model, "mine", None, LoadOptions(shape=(32, 32), dynamic=True)))


def test_what_a_hook_normalises_on_a_gpu_the_pipeline_does(tmp_path):
    name = "mmaction::recognition/tsm/tsm_r50_gpu_normalize_1x1x8_50e_kinetics400_rgb.py"
    task = small_recognizer(name, tmp_path, {**R18, **FEW}, shape=(32, 32))
    (step,) = [step for step in task.pipeline if step["type"] == "normalize"]
    assert step["mean"] == [123.675, 116.28, 103.53]
    assert -3 < float(task.inputs["input"].min()) < -1


def test_views_that_run_a_few_at_a_time_are_those_of_one_run(tmp_path):
    """``max_testing_views`` saves memory, and refuses batches: the file is that of all views, and so is PyTorch."""
    options = {**FEW, "model.test_cfg.max_testing_views": 1}
    task = small_recognizer(SLOWONLY, tmp_path, options, dynamic=True, shape=(32, 32))
    check(task)
    assert task.module.model.max_testing_views == 1


@pytest.mark.parametrize(
    "arguments,said",
    [
        ([DETECTOR, "--softmax"], "--softmax is for a recognizer or a localizer of mmaction2"),
        ([DETECTOR, "--is-localizer"], "--is-localizer is for a recognizer or a localizer of mmaction2"),
        ([DETECTOR, "--shape", "1", "8", "3", "64", "64"], "or a recognizer or a localizer of mmaction2; expected"),
        ([TSN, "--is-localizer"], "is a recognizer; expected a localizer"),
        ([TSN, "--topk", "5"], "--topk and --no-softmax are for classifiers"),
        ([TSN, "--skip-postprocess"], "--skip-postprocess has nothing to skip of tsn_r50"),
        ([TSN, "--seg-logits"], "--seg-logits is for a segmentor of mmseg"),
        ([TSN, "--shape", "1", "3", "64", "64"], "--shape of four numbers is for a pose estimator"),
        (
            [TSN, "--shape", "1", "8", "5", "64", "64"],
            "expected batch, clips, channels, height and width, with 3 channels",
        ),
        ([SLOWONLY, "--shape", "1", "8", "3", "64", "64"], "expected batch, clips, channels, frames, height and width"),
        ([STGCN, "--shape", "64", "64"], "takes key points, and no pictures"),
        (["mmaction::recognition/tsn/none.py"], "is not in the installed mmaction"),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path, capsys, arguments, said):
    more = [] if "--shape" in arguments else ["--shape", "64"]
    assert cli.main(["export", *arguments, *more, "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error and not list(tmp_path.iterdir())


def test_a_model_of_one_size_is_one_line(tmp_path, capsys):
    name = "mmaction::recognition/c3d/c3d_sports1m_16x1x1_45e_ucf101_rgb.py"
    assert cli.main(["export", name, "--dynamic-export", "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert "height and width cannot be dynamic" in error and "--dynamic-batch" in error and "\n" not in error


def test_a_missing_toolbox_is_told_with_what_to_install(tmp_path, capsys, monkeypatch):
    config = small_config(TSN, tmp_path, dict(R18))
    found, own = importlib.util.find_spec, compat.model_type
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "mmaction" else found(name, *more)
    )
    monkeypatch.setattr(
        compat, "model_type", lambda package, *more: None if package == "mmaction" else own(package, *more)
    )
    assert cli.main(["export", config, "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert "not installed" in error and "pip install --no-deps 'mmaction2>=0.24,<1'" in error and "\n" not in error


def test_mmaction2_is_imported_for_its_own_models_alone():
    code = (
        "import sys\nfrom mmonnx.loading import read\n"
        f"read({DETECTOR!r}); assert 'mmaction' not in sys.modules\nread({TSN!r}); assert 'mmaction' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
