"""What a simplified model is compared on, and that this shows a size or a batch that a simplifier has made a number."""

import io
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from crowds import together
from models import load_small

from mmonnx.exporting import stages
from mmonnx.graph import simplifier
from mmonnx.pipeline import ExportSettings
from mmonnx.rewriting import ExportContext
from mmonnx.terminal import Report
from mmonnx.tracing import trace
from mmonnx.verifying import make_cases

NAME = "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"
SHAPE = (320, 480)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return load_small(NAME, tmp_path_factory.mktemp("small"), dynamic=True, dynamic_batch=True, shape=SHAPE)


def compared(task, verify):
    return stages._compared(ExportSettings(NAME, verify=verify), task, make_cases(task, None, task.shape))


@pytest.mark.parametrize("verify", [True, False])
def test_the_size_of_the_export_is_left_to_the_verification(task, verify):
    feeds = compared(task, verify)
    shapes = [feed["input"].shape for feed in feeds]
    assert sum(shape[2:] == SHAPE for shape in shapes) == (not verify)
    others = [shape for shape in shapes if shape[2:] != SHAPE]
    assert max(shape[2] * shape[3] for shape in others) < 0.6 * SHAPE[0] * SHAPE[1]
    assert len({shape[2:] for shape in others}) > 1 and {shape[0] for shape in others} == {1, 2}
    (pair,) = [feed["input"] for feed in feeds if len(feed["input"]) == 2]
    assert not np.array_equal(*pair), "two pictures, or a batch of copies would pass"
    assert any("img_shape" in feed for feed in feeds), "padded"


def test_a_small_one_is_compared_as_it_is(task, tmp_path):
    small = load_small(NAME, tmp_path, dynamic=True, dynamic_batch=True, shape=(96, 128))
    assert compared(small, True)[0]["input"].shape[2:] == (96, 128)
    assert len({feed["input"].shape[2:] for feed in compared(small, True)}) == 3


@pytest.mark.parametrize("shape, fewest", [((896, 1792), (896, 1792)), ((1792, 2688), (896, 1792))])
def test_sides_in_multiples_of_many_pixels_become_as_few_as_they_can(task, shape, fewest):
    """EfficientDet B3: its export went round for ever, from 896x1792 to 896x2688 and back."""
    large = replace(task, inputs={"input": torch.zeros(1, 3, *shape)}, divisor=896)
    assert together([lambda: stages._smaller(large)], timeout=60.0) == [fewest]


@pytest.mark.parametrize("shape", [SHAPE, (96, 128)])
def test_a_side_that_is_not_dynamic_is_not_changed(tmp_path, shape):
    """A recognizer of lines of text whose file has one height, whatever PyTorch takes."""
    task = load_small(NAME, tmp_path, dynamic=True, dynamic_batch=True, shape=shape)
    task.dynamic_axes = {**task.dynamic_axes, "input": {0: "batch", 3: "width"}}
    task.other_shape = (shape[0], shape[1] // 2)
    sizes = {feed["input"].shape[2:] for feed in compared(task, True)}
    assert {height for height, _ in sizes} == {shape[0]} and len(sizes) > 1


def test_the_size_and_the_batch_made_numbers_are_found_out(task, monkeypatch):
    """A tool that writes down what each reshape and expansion was given when the model was traced."""
    traced = trace(task, 11, ExportContext())
    seen = {}

    def run(workshop, tool, command, timeout):
        model = onnx.load(workshop._source)
        shapes = [node.input[1] for node in model.graph.node if node.op_type in ("Reshape", "Expand")]
        feeds = {name: value.numpy() for name, value in task.inputs.items()}
        inner = onnx.ModelProto()
        inner.CopyFrom(model)
        inner.graph.output.extend(onnx.ValueInfoProto(name=name) for name in set(shapes))
        found = simplifier.Session(inner).run(feeds)
        del model.graph.node[:]
        for node in inner.graph.node:
            if not set(node.output) & set(shapes):
                model.graph.node.append(node)
        weights = [onnx.numpy_helper.from_array(found[name], name) for name in sorted(set(shapes)) if name in found]
        model.graph.initializer.extend(weights)
        seen[tool] = len(weights)
        return model

    monkeypatch.setattr(simplifier.Workshop, "run", run)
    lines = io.StringIO()
    settings = ExportSettings(NAME, simplify=True, verify=True)
    _, tool = stages.simplify_model(settings, task, make_cases(task, None, task.shape), traced, Report(lines))
    assert tool is None and all(seen.values()), lines.getvalue()
    assert "was not used: its result" in lines.getvalue()
