"""Localizers of mmaction2: what their networks make of features of films, and upstream's proposals of that."""

import json

import numpy as np
import onnx
import pytest

pytest.importorskip("recognizers")

from recognizers import made, small_config, small_recognizer

from mmonnx import cli
from mmonnx.evaluation import EvaluationSettings, evaluate
from mmonnx.loading import LoadOptions, owner_of
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime.session import Session
from mmonnx.tracing import faults_of
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import make_cases, verify

pytestmark = pytest.mark.once  # mmaction2 is on the default stack alone
BMN = "mmaction::localization/bmn/bmn_400x100_2x8_9e_activitynet_feature.py"
TEM = "mmaction::localization/bsn/bsn_tem_400x100_1x16_20e_activitynet_feature.py"
PEM = "mmaction::localization/bsn/bsn_pem_400x100_1x16_20e_activitynet_feature.py"
SMALL = {"model.temporal_dim": 20, "model.feat_dim": 32, "model.hidden_dim_3d": 32, "model.num_samples": 8}


@pytest.mark.parametrize("name,options", [(BMN, SMALL), (TEM, {}), (PEM, {})], ids=["bmn", "tem", "pem"])
def test_it_gives_the_values_of_pytorch(tmp_path, name, options):
    task = small_recognizer(name, tmp_path, options, shape=None, dynamic=True)
    context, cases = ExportContext(), make_cases(task, None, task.shape)
    session = Session(lower(trace(task, 11, context)))
    assert not faults_of(task, context, [case.feeds for case in cases[1:]])
    results = verify(task, session.run, cases)
    assert all(result.ok for result in results), [(one.name, one.problems) for one in results if not one.ok]
    (found,) = task.predict(task.samples["two films"])
    assert all(len(value) == 2 and value.std() > 4e-3 for value in found.values.values())
    assert ("longer film" in task.samples) == (name != BMN)


def test_the_arguments_of_mmaction2s_own_tool(tmp_path):
    config, path = small_config(BMN, tmp_path, dict(SMALL)), str(tmp_path / "x.onnx")
    command = ["export", config, "--is-localizer", "--shape", "2", "32", "20", "--output-file", path, "--verify"]
    assert cli.main(command) == 0
    graph = onnx.load(path).graph
    assert [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim] == [2, 32, 20]
    assert [value.name for value in graph.output] == ["confidence", "start", "end"]


def test_a_localizer_that_is_there_already(tmp_path):
    model = small_recognizer(TEM, tmp_path, {}, shape=None).module.model
    owner = owner_of(model)
    assert owner.name == "mmaction" and owner.covers(model)
    assert owner.task_of(model, "mine", None, LoadOptions()).output_names == ["boundaries"]


@pytest.fixture(scope="module")
def bmn(tmp_path_factory):
    """A config with a set of three films' features, its checkpoint and its file."""
    folder = tmp_path_factory.mktemp("bmn")
    random, films = np.random.RandomState(0), {}
    for number in range(3):
        name = f"v_{number}"
        np.savetxt(str(folder / f"{name}.csv"), abs(random.randn(20, 32)), delimiter=",", header="x", comments="")
        films[name] = {
            "duration_second": 40.0,
            "duration_frame": 800 + 7 * number,
            "feature_frame": 800,
            "annotations": [{"segment": [4.0 + number, 22.0], "label": "jumping"}],
        }
    (folder / "films.json").write_text(json.dumps(films))
    options = {"data.test.ann_file": str(folder / "films.json"), "data.test.data_prefix": str(folder)}
    return made(BMN, folder, {**SMALL, **options}, "--dynamic-export", shape=None)


def test_the_metric_is_pytorchs(bmn):
    config, checkpoint, path = bmn
    found = evaluate(EvaluationSettings(config, path, ["AR@AN"], compare_with=checkpoint, workers=0))
    assert found.scores["AR@100"] > 0.2
    for name, value in found.scores.items():
        assert value == pytest.approx(found.reference[name], abs=1e-3)


def test_a_file_that_gives_something_else_shows(bmn, tmp_path):
    """Where nothing ends there are other proposals."""
    config, checkpoint, path = bmn
    model = onnx.load(path)
    last = next(node for node in model.graph.node if "end" in node.output)
    last.output[0] = "true_end"
    model.graph.node.append(onnx.helper.make_node("Sub", ["true_end", "true_end"], ["end"]))
    other = str(tmp_path / "other.onnx")
    onnx.save(model, other)
    found = evaluate(EvaluationSettings(config, other, ["AR@AN"], compare_with=checkpoint, workers=0))
    assert found.scores["auc"] != pytest.approx(found.reference["auc"], abs=0.1)


@pytest.mark.parametrize(
    "arguments,said",
    [
        ([BMN, "--softmax"], "--softmax is for recognizers"),
        (
            [BMN, "--shape", "64"],
            "takes features, and no pictures; expected --shape of batch, 400 features and 100 places",
        ),
        ([TEM, "--shape", "1", "300", "100"], "expected --shape of batch, 400 features and places"),
        (
            ["mmaction::localization/ssn/ssn_r50_450e_thumos14_rgb_test.py"],
            "is a SSN: its proposals are pooled in Python",
        ),
        (["mmaction::detection/lfb/lfb_slowonly_r50_ava_infer.py"], "is a FastRCNN: its features are kept in a file"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, capsys, arguments, said):
    assert cli.main(["export", *arguments, "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error and not list(tmp_path.iterdir())


def test_predict_prepares_no_features(bmn, tmp_path, capsys):
    assert cli.main(["predict", bmn[2], str(tmp_path), "--json", str(tmp_path / "x.json")]) == 2
    error = capsys.readouterr().err.strip()
    assert "is for raw; expected a file for" in error and "\n" not in error
