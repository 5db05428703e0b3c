"""Text detectors and recognizers from config to file; and what is refused by name."""

import importlib.util
import subprocess
import sys

import numpy as np
import onnx
import pytest

pytest.importorskip("ocr_models")

from models import photographs
from ocr_models import CRNN, CRNN_OPTIONS, DB, DB_OPTIONS, MODELS, made, small, small_config, written

from mmonnx import cli
from mmonnx.environment import compat
from mmonnx.exporting import ExportSettings
from mmonnx.loading import LoadOptions, owner_of
from mmonnx.pipeline import final_model
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime import Text
from mmonnx.runtime.session import Session
from mmonnx.tracing import faults_of
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.goals import Goals
from mmonnx.verifying.verification import make_cases, verify, verify_model

pytestmark = pytest.mark.once  # mmocr is on the default stack alone
DETECTOR = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
QUICK = ("crnn", "dbnet")


def check(task):
    """The file of a task gives PyTorch's texts or maps on every case, and nothing of the sample is in its trace."""
    context = ExportContext()
    cases = make_cases(task, None, task.shape)
    session = Session(lower(trace(task, 11, context)))
    assert not faults_of(task, context, [case.feeds for case in cases[1:]])
    goals = Goals(task, [])
    results = verify(task, session.run, cases, show=lambda case, expected, actual: goals.see(expected))
    assert goals.all
    assert all(result.ok for result in results), [(one.name, one.problems) for one in results if not one.ok]
    return session, results


def parameters():
    for name, (options, shape, load) in MODELS.items():
        family = name.split("/")[-1].split(".")[0]
        quick = name.split("/")[1] in QUICK
        yield pytest.param(name, options, shape, load, id=family, marks=() if quick else pytest.mark.long)


@pytest.mark.parametrize("name,options,shape,load", list(parameters()))
def test_it_gives_the_answers_of_pytorch_at_any_size(tmp_path, name, options, shape, load):
    task = small(f"mmocr::{name}", tmp_path, options, shape=shape, **(load or {"dynamic": True}))
    _, results = check(task)
    assert any(result.batch == 2 for result in results)
    assert load or len({result.shape for result in results}) >= 2
    one, other = task.predict(task.preprocess(photographs()[:2], task.shape))
    if isinstance(one, Text):
        assert len(set(one.text + other.text)) > 2 and len(one.scores) == len(one.text.replace("<UKN>", "?"))
        assert np.abs(one.steps[0] - other.steps[0]).max() > 0.01  # MASTER's features hardly differ
    else:
        assert all(values.std() > 0.01 for values in one.values.values())


@pytest.mark.long
@pytest.mark.parametrize("name", list(MODELS))
def test_the_whole_verification_holds(tmp_path, name):
    """What is inside, too: of SAR, whose classifier gives (N, T, C) at each step and the file's (N, C), as well."""
    options, shape, load = MODELS[name]
    task = small(f"mmocr::{name}", tmp_path, options, shape=shape, **(load or {"dynamic": True}))
    final = final_model(task, ExportSettings(name))
    verification = verify_model(final.task, final.model, final.cases, lambda made: Session(made).run)
    assert verification.ok, [one.problems for one in verification.results if not one.ok]
    assert verification.compared


@pytest.mark.long
def test_boxes_and_masks_that_upstream_reads_boundaries_of(tmp_path):
    options = {"model.test_cfg.rpn.max_per_img": 60, "model.test_cfg.rcnn.max_per_img": 20}
    name = "mmocr::textdet/maskrcnn/mask_rcnn_r50_fpn_160e_icdar2015.py"
    task = small(name, tmp_path, options, shape=(96, 128), dynamic=True)
    assert task.codebase == "mmocr" and task.output_names == ["dets", "labels", "masks"]
    assert any("seg2boundary" in note for note in task.notes)
    _, results = check(task)
    assert any(result.batch == 2 for result in results) and sum(result.matched for result in results) > 20
    model = task.module.model
    assert owner_of(model).name == "mmocr" and owner_of(model).covers(model)
    feeds = task.preprocess(photographs()[:1], (96, 128))
    (found,) = task.predict(feeds)
    meta = {"img_shape": (96, 128, 3), "ori_shape": (96, 128, 3), "scale_factor": np.ones(4, np.float32)}
    (own,) = model.simple_test(feeds["input"], [meta])  # boundaries, as before
    assert 0 < len(own["boundary_result"]) <= len(found.dets)
    again = owner_of(model).task_of(model, "mine", None, LoadOptions(shape=(96, 128)))
    assert again.output_names == task.output_names


def test_the_file_says_what_it_is(tmp_path):
    _, _, path = made(CRNN, tmp_path, CRNN_OPTIONS, "--dynamic-export")
    model = onnx.load(path)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["mmonnx.task"] == '"text recognition"' and '"how": "ctc"' in properties["mmonnx.texts"]
    assert "mmocr" in properties["mmonnx.versions"] and '"z"' in properties["mmonnx.classes"]
    (output,) = model.graph.output
    assert [dim.dim_param or dim.dim_value for dim in output.type.tensor_type.shape.dim] == ["batch", "steps", 37]
    shape = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == ["batch", 1, 32, "width"]


def test_the_arguments_of_mmocrs_own_tool(tmp_path):
    config, checkpoint, _ = made(CRNN, tmp_path, CRNN_OPTIONS)
    source, path = written(tmp_path, 0, (40, 150)), str(tmp_path / "own.onnx")
    assert cli.main(["export", config, checkpoint, "recog", source, "--verbose", "--output-file", path]) == 0
    shape = [dim.dim_value for dim in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]
    assert shape == [1, 1, 32, 128]  # what the test pipeline makes of the picture, as upstream has it


def test_a_model_that_is_there_already(tmp_path):
    model = small(CRNN, tmp_path, CRNN_OPTIONS, shape=(32, 100)).module.model
    owner = owner_of(model)
    assert owner.name == "mmocr" and owner.covers(model)
    check(owner.task_of(model, "mine", dict(mean=[127], std=[127]), LoadOptions(shape=(32, 96), dynamic=True)))


@pytest.mark.parametrize(
    "arguments,said",
    [
        ([DETECTOR, "--device-id", "0"], "--device-id is for a text detector or a text recognizer of mmocr"),
        ([DETECTOR, "--verbose"], "--verbose is for a text detector or a text recognizer of mmocr"),
        ([DETECTOR, "x.pth", "recog"], "or a text detector or a text recognizer of mmocr"),
        ([CRNN, "--topk", "5"], "--topk and --no-softmax are for classifiers"),
        ([CRNN, "--seg-logits"], "--seg-logits is for a segmentor of mmseg"),
        ([CRNN, "--device-id", "0"], "a GPU that torch sees"),
        (["mmocr::textrecog/crnn/none.py"], "is not in the installed mmocr"),
        (["mmocr::ner/bert_softmax/bert_softmax_cluener_18e.py"], "is a NerClassifier: it takes no picture"),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path, capsys, arguments, said):
    size = ["--shape", "32", "100"]
    assert cli.main(["export", *arguments, *size, "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error and not list(tmp_path.iterdir())


def test_a_model_type_that_is_another_is_one_line(tmp_path, capsys):
    config, checkpoint, _ = made(CRNN, tmp_path, CRNN_OPTIONS)
    assert cli.main(["export", config, checkpoint, "det", "--output-file", str(tmp_path / "y.onnx")]) == 2
    assert "is not of type 'det'; expected recog" in capsys.readouterr().err


def test_post_processing_of_ones_own_is_left_to_its_owner(tmp_path):
    """Maps that a class of the user's reads are raw outputs: nobody here knows how it does that."""
    from mmocr.models.textdet.postprocess import DBPostprocessor

    model = small(DB, tmp_path, DB_OPTIONS, shape=(96, 128)).module.model
    model.bbox_head.postprocessor.__class__ = type("DBPostprocessor", (DBPostprocessor,), {"__module__": "mine"})
    task = owner_of(model).task_of(model, "mine", None, LoadOptions(shape=(96, 128)))
    assert task.texts is None and "does not know how DBPostprocessor reads" in task.notes[-1]


def test_a_missing_toolbox_is_told_with_what_to_install(tmp_path, capsys, monkeypatch):
    config = small_config(CRNN, tmp_path, dict(CRNN_OPTIONS))
    found, own = importlib.util.find_spec, compat.model_type
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "mmocr" else found(name, *more)
    )
    monkeypatch.setattr(
        compat, "model_type", lambda package, *more: None if package == "mmocr" else own(package, *more)
    )
    assert cli.main(["export", config, "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert "not installed" in error and "pip install --no-deps 'mmocr>=0.6,<1'" in error and "\n" not in error


def test_mmocr_is_imported_for_its_own_models_alone():
    code = (
        "import sys\nfrom mmonnx.loading import read\n"
        f"read({DETECTOR!r}); assert 'mmocr' not in sys.modules\nread({CRNN!r}); assert 'mmocr' in sys.modules\n"
        "assert not {'lmdb', 'lanms', 'imgaug'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
