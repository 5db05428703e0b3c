"""``mmonnx triton``: what it writes is what Triton's schema has, and says what the file says."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_files
from onnx import helper

from mmonnx import cli
from mmonnx.runtime import Session
from mmonnx.serving import kserve, pbtxt


@pytest.fixture(scope="module")
def schema():
    """Triton's ``model_config.proto``, as tritonclient brings it; that one's own package wants gRPC too."""
    pytest.importorskip("tritonclient")
    folder = Path(importlib.util.find_spec("tritonclient").submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("model_config_pb2", folder / "grpc" / "model_config_pb2.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Make a repository of a file; its folder."""
    monkeypatch.chdir(tmp_path)

    def make(file, *arguments):
        assert cli.main(["triton", str(file), "--out", "repository", *map(str, arguments)]) == 0
        return tmp_path / "repository"

    return make


def parsed(schema, path):
    from google.protobuf import text_format

    return text_format.Parse(path.read_text(encoding="utf-8"), schema.ModelConfig())


def test_a_detector_is_described_as_its_file_is(made, tmp_path, schema):
    folder = made(tiny_files.detector(tmp_path / "tiny.onnx", boxes=4)) / "tiny"
    config = parsed(schema, folder / "config.pbtxt")
    assert (config.name, config.backend, config.max_batch_size) == ("tiny", "onnxruntime", 8)
    (given,) = config.input
    assert (given.name, given.data_type, list(given.dims)) == ("input", schema.TYPE_FP32, [3, -1, -1])
    outputs = {one.name: (one.data_type, list(one.dims)) for one in config.output}
    assert outputs == {"dets": (schema.TYPE_FP32, [4, 5]), "labels": (schema.TYPE_INT64, [4])}
    assert config.HasField("dynamic_batching") and config.dynamic_batching.max_queue_delay_microseconds == 100
    (group,) = config.instance_group
    assert (group.count, group.kind) == (1, schema.ModelInstanceGroup.KIND_AUTO)
    about = {key: one.string_value for key, one in config.parameters.items()}
    assert json.loads(about["mmonnx.classes"]) == list("0123456789") and about["mmonnx.task"] == '"detection"'
    assert json.loads(about["mmonnx.pipeline"]) == tiny_files.WITHIN
    assert (folder / "labels.txt").read_text().split() == list("0123456789")
    assert (folder / "1" / "model.onnx").read_bytes() == (tmp_path / "tiny.onnx").read_bytes()


def test_a_classifiers_scores_have_names(made, tmp_path, schema):
    config = parsed(schema, made(tiny_files.classifier(tmp_path / "tiny.onnx")) / "tiny" / "config.pbtxt")
    assert [(one.name, one.label_filename) for one in config.output] == [("probs", "labels.txt")]


def test_a_file_of_one_batch_gets_no_batches(made, tmp_path, schema):
    file = tiny_files.detector(tmp_path / "tiny.onnx", batch=2, sides=(48, 64))
    config = parsed(schema, made(file) / "tiny" / "config.pbtxt")
    assert config.max_batch_size == 0 and not config.HasField("dynamic_batching")
    assert list(config.input[0].dims) == [2, 3, 48, 64] and list(config.output[0].dims) == [2, 3, 5]


def test_the_options_are_in_it(made, tmp_path, schema):
    file = tiny_files.classifier(tmp_path / "tiny.onnx")
    words = ["--name", "digits", "--model-version", 3, "--max-batch-size", 32, "--delay", 500, "--instances", 2]
    folder = made(file, *words, "--device", "gpu") / "digits"
    config = parsed(schema, folder / "config.pbtxt")
    assert config.name == "digits" and config.max_batch_size == 32 and (folder / "3" / "model.onnx").exists()
    assert config.dynamic_batching.max_queue_delay_microseconds == 500
    assert [(one.count, one.kind) for one in config.instance_group] == [(2, schema.ModelInstanceGroup.KIND_GPU)]


def test_other_models_and_versions_stay(made, tmp_path):
    for name, version in (("one", 1), ("two", 1), ("one", 2)):
        folder = made(tiny_files.classifier(tmp_path / "tiny.onnx"), "--name", name, "--model-version", version)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.onnx")}
    assert found == {"one/1/model.onnx", "one/2/model.onnx", "two/1/model.onnx"}


def test_weights_beside_the_file_come_along_and_it_runs_there(made, tmp_path):
    (tmp_path / "source").mkdir()
    file = Path(tiny_files.classifier(tmp_path / "source" / "tiny.onnx"))
    expected = Session(file).run({"input": np.ones((1, 3, 16, 16), np.float32)})
    onnx.save(onnx.load(str(file)), str(file), save_as_external_data=True, location="tiny.data", size_threshold=0)
    folder = made(file) / "tiny" / "1"
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "tiny.data"]
    file.with_name("tiny.data").unlink()
    found = Session(folder / "model.onnx").run({"input": np.ones((1, 3, 16, 16), np.float32)})
    assert (found["probs"] == expected["probs"]).all()


def test_any_text_is_read_back(schema):
    from google.protobuf import text_format

    for text in ('"', "\\", "a\nb", "\t\x00\x7f", "Zürich 東京 🙂", "'", "{}[]"):
        message = {"name": text, "parameters": [{"key": "k", "value": {"string_value": text}}]}
        found = text_format.Parse(pbtxt.text_of(message), schema.ModelConfig())
        assert found.name == text and found.parameters["k"].string_value == text


def test_kserve_finds_the_repository(made, tmp_path):
    yaml = pytest.importorskip("yaml")
    file = tiny_files.classifier(tmp_path / "My_Model.v2.onnx")
    folder = made(file, "--storage-uri", "s3://bucket/repository") / "My_Model.v2"
    found = yaml.safe_load((folder / "inference_service.yaml").read_text())
    assert found["apiVersion"] == "serving.kserve.io/v1beta1" and found["kind"] == "InferenceService"
    assert found["metadata"] == {"name": "my-model-v2"}
    model = found["spec"]["predictor"]["model"]
    assert model["modelFormat"] == {"name": "triton"} and model["storageUri"] == "s3://bucket/repository"
    assert model["protocolVersion"] == "v2"


def test_a_name_that_is_a_number_stays_a_text():
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(kserve.inference_service("123", "s3://x"))["metadata"]["name"] == "123"
    assert yaml.safe_load(kserve.inference_service("___", "s3://x"))["metadata"]["name"] == "model"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--name", "../up"], "no name of a model"),
        (["--model-version", "0"], "--model-version 0 is out of range"),
        (["--max-batch-size", "0"], "--max-batch-size 0 is out of range"),
        (["--delay", "-1"], "--delay -1 is out of range"),
        (["--instances", "0"], "--instances 0 is out of range"),
        (["--storage-uri", "bucket"], "is no address"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_written(tmp_path, capfd, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    tiny_files.classifier("tiny.onnx")
    assert cli.main(["triton", "tiny.onnx", "--out", "repository", *arguments]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert words in line and [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]


def test_files_that_cannot_be_served_are_refused(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = onnx.load(tiny_files.classifier("tiny.onnx"))
    del model.metadata_props[:]
    onnx.save(model, "silent.onnx")
    sequence = helper.make_model(
        helper.make_graph(
            [helper.make_node("SequenceConstruct", ["x"], ["y"])],
            "graph",
            [helper.make_tensor_value_info("x", 1, ["batch"])],
            [helper.make_tensor_sequence_value_info("y", 1, None)],
        ),
        opset_imports=[helper.make_opsetid("", 11)],
        ir_version=7,
    )
    helper.set_model_props(sequence, {"mmonnx.task": '"raw"'})
    onnx.save(sequence, "sequence.onnx")
    for name, words in (("silent", "does not say how"), ("sequence", "Triton does not serve"), ("none", "not exist")):
        assert cli.main(["triton", f"{name}.onnx", "--out", "repository"]) == 2
        assert words in capfd.readouterr().err and not Path("repository").exists()
