"""DRRG from config to file: the graphs that mmonnx builds, and the texts that are found, are PyTorch's own."""

import copy
import json
import sys

import cv2
import numpy as np
import onnx
import pytest
import torch

pytest.importorskip("ocr_models")

from models import photographs
from ocr_models import DRRG, DRRG_OPTIONS, inferred, made, small, upstream, word, written

from mmonnx import cli
from mmonnx.environment import compat
from mmonnx.evaluation import EvaluationSettings, evaluate
from mmonnx.exporting import ExportSettings
from mmonnx.pipeline import final_model
from mmonnx.runtime import FEATURES, GRAPH_INPUTS, LINKS, TextDetector, graph_of, open_model, regions_of
from mmonnx.runtime.session import Session
from mmonnx.runtime.texts import components
from mmonnx.runtime.texts.linking import linked
from mmonnx.verifying.verification import verify_model

pytestmark = pytest.mark.once  # mmocr is on the default stack alone
SHAPE = (96, 128)
META = {"filename": "", "scale_factor": np.ones(4, np.float32)}


def rounded(rows):
    """Boundaries with their scores, as a set: upstream's order is that of places in memory."""
    return {(*np.round(row[:-1], 3).tolist(), round(float(row[-1]), 4)) for row in rows}


def found_rows(found):
    return [[*points.tolist(), score] for points, score in zip(found.boundaries, found.scores.tolist())]


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return small(DRRG, tmp_path_factory.mktemp("task"), DRRG_OPTIONS, shape=SHAPE, dynamic=True)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drrg")
    return made(DRRG, folder, DRRG_OPTIONS, "--dynamic-export", "--verify", shape=SHAPE)


@pytest.fixture(scope="module")
def final(task):
    return final_model(task, ExportSettings("drrg"))


def test_the_whole_verification_holds(final):
    verification = verify_model(final.task, final.model, final.cases, lambda made: Session(made).run)
    assert verification.ok, [one.problems for one in verification.results if not one.ok]
    names = [result.name for result in verification.results]
    assert any("batch 2" in name for name in names) and any("driven" in name for name in names)
    sizes = {case.feeds["graphs"].shape for case in final.cases if "dark" not in case.name}
    assert len(sizes) > 2  # graphs of pictures, which no trace has seen


@pytest.mark.parametrize("fault", ["columns", "neighbours", "adjacency", "context"])
def test_a_planted_fault_is_seen(final, fault):
    """Each would give other links, and the verification says so."""

    def run(session, feeds):
        feeds = dict(feeds)
        if fault == "neighbours":
            feeds["neighbours"] = np.roll(feeds["neighbours"], 1, 1)
        if fault == "adjacency":
            feeds["adjacency"] = (feeds["adjacency"] > 0).astype(np.float32)
        if fault == "context":
            feeds["context"] = np.roll(feeds["context"], 1, 3)
        outputs = session.run(feeds)
        return {**outputs, LINKS: 1 - outputs[LINKS]} if fault == "columns" else outputs

    verification = verify_model(
        final.task, final.model, final.cases, lambda made: lambda feeds: run(Session(made), feeds)
    )
    assert not verification.ok
    assert any(LINKS in line for result in verification.results for line in result.problems)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("size", [(96, 128), (160, 192)])
def test_a_graph_is_upstreams(task, size, number):
    feeds = task.preprocess(photographs()[number : number + 1], size)
    settings = task.texts["settings"]
    found = components.components_of(feeds["context"][0, -6:].numpy(), settings)
    graph = graph_of(found.attributes, settings)
    assert set(graph.feeds) == set(GRAPH_INPUTS) - {"context"}
    assert len(found.attributes) == len(feeds["rois"]) > 20
    for name in ("rois", "geometry"):
        np.testing.assert_allclose(graph.feeds[name], feeds[name].numpy(), atol=1e-5)
    for row in range(len(found.attributes)):
        # upstream's order of the components around one is that of a Python set
        ours, theirs = graph.feeds["graphs"][row], feeds["graphs"][row].numpy()
        near = theirs[feeds["neighbours"][row].numpy()]
        assert graph.edges[row].tolist() == near.tolist() == ours[graph.feeds["neighbours"][row]].tolist()
        assert ours[0] == theirs[0] and sorted(ours) == sorted(theirs)
        count = len(set(ours.tolist()))
        order, other = ours[:count].argsort(), theirs[:count].argsort()
        np.testing.assert_allclose(
            graph.feeds["adjacency"][row][np.ix_(order, order)],
            feeds["adjacency"][row].numpy()[np.ix_(other, other)],
            atol=1e-6,
        )


@pytest.mark.parametrize("number", range(4))
def test_boundaries_of_the_same_links_are_upstreams(task, number):
    feeds = task.preprocess(photographs()[number : number + 1], (128, 160))
    with torch.no_grad(), compat.old_numpy_names():
        (own,) = task.module.model.simple_test(feeds["input"], [copy.deepcopy(META)], rescale=True)
    expected = own["boundary_result"]
    (answer,) = task.predict(feeds)
    assert rounded(found_rows(regions_of(answer.values, answer.texts))) == rounded(expected)
    assert len(expected) > 2 and len({len(row) for row in expected}) > 1


def test_texts_are_upstreams(exported, tmp_path):
    config, checkpoint, path = exported
    theirs, model = upstream(config, checkpoint), open_model(path)
    assert isinstance(model, TextDetector)
    counts = []
    files = [written(tmp_path, number, size, f"{number}.png") for number, size in enumerate([(96, 200), (150, 150)])]
    for file in files:
        expected, found = inferred(theirs, file)["boundary_result"], model(file)
        assert rounded(found_rows(found)) == rounded(expected)
        counts.append(len(expected))
    assert min(counts) > 2
    several = model.run([model.ready(files[0])] * 2)  # a batch, each with a graph of its own
    assert len(several) == 2 and all((one[LINKS] == several[0][LINKS]).all() for one in several)
    record = tmp_path / "x.jsonl"
    assert cli.main(["predict", path, *files, "--out", str(tmp_path / "out"), "--jsonl", str(record)]) == 0
    assert [len(json.loads(line)["texts"]) for line in record.read_text().splitlines()] == counts


def test_nothing_is_found_where_nothing_is(exported):
    config, checkpoint, path = exported
    model, theirs = open_model(path), upstream(config, checkpoint)
    theirs.bbox_head.out_conv.bias.data[1] -= 100
    assert not inferred(theirs, word(0, (64, 96)))["boundary_result"]
    features = np.zeros((38, 64, 96), np.float32)
    features[-5] = -9
    nothing = linked(features, model.description.texts, lambda graph: pytest.fail("there is no graph"))
    found = regions_of(nothing, model.description.texts)
    assert not len(found.boundaries) and not len(found.scores)


def test_a_file_of_one_size_is_run_twice_as_well(tmp_path):
    config, checkpoint, path = made(DRRG, tmp_path, DRRG_OPTIONS, shape=SHAPE)
    shapes = {one.name: one.type.tensor_type.shape.dim for one in onnx.load(path).graph.input}
    assert [axis.dim_value for axis in shapes["context"]] == [1, 38, *SHAPE]
    assert shapes["graphs"][0].dim_param == "num_components"
    picture = word(0, SHAPE)
    model = open_model(path)
    found = model(picture)
    theirs = upstream(config, checkpoint)
    feed = torch.from_numpy(model.ready(picture).feed)
    with torch.no_grad(), compat.old_numpy_names():
        (own,) = theirs.simple_test(feed, [copy.deepcopy(META)], rescale=True)
    assert rounded(found_rows(found)) == rounded(own["boundary_result"]) and len(found.boundaries) > 2


def test_the_network_alone(tmp_path):
    _, _, path = made(DRRG, tmp_path, DRRG_OPTIONS, "--skip-postprocess", "--dynamic-export", shape=SHAPE)
    graph = onnx.load(path).graph
    assert [one.name for one in graph.input] == ["input"] and len(graph.output) == 1


def test_the_hmean_is_pytorchs(exported, tmp_path):
    config, checkpoint, path = exported
    model = upstream(config, checkpoint)
    images, annotations = [], []
    for number, (height, width) in enumerate([(150, 150), (96, 200)]):
        # of a picture of 120x160 PyTorch's own answer hangs on a rounding: with noise of 1e-7 it has other texts
        file = str(tmp_path / f"{number}.png")
        cv2.imwrite(file, word(number, (height, width)))
        images.append({"id": number, "file_name": f"{number}.png", "height": height, "width": width})
        for boundary in sorted(inferred(model, file)["boundary_result"])[::2]:
            points = np.array(boundary[:-1]).reshape(-1, 2)
            low, size = points.min(0), np.ptp(points, axis=0)
            row = {"id": len(annotations), "image_id": number, "category_id": 1, "iscrowd": 0}
            row.update(bbox=[*low.tolist(), *size.tolist()], area=float(size.prod()), segmentation=[boundary[:-1]])
            annotations.append(row)
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "text"}]}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    test = {"type": "IcdarDataset", "ann_file": str(tmp_path / "instances.json"), "img_prefix": str(tmp_path)}
    options = {"data.test.datasets": [{**test, "pipeline": None}]}
    settings = EvaluationSettings(config, path, ["hmean-iou"], compare_with=checkpoint, workers=0, cfg_options=options)
    found = evaluate(settings)
    assert found.scores == found.reference
    scores = [value for name, value in found.scores.items() if "hmean" in name]
    assert any(0.05 < float(value) < 1 for value in scores if isinstance(value, float)), found.scores


def test_a_batch_has_the_features_of_each(task):
    images = photographs()[:2]
    both = task.predict(task.preprocess(images, SHAPE))
    alone = [task.predict(task.preprocess([image], SHAPE))[0] for image in images]
    for one, other in zip(both, alone):
        np.testing.assert_allclose(one.values[FEATURES], other.values[FEATURES], atol=1e-4)
    assert np.abs(both[0].values[FEATURES] - both[1].values[FEATURES]).max() > 0.1
    assert "lanms" not in sys.modules
