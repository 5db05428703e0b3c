"""Image editors from config to file: restorers, inpaintors, mattors and synthesizers; and what is refused by name."""

import importlib.util
import subprocess
import sys

import onnx
import pytest
import torch

pytest.importorskip("editors")

from editors import EDITORS, EDSR, EDSR_OPTIONS, FILMS, made, picture, small_config, small_editor
from models import photographs

from mmonnx import cli
from mmonnx.codebases.mmedit.building import checked_family
from mmonnx.environment import compat
from mmonnx.loading import LoadOptions, owner_of
from mmonnx.rewriting import rewriting
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.session import Session
from mmonnx.support.errors import InputError
from mmonnx.tracing import faults_of
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import make_cases, verify

pytestmark = pytest.mark.once  # mmedit is on the default stack alone
DETECTOR = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
QUICK = ("srcnn", "global_local")


def check(task):
    """The file of a task gives PyTorch's images on every case, and nothing of the sample is in its trace."""
    context = ExportContext()
    cases = make_cases(task, None, task.shape)
    session = Session(lower(trace(task, 11, context)))
    assert not faults_of(task, context, [case.feeds for case in cases[1:]])
    results = verify(task, session.run, cases)
    assert all(result.ok for result in results), [(one.name, one.problems) for one in results if not one.ok]
    one, other = (found.values for found in task.predict(task.preprocess(photographs()[:2], task.shape)))
    assert one.std() > 0.01 and (one != other).mean() > 0.1
    return session, results


def parameters():
    for name, (options, shape, load) in EDITORS.items():
        family = name.split("/")[1]
        yield pytest.param(name, options, shape, load, id=family, marks=() if family in QUICK else pytest.mark.long)


@pytest.mark.parametrize("name,options,shape,load", list(parameters()))
def test_it_gives_the_images_of_pytorch_at_any_size(tmp_path, name, options, shape, load):
    task = small_editor(f"mmedit::{name}", tmp_path, options, shape=shape, **(load or {"dynamic": True}))
    _, results = check(task)
    assert any(result.batch == 2 for result in results)
    assert load or len({result.shape for result in results}) >= 2


@pytest.mark.long
@pytest.mark.parametrize("name", FILMS)
def test_films_become_those_of_pytorch_at_any_size(tmp_path, name):
    options, shape = FILMS[name]
    task = small_editor(f"mmedit::{name}", tmp_path, options, shape=shape, dynamic=True)
    frames = task.inputs["input"].shape[1]
    assert frames in (2, 4, 5, 7) and any(f"a film has {frames} frames" in note for note in task.notes)
    _, results = check(task)
    assert any(result.batch == 2 for result in results) and len({result.shape for result in results}) >= 2


def test_a_film_has_as_many_frames_as_it_is_told(tmp_path, capsys):
    name = "restorers/basicvsr/basicvsr_reds4.py"
    config, path = small_config(f"mmedit::{name}", tmp_path, dict(FILMS[name][0])), str(tmp_path / "film.onnx")
    shape = ["--shape", "1", "4", "3", "64", "80", "--output-file", path]
    assert cli.main(["export", config, *shape]) == 0
    model = onnx.load(path)
    values = (*model.graph.input, *model.graph.output)
    sizes = [[dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values]
    assert sizes == [[1, 4, 3, 64, 80], [1, 4, 3, 256, 320]]
    assert {entry.key: entry.value for entry in model.metadata_props}["mmonnx.task"] == '"film restoration"'
    source, answers = picture(tmp_path, 0, (64, 80)), str(tmp_path / "x.json")
    assert cli.main(["predict", path, source, "--json", answers]) == 2
    assert "is for film restoration" in capsys.readouterr().err
    assert cli.main(["export", config, "--shape", "1", "4", "1", "64", "80", "--output-file", path]) == 2
    assert "expected batch, frames, 3, height and width" in capsys.readouterr().err


def test_the_file_says_what_it_is(tmp_path):
    _, _, path = made(EDSR, tmp_path, EDSR_OPTIONS, "--dynamic-export")
    model = onnx.load(path)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["mmonnx.task"] == '"image editing"' and '"rgb": true' in properties["mmonnx.image_values"]
    assert "mmedit" in properties["mmonnx.versions"]
    (output,) = model.graph.output
    assert [dim.dim_param or dim.dim_value for dim in output.type.tensor_type.shape.dim][:2] == ["batch", 3]


def test_the_arguments_of_mmedits_own_tool(tmp_path):
    config, checkpoint, _ = made(EDSR, tmp_path, EDSR_OPTIONS)
    source, path = picture(tmp_path, 0, (33, 41)), str(tmp_path / "own.onnx")
    assert cli.main(["export", config, checkpoint, "restorer", source, "--output-file", path]) == 0
    shape = [dim.dim_value for dim in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]
    assert shape == [1, 3, 33, 41]  # the picture's own size, as upstream has it


def test_a_model_that_is_there_already(tmp_path):
    model = small_editor(EDSR, tmp_path, EDSR_OPTIONS, shape=(48, 64)).module.model
    model.test_cfg = {"metrics": ["PSNR"], "crop_border": 4}  # as a training has it
    owner = owner_of(model)
    assert owner.name == "mmedit" and owner.covers(model)
    check(owner.task_of(model, "mine", None, LoadOptions(shape=(32, 48), dynamic=True)))
    assert model.test_cfg["metrics"] == ["PSNR"]


def test_a_model_of_no_known_family_is_one_line():
    from mmedit.models.base import BaseModel

    with pytest.raises(InputError, match="own.py is a BaseModel, which is exported as a plain module alone"):
        checked_family(BaseModel, "own.py")


@pytest.mark.parametrize("padding", [3, 5])
@pytest.mark.parametrize("size", [(8, 32), (29, 72), (5, 40), (33, 6), (2, 3)])
def test_what_cain_pads_with(padding, size):
    """Mirrored, repeated where a side is too short for that, and by nothing."""
    from mmedit.models.backbones.vfi_backbones import cain_net

    image = torch.rand(2, 3, *size)
    pad, cut = cain_net.get_padding_functions(image, padding)
    expected = pad(image)
    with rewriting(ExportContext()):
        ours, back = cain_net.get_padding_functions(image, padding)
        assert torch.equal(ours(image), expected) and torch.equal(back(expected), cut(expected))


@pytest.mark.parametrize(
    "arguments,said",
    [
        ([DETECTOR, "x.pth", "restorer"], "a model type is for a restorer, an inpaintor, a mattor or a synthesizer"),
        ([DETECTOR, "--trimap-path", "x.png"], "--trimap-path is for a restorer, an inpaintor, a mattor or a synth"),
        ([EDSR, "--topk", "5"], "--topk and --no-softmax are for classifiers"),
        ([EDSR, "--skip-postprocess"], "--skip-postprocess has nothing to skip of edsr_x4"),
        ([EDSR, "--seg-logits"], "--seg-logits is for a segmentor of mmseg"),
        (["mmedit::restorers/edsr/none.py"], "is not in the installed mmedit"),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path, capsys, arguments, said):
    assert cli.main(["export", *arguments, "--shape", "64", "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error and not list(tmp_path.iterdir())


def test_a_model_type_that_is_another_is_one_line(tmp_path, capsys):
    config, checkpoint, _ = made(EDSR, tmp_path, EDSR_OPTIONS)
    arguments = ["--shape", "48", "--output-file", str(tmp_path / "y.onnx")]
    assert cli.main(["export", config, checkpoint, "mattor", *arguments]) == 2
    assert "is not of type 'mattor'; expected restorer" in capsys.readouterr().err


def test_a_missing_toolbox_is_told_with_what_to_install(tmp_path, capsys, monkeypatch):
    config = small_config(EDSR, tmp_path, dict(EDSR_OPTIONS))
    found, own = importlib.util.find_spec, compat.model_type
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "mmedit" else found(name, *more)
    )
    monkeypatch.setattr(
        compat, "model_type", lambda package, *more: None if package == "mmedit" else own(package, *more)
    )
    assert cli.main(["export", config, "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert "not installed" in error and "pip install --no-deps 'mmedit>=0.16,<1'" in error and "\n" not in error


def test_mmedit_is_imported_for_its_own_models_alone():
    code = (
        "import sys\nfrom mmonnx.loading import read\n"
        f"read({DETECTOR!r}); assert 'mmedit' not in sys.modules\nread({EDSR!r}); assert 'mmedit' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
