"""Detectors of rotated boxes from config to file, by each kind of head; and what is refused by name."""

import copy
import importlib.util
import subprocess
import sys

import numpy as np
import onnx
import pytest

pytest.importorskip("rotated_detectors")

from rotated_detectors import ONE_STAGE, RETINANET, ROI, SHAPE, SMALL, small_config, small_rotated

from mmonnx import cli
from mmonnx.environment import compat
from mmonnx.loading import LoadOptions, load, owner_of
from mmonnx.loading.images import photographs
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.session import Session
from mmonnx.support.errors import InputError
from mmonnx.tracing import faults_of
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import make_cases, verify

pytestmark = pytest.mark.once  # mmrotate is on the default stack alone
PLAINEST = ("oriented_rcnn", "s2anet")
"""In CI these have two stages with rotated regions, aligned convolutions, turned filters, and two of the angles."""
ORIENTED = "mmrotate::oriented_rcnn/oriented_rcnn_r50_fpn_1x_dota_le90.py"
DETECTOR = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"


def check(task):
    """The file of a task gives PyTorch's boxes on every case, and nothing of the sample is in its trace."""
    context = ExportContext()
    cases = make_cases(task, None, task.shape, 1)
    session = Session(lower(trace(task, 11, context)))
    assert not faults_of(task, context, [case.feeds for case in cases[1:]])
    results = verify(task, session.run, cases)
    assert all(result.ok for result in results), [(one.name, one.problems) for one in results if not one.ok]
    assert sum(result.matched for result in results) > 50
    one, other = task.predict(task.preprocess(photographs()[:2], task.shape))
    assert len(one.dets) and one.rotated and not np.array_equal(one.dets, other.dets)
    return session, results


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name.split("/")[0] in PLAINEST else pytest.mark.long, id=name.split("/")[1][:-3])
        for name in SMALL
    ],
)
def test_it_gives_the_boxes_of_pytorch_at_any_size(tmp_path, name):
    task = small_rotated(f"mmrotate::{name}", tmp_path, SMALL[name], dynamic=True)
    _, results = check(task)
    assert len({result.shape for result in results}) > 1 and any(result.batch == 2 for result in results)


@pytest.mark.parametrize(
    "name,options",
    [
        (RETINANET, {**ONE_STAGE, "model.test_cfg.score_thr": 0.99999}),
        pytest.param(ORIENTED, {**ROI, "model.test_cfg.rcnn.score_thr": 0.99999}, marks=pytest.mark.long),
    ],
    ids=["one stage", "two stages"],
)
def test_a_picture_with_nothing_in_it_gives_none(tmp_path, name, options):
    task = small_rotated(name, tmp_path, options, dynamic=True)
    session = Session(lower(trace(task, 11, ExportContext())))
    feeds = task.preprocess([photographs()[0] * 0], (64, 64))
    found = session.run({name: value.numpy() for name, value in feeds.items()})
    assert found["dets"].shape == (1, 0, 6) and found["labels"].shape == (1, 0)


def test_the_file_says_what_it_is(tmp_path):
    config = small_config(RETINANET, tmp_path, copy.deepcopy(ONE_STAGE))
    path = str(tmp_path / "x.onnx")
    command = ["export", config, "--shape", *map(str, SHAPE), "--output-file", path, "--dynamic-export", "--simplify"]
    assert cli.main(command) == 0
    model = onnx.load(path)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["mmonnx.task"] == '"detection"' and "plane" in properties["mmonnx.classes"]
    assert "mmrotate" in properties["mmonnx.versions"] and "the angle in radians" in properties["mmonnx.outputs"]
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in model.graph.output
    }
    assert shapes == {"dets": ["batch", "num_dets", 6], "labels": ["batch", "num_dets"]}
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}


def test_a_model_that_is_there_already(tmp_path):
    model = small_rotated(RETINANET, tmp_path, ONE_STAGE).module.model
    owner = owner_of(model)
    assert owner.name == "mmrotate" and owner.covers(model)
    check(owner.task_of(model, "mine", None, LoadOptions(shape=(64, 96), dynamic=True)))


@pytest.mark.parametrize(
    "arguments,said",
    [
        ([RETINANET, "--seg-logits"], "--seg-logits is for a segmentor of mmseg; expected no such option for"),
        ([RETINANET, "--topk", "5"], "--topk and --no-softmax are for classifiers"),
        (["mmrotate::rotated_retinanet/none.py"], "is not in the installed mmrotate; expected"),
        (["mmrotate::g_reppoints/g_reppoints_r50_fpn_1x_dota_le135.py"], "expected the code of KLDRepPointsHead"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, capsys, arguments, said):
    assert cli.main(["export", *arguments, "--shape", "64", "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error and not list(tmp_path.iterdir())


@pytest.mark.parametrize("named", [True, False], ids=["by the package", "by a path"])
def test_a_missing_toolbox_is_told_with_what_to_install(tmp_path, capsys, monkeypatch, named):
    config = RETINANET if named else small_config(RETINANET, tmp_path, copy.deepcopy(ONE_STAGE))
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "mmrotate" else found(name, *more)
    )
    monkeypatch.setattr(compat, "model_type", lambda *anything: None)
    assert cli.main(["export", config, "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert "not installed" in error and "pip install --no-deps 'mmrotate>=0.3.4,<1'" in error and "\n" not in error


def test_a_release_that_is_not_known_is_refused(tmp_path, monkeypatch):
    import mmrotate

    monkeypatch.setattr(mmrotate, "__version__", "0.3.0")
    compat.check_versions()
    with pytest.raises(InputError, match="mmrotate 0.3.0 is outside the range .*expected mmrotate>=0.3.4,<1"):
        small_rotated(RETINANET, tmp_path, ONE_STAGE)


def test_detectors_of_mmdet_are_mmdets_whether_mmrotate_is_imported_or_not():
    code = (
        "import sys\nfrom mmonnx.loading import read\n"
        f"assert read({DETECTOR!r})[0].name == 'mmdet' and 'mmrotate' not in sys.modules\n"
        f"assert read({RETINANET!r})[0].name == 'mmrotate' and 'mmrotate' in sys.modules\n"
        f"assert read({DETECTOR!r})[0].name == 'mmdet'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_path_is_enough(tmp_path):
    config = small_config(RETINANET, tmp_path, copy.deepcopy(ONE_STAGE))
    assert load(config, None, LoadOptions(shape=(64, 64))).codebase == "mmrotate"
