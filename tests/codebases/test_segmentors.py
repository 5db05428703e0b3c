"""Segmentors from config to file: their sizes, windows, heads and outputs; and what is refused by name."""

import copy
import importlib.util
import subprocess
import sys

import numpy as np
import onnx
import pytest

pytest.importorskip("segmentors")

from models import case, load_small
from segmentors import BINARY, FCN, HEADS, OTHERS, RESNET, SHAPE, SLIDING, small_config, small_segmentor

from mmonnx import cli
from mmonnx.environment import compat
from mmonnx.loading import LoadOptions, load, owner_of
from mmonnx.loading import config as configs
from mmonnx.loading.images import photographs
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.session import Session
from mmonnx.support.errors import InputError
from mmonnx.tracing import faults_of
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import make_cases, verify

pytestmark = pytest.mark.once  # mmsegmentation is on the default stack alone
DETECTOR = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
PLAINEST = ("pspnet", "psanet", "upernet", "segformer", "setr", "knet", "point_rend", "swin")


def check(task, batch=1):
    """The file of a task gives PyTorch's maps on every case, and nothing of the sample is in its trace."""
    context = ExportContext()
    cases = make_cases(task, None, task.shape, batch)
    session = Session(lower(trace(task, 11, context)))
    assert not faults_of(task, context, [case.feeds for case in cases[1:]])
    results = verify(task, session.run, cases)
    assert all(result.ok for result in results), [(one.name, one.problems) for one in results if not one.ok]
    one, other = task.predict(task.preprocess(photographs()[:2], task.shape))
    assert len(np.unique(one.labels)) > 1 and (one.labels != other.labels).any()
    return session, results


def parameters():
    for name, options in {**HEADS, **OTHERS}.items():
        family = name.split("/")[0]
        yield pytest.param(name, options, id=family, marks=() if family in PLAINEST else pytest.mark.long)


@pytest.mark.parametrize("name,options", list(parameters()))
def test_it_gives_the_maps_of_pytorch_at_any_size(tmp_path, name, options):
    options = {**options, "model.test_cfg.subdivision_num_points": 3000} if "point_rend" in name else options
    task = small_segmentor(f"mmseg::{name}", tmp_path, options, dynamic=True)
    _, results = check(task)
    assert len({result.shape for result in results if result.shape != (0, 0)}) == 3
    assert any(result.batch == 2 for result in results)


@pytest.mark.parametrize("options", [RESNET, SLIDING, BINARY], ids=["whole", "slide", "binary"])
def test_probabilities_beside_the_map(tmp_path, options):
    task = small_segmentor(FCN, tmp_path, options, dynamic=True, seg_logits=True)
    session, results = check(task)
    assert all(result.max_score is not None and result.max_score < 1e-4 for result in results)
    feeds = task.preprocess(photographs()[:2], (70, 90))
    found = session.run({name: value.numpy() for name, value in feeds.items()})
    classes = 1 if options is BINARY else 19
    assert found["seg_probs"].shape == (2, classes, 70, 90) and found["seg_map"].dtype == np.int64
    if options is BINARY:
        np.testing.assert_array_equal(found["seg_map"], found["seg_probs"][:, 0] > 0.4)
    else:
        np.testing.assert_allclose(found["seg_probs"].sum(1), 1, atol=1e-5)


def test_a_picture_smaller_than_a_window_in_one_direction(tmp_path):
    task = small_segmentor(FCN, tmp_path, SLIDING, dynamic=True)
    session, _ = check(task)
    for size in ((40, 200), (131, 50), (65, 65), (64, 66), (66, 108), (130, 151)):
        (result,) = verify(task, session.run, [case(task, size, photographs()[:2])])
        assert result.ok, (size, result.problems)


def test_fixed_axes_and_a_batch_that_is_dynamic(tmp_path):
    fixed = small_segmentor(FCN, tmp_path, SLIDING, batch=2)
    session, _ = check(fixed, batch=2)
    assert session.input_shape("input") == [2, 3, *SHAPE]
    batch = small_segmentor(FCN, tmp_path, RESNET, dynamic_batch=True)
    _, results = check(batch)
    assert any(result.batch == 2 for result in results) and "96x128" in " ".join(batch.notes)


def test_raw_outputs_are_logits_of_the_inputs_size(tmp_path):
    task = small_segmentor(FCN, tmp_path, RESNET, dynamic=True, skip_postprocess=True)
    assert task.output_names == ["output_0"] and list(task.inputs) == ["input"] and not task.optional
    session = Session(lower(trace(task, 11, ExportContext())))
    results = verify(task, session.run, make_cases(task, None, task.shape))
    assert all(result.ok for result in results)
    (raw,) = task.predict(task.inputs)
    labels = small_segmentor(FCN, tmp_path, RESNET).predict(task.inputs)[0].labels
    np.testing.assert_array_equal(raw.values["output_0"][0].argmax(0), labels)


def test_the_file_says_what_it_is(tmp_path):
    config = small_config(FCN, tmp_path, copy.deepcopy(SLIDING))
    path = str(tmp_path / "x.onnx")
    command = ["export", config, "--shape", "96", "128", "--output-file", path, "--dynamic-export", "--seg-logits"]
    assert cli.main([*command, "--simplify", "--verify"]) == 0
    model = onnx.load(path)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["mmonnx.task"] == '"semantic segmentation"' and '"road"' in properties["mmonnx.classes"]
    assert "mmseg" in properties["mmonnx.versions"] and "[128, 64, 128]" in properties["mmonnx.palette"]
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in model.graph.output
    }
    assert shapes["seg_map"] == ["batch", "map_height", "map_width"]
    assert shapes["seg_probs"] == ["batch", 19, "map_height", "map_width"]


def test_a_shape_that_is_not_asked_for_is_that_of_the_test_pipeline(tmp_path):
    assert small_segmentor(FCN, tmp_path, RESNET, shape=None).shape == (1024, 2048)


def test_a_model_that_is_there_already(tmp_path):
    model = small_segmentor(FCN, tmp_path, RESNET).module.model
    owner = owner_of(model)
    assert owner.name == "mmseg" and owner.covers(model)
    check(owner.task_of(model, "mine", None, LoadOptions(shape=(64, 96), dynamic=True)))


@pytest.mark.parametrize(
    "arguments,said",
    [
        ([DETECTOR, "--seg-logits"], "--seg-logits is for a segmentor of mmseg; expected no such option for"),
        ([DETECTOR, "--rescale_shape", "5"], "--rescale_shape is for a segmentor of mmseg"),
        ([FCN, "--rescale_shape", "0", "5"], "--rescale_shape 0 5 is not an image size"),
        ([FCN, "--seg-logits", "--skip-postprocess"], "--seg-logits and --rescale_shape are of the map"),
        ([FCN, "--topk", "5"], "--topk and --no-softmax are for classifiers"),
        ([FCN, "--text", "cat"], "--text is for detectors that take text"),
        (["mmseg::fcn/fcn_r50-none.py"], "is not in the installed mmseg; expected for example"),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path, capsys, arguments, said):
    assert cli.main(["export", *arguments, "--shape", "64", "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error and not list(tmp_path.iterdir())


@pytest.mark.parametrize("named", [True, False], ids=["by the package", "by a path"])
def test_a_missing_toolbox_is_told_with_what_to_install(tmp_path, capsys, monkeypatch, named):
    config = FCN if named else small_config(FCN, tmp_path, copy.deepcopy(RESNET))
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "mmseg" else found(name, *more)
    )
    own = compat.model_type
    monkeypatch.setattr(
        compat, "model_type", lambda package, *more: None if package == "mmseg" else own(package, *more)
    )
    assert cli.main(["export", config, "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert "not installed" in error and "pip install --no-deps 'mmsegmentation>=0.30,<1'" in error and "\n" not in error
    assert not (tmp_path / "x.onnx").exists()


def test_a_release_that_is_not_known_is_refused_for_its_own_models_alone(tmp_path, monkeypatch):
    import mmseg

    monkeypatch.setattr(mmseg, "__version__", "0.11.0")
    compat.check_versions()
    with pytest.raises(InputError, match="mmseg 0.11.0 is outside the range .*expected mmseg>=0.30,<1; pip install"):
        small_segmentor(FCN, tmp_path, RESNET)
    assert load_small(DETECTOR, tmp_path, {}).codebase == "mmdet"


def test_mmseg_is_imported_for_its_own_models_alone():
    code = (
        "import sys\nfrom mmonnx.loading import read\n"
        f"read({DETECTOR!r}); assert 'mmseg' not in sys.modules\nread({FCN!r}); assert 'mmseg' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_config_with_a_detectors_name_for_its_folder_is_mmsegs(tmp_path):
    (tmp_path / "mmdet").mkdir()
    task = load(small_config(FCN, tmp_path / "mmdet", copy.deepcopy(RESNET)), None, LoadOptions(shape=(64, 64)))
    assert task.codebase == "mmseg" and configs.package_configs("mmseg").name == "configs"


def test_segmentors_with_an_inference_of_their_own_are_refused(tmp_path):
    (tmp_path / "own_segmentor.py").write_text(
        "from mmseg.models import SEGMENTORS, EncoderDecoder\n@SEGMENTORS.register_module()\n"
        "class Own(EncoderDecoder):\n    whole_inference = property()\n"
    )
    own = {**RESNET, "model.type": "Own", "custom_imports": {"imports": ["own_segmentor"]}}
    with pytest.raises(InputError, match="an inference of its own.*EncoderDecoder of mmseg"):
        small_segmentor(FCN, tmp_path, own)


@pytest.mark.parametrize("options", [RESNET, SLIDING], ids=["whole", "slide"])
def test_a_target_whose_inputs_cannot_be_left_out_gets_none_but_the_picture(tmp_path, options):
    config, path = small_config(FCN, tmp_path, copy.deepcopy(options)), str(tmp_path / "x.onnx")
    command = ["export", config, "--shape", "96", "128", "--output-file", path, "--target", "pplnn", "--verify"]
    assert cli.main([*command, "--dynamic-export", "--rescale_shape", "50", "60"]) == 0
    model = onnx.load(path)
    assert [value.name for value in model.graph.input] == ["input"]
    found = Session(model).run({"input": np.zeros((2, 3, 70, 90), np.float32)})
    assert found["seg_map"].shape == (2, 50, 60)
