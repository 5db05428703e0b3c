"""SDMGR from config to file: what the texts of a picture are, and which belong together."""

import json

import numpy as np
import onnx
import pytest

pytest.importorskip("ocr_models")

from ocr_models import KIE, KIE_OPTIONS, NO_PICTURE, OPENSET, small, small_config

from mmonnx import cli
from mmonnx.exporting import ExportSettings
from mmonnx.loading import LoadOptions, owner_of
from mmonnx.pipeline import final_model
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.runtime import relations_of
from mmonnx.runtime.session import Session
from mmonnx.tracing import faults_of
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import make_cases, verify, verify_model

pytestmark = pytest.mark.once  # mmocr is on the default stack alone
NAMES = {KIE: ["input", "relations", "texts", "boxes"], NO_PICTURE: ["relations", "texts"]}
NAMES[OPENSET] = NAMES[NO_PICTURE]


def loaded(name, folder, options=None, **load):
    """The task of a small version."""
    shape = (96, 64) if name == KIE else None
    return small(name, folder, {**KIE_OPTIONS, **(options or {})}, **{"shape": shape, **load})


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("name", list(NAMES), ids=["picture", "no picture", "open set"])
def test_it_gives_the_answers_of_pytorch_whatever_is_on_the_page(tmp_path, name, opset):
    task = loaded(name, tmp_path, dynamic=True)
    assert list(task.inputs) == NAMES[name]
    context, cases = ExportContext(), make_cases(task, None, task.shape)
    session = Session(lower(trace(task, opset, context)))
    assert not faults_of(task, context, [case.feeds for case in cases[1:]])
    results = verify(task, session.run, cases)
    assert all(result.ok for result in results), [(one.name, one.problems) for one in results if not one.ok]
    pages = {case.feeds["texts"].shape for case in cases}
    assert len(pages) >= 5 and any(count == 1 for count, _ in pages) and any(length == 1 for _, length in pages)
    assert any((case.feeds["texts"] < 0).all(1).any() for case in cases)
    assert name != KIE or len({case.feeds["input"].shape for case in cases}) >= 3
    (found,) = task.predict(task.samples["more texts"])
    assert len(set(found.labels.tolist())) > 1 and found.nodes.std(0).min() > 1e-3
    np.testing.assert_allclose(found.edges.sum(1), 1, atol=1e-5)


def test_texts_that_look_at_themselves_are_seen(tmp_path, monkeypatch):
    """A check that could not have failed is none."""
    from mmonnx.rewriting.rewrites.mmocr.models.kie.heads import sdmgr_head

    monkeypatch.setattr(sdmgr_head, "_FAR", 0.0)
    results = run_on_pages(loaded(NO_PICTURE, tmp_path, dynamic=True), lambda feeds: feeds)
    assert not any(result.ok for result in results if result.name != "one text")


def test_a_last_character_that_is_another_is_seen(tmp_path):
    def other(feeds):
        texts = feeds["texts"].copy()
        row = int((texts > 0).sum(1).argmax())
        texts[row, (texts[row] > 0).sum() - 1] = texts[row, -1] % 29 + 1
        return {**feeds, "texts": texts}

    assert not any(result.ok for result in run_on_pages(loaded(NO_PICTURE, tmp_path, dynamic=True), other))


def run_on_pages(task, change):
    """How the file of a task compares with PyTorch when what it is fed with is changed."""
    session = Session(lower(trace(task, 11, ExportContext())))
    return verify(task, lambda feeds: session.run(change(feeds)), make_cases(task, None, task.shape))


def test_the_whole_verification_holds(tmp_path):
    task = loaded(KIE, tmp_path, dynamic=True)
    final = final_model(task, ExportSettings(KIE))
    verification = verify_model(final.task, final.model, final.cases, lambda made: Session(made).run)
    assert verification.ok, [one.problems for one in verification.results if not one.ok]
    goals = {goal.what: goal.reached for goal in verification.goals}
    assert goals["classes of texts"] and goals["texts that belong together, and others that do not"]
    assert goals["layers that the answers depend on"] and "levels that regions are pooled from" not in goals


def files(folder):
    """A dictionary and a list of classes, and what lets a config name them."""
    (folder / "dict.txt").write_text("\n".join("abcdefghijklmnopqrs") + "\n \n", encoding="utf-8")
    (folder / "class_list.txt").write_text("".join(f"{number} class-{number}\n" for number in range(26)))
    data = {"data.test.dict_file": str(folder / "dict.txt"), "model.bbox_head.num_chars": 21}
    return {**data, "model.class_list": str(folder / "class_list.txt")}


def test_the_file_says_what_it_is(tmp_path):
    config = small_config(NO_PICTURE, tmp_path, {**KIE_OPTIONS, **files(tmp_path)})
    path = str(tmp_path / "x.onnx")
    assert cli.main(["export", config, "--dynamic-export", "--verify", "--simplify", "--output-file", path]) == 0
    model = onnx.load(path)
    told = ("task", "classes", "annotations", "exercised")
    values = {entry.key: entry.value for entry in model.metadata_props}
    properties = {f"mmonnx.{name}": json.loads(values[f"mmonnx.{name}"]) for name in told}
    assert properties["mmonnx.task"] == "key information extraction"
    assert properties["mmonnx.classes"][25] == "class-25" and len(properties["mmonnx.classes"]) == 26
    assert properties["mmonnx.annotations"] == {
        "characters": [*"abcdefghijklmnopqrs", " "],
        "norm": 10.0,
        "links": None,
    }
    assert {goal["what"] for goal in properties["mmonnx.exercised"]} >= {"classes of texts"}
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "relations": ["num_texts", "num_texts", 5],
        "texts": ["num_texts", "num_characters"],
        "nodes": ["num_texts", 26],
        "edges": ["num_pairs", 2],
    }


def test_what_is_not_dynamic_is_the_samples(tmp_path):
    task = loaded(KIE, tmp_path)
    assert not task.dynamic_axes and {tuple(feeds["texts"].shape) for feeds in task.samples.values()} == {(7, 12)}
    task = loaded(KIE, tmp_path, dynamic_batch=True)
    assert "input" not in task.dynamic_axes and task.dynamic_axes["boxes"] == {0: "num_texts"}
    assert any("height and width are 96x64" in note for note in task.notes)


def test_a_model_that_is_there_already(tmp_path):
    model = loaded(KIE, tmp_path).module.model
    owner = owner_of(model)
    assert owner.name == "mmocr" and owner.covers(model)
    task = owner.task_of(model, "mine", None, LoadOptions(shape=(64, 96), dynamic=True))
    assert task.output_names == ["nodes", "edges"] and task.shape == (64, 96)


def test_the_relations_are_those_of_upstreams_dataset():
    from mmocr.datasets import KIEDataset

    dataset = KIEDataset.__new__(KIEDataset)
    dataset.norm = 7.0
    corners = np.array([[3, 4, 40, 4, 40, 20, 3, 20], [3, 4, 3, 4, 3, 4, 3, 4], [90, 8, 120, 12, 118, 44, 88, 40]])
    expected, boxes = dataset.compute_relation(corners.astype(np.int32))
    np.testing.assert_array_equal(relations_of(boxes, 7.0), expected)


@pytest.mark.parametrize(
    "name,arguments,said",
    [
        (NO_PICTURE, ["--shape", "32", "100"], "looks at no picture; expected texts, and how their boxes lie"),
        (KIE, ["--shape", "32", "100"], "does not take images of 32x100"),
        (KIE, ["--skip-postprocess"], "--skip-postprocess has nothing to skip"),
        (KIE, ["--topk", "5"], "--topk and --no-softmax are for classifiers"),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path, capsys, name, arguments, said):
    assert cli.main(["export", name, *arguments, "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error and not list(tmp_path.iterdir())


def test_a_batch_is_one_line(tmp_path):
    with pytest.raises(Exception, match="a batch of 2 is no input of .* one picture at a time"):
        loaded(KIE, tmp_path, batch=2)


def test_a_broken_list_of_classes_is_one_line(tmp_path, capsys):
    options = files(tmp_path)
    (tmp_path / "class_list.txt").write_text("0 Ignore\nStore_name\n")
    config = small_config(NO_PICTURE, tmp_path, {**KIE_OPTIONS, **options})
    assert cli.main(["export", config, "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert "has a line that is no class" in error and "\n" not in error
