"""Exports that take pictures themselves, in fewer bits or not, and exports with inputs and outputs of float16."""

import json

import cv2
import numpy as np
import onnx
import pytest
from sample_sets import CLASSIFIER, DETECTOR, make_coco_set, weights_of, write_config

from mmonnx import cli
from mmonnx.datasets import digits
from mmonnx.exporting import embedding
from mmonnx.graph import inspect
from mmonnx.loading import LoadOptions
from mmonnx.pipeline import ExportSettings, export
from mmonnx.runtime import Session, open_model
from mmonnx.support import ExportError, InputError

FACTORS = ((1.0, 1.0), (1.37, 1.37), (0.71, 0.83), (2.2, 1.9))


def exported(folder, name, config=DETECTOR, side=320, **settings):
    weights = weights_of(DETECTOR if side == 320 else CLASSIFIER)
    path = folder / f"{name}.onnx"
    if not path.exists():
        load = LoadOptions(shape=(side, side), dynamic=True)
        export(ExportSettings(config, weights, output_file=str(path), load=load, **settings))
    return str(path)


def scenes(count=8):
    for number, sample in enumerate(digits.detection_samples("test", count)):
        across, down = FACTORS[number % len(FACTORS)]
        yield cv2.resize(sample.image, None, fx=across, fy=down)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("embedded")


@pytest.mark.parametrize("kind", ["resize", "normalize"])
def test_detections_are_those_of_the_pipeline_outside_in_pictures_of_any_size(folder, kind):
    outside = open_model(exported(folder, "outside"), "cpu")
    inside = open_model(exported(folder, kind, with_preprocess=kind), "cpu")
    assert not inside.prepares and outside.prepares and inside.batch is None
    found = 0
    for picture in scenes():
        expected, actual = outside(picture), inside(picture)
        np.testing.assert_array_equal(actual.labels, expected.labels)
        np.testing.assert_allclose(actual.dets, expected.dets, atol=2e-3)
        found += int((expected.scores > 0.3).sum())
    assert found > 20


def test_classes_are_those_of_the_pipeline_outside(folder):
    outside = open_model(exported(folder, "classes", CLASSIFIER, 64), "cpu")
    inside = open_model(exported(folder, "pictures", CLASSIFIER, 64, with_preprocess="resize", verify=True), "cpu")
    for picture in scenes(4):
        np.testing.assert_allclose(inside(picture).probs, outside(picture).probs, atol=1e-5)


def test_the_commands_know_such_a_file(folder, tmp_path, capsys):
    path = exported(folder, "resize", with_preprocess="resize")
    picture = str(tmp_path / "scene.png")
    cv2.imwrite(picture, next(scenes(1)))
    assert cli.main(["predict", path, picture, "--json", str(tmp_path / "found.json")]) == 0
    assert json.loads((tmp_path / "found.json").read_text())
    about = inspect(path)
    assert about["inputs"] == [["input", "uint8", ["batch", "height", "width", 3]]] and not about["optional_inputs"]
    assert about["metadata"]["mmonnx.pipeline"] == []
    assert [step["type"] for step in about["metadata"]["mmonnx.inside"]] == ["resize", "normalize", "pad"]
    assert cli.main(["check", path]) == 0
    config = write_config(DETECTOR, make_coco_set(tmp_path / "coco", 1), tmp_path / "config.py")
    capsys.readouterr()
    assert cli.main(["test", config, path, "--eval", "bbox"]) == 2
    assert "prepares pictures itself" in capsys.readouterr().err


def test_a_pipeline_that_differs_inside_is_not_written(folder, monkeypatch):
    """The check could fail: boxes that are moved by a pixel are no answers of the pipeline outside."""
    whole = embedding.with_picture_input

    def moved(*arguments):
        model, outside = whole(*arguments)
        tensor = next(one for one in model.graph.initializer if one.name.endswith("fc.bias"))
        values = onnx.numpy_helper.to_array(tensor) + np.eye(10, dtype=np.float32)[3]
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return model, outside

    monkeypatch.setattr(embedding, "with_picture_input", moved)
    with pytest.raises(ExportError, match="the file with its pipeline inside differs: scores by"):
        exported(folder, "moved", CLASSIFIER, 64, with_preprocess="resize", verify=True)
    assert not (folder / "moved.onnx").exists()


def test_half_inputs_and_outputs_are_fed_as_any_other(folder):
    path = exported(folder, "half_io", CLASSIFIER, 64, io_types="fp16", simplify=True)
    session = Session(path)
    assert session.input_type("input") == session.output_type("probs") == "tensor(float16)"
    outside, half = open_model(exported(folder, "classes", CLASSIFIER, 64), "cpu"), open_model(path, "cpu")
    for picture in scenes(3):
        given = half(picture).probs
        assert given.dtype == np.float32
        np.testing.assert_allclose(given, outside(picture).probs, atol=5e-3)
    detector = Session(exported(folder, "half_boxes", io_types="fp16"))
    assert detector.output_type("dets") == "tensor(float16)" and detector.output_type("labels") == "tensor(int64)"
    assert detector.optional_names == ["img_shape"]


@pytest.mark.parametrize("asked", [dict(with_preprocess="crop"), dict(io_types="int8")])
def test_what_is_unknown_is_refused(folder, asked):
    with pytest.raises(InputError, match="is unknown"):
        exported(folder, "refused", CLASSIFIER, 64, **asked)
