"""Faults planted into a file: those that photographs alone let through."""

import numpy as np
import onnx
import pytest
from models import once_if
from onnx import numpy_helper

from mmonnx import loading, pipeline
from mmonnx.graph import parts
from mmonnx.loading import LoadOptions
from mmonnx.pipeline import ExportSettings
from mmonnx.runtime.session import Session
from mmonnx.support.resources import config_root
from mmonnx.verifying.verification import make_cases, verify, verify_model

STEM = config_root() / "digits" / "faster_rcnn_digits"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    settings = ExportSettings(
        f"{STEM}.py",
        f"{STEM}.pth",
        str(tmp_path_factory.mktemp("digits") / "digits.onnx"),
        LoadOptions(shape=(320, 320), dynamic=True, trust_checkpoint=True),
    )
    return pipeline.export(settings)


def verified(task, model):
    return verify_model(task, model, make_cases(task, None, task.shape), lambda one: Session(one).run, budget=3.0)


def weight(model, name):
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def change(model, name, function):
    tensor = weight(model, name)
    tensor.CopyFrom(numpy_helper.from_array(function(numpy_helper.to_array(tensor).copy()), name))


def scale_behind(model, name, factor):
    """Scale what everybody reads of a tensor: the layer itself stays right."""
    for node in model.graph.node:
        node.input[:] = [f"{name}_scaled" if value == name else value for value in node.input]
    place = next(number for number, node in enumerate(model.graph.node) if name in node.output)
    model.graph.initializer.append(numpy_helper.from_array(np.float32(factor), "factor"))
    model.graph.node.insert(place + 1, onnx.helper.make_node("Mul", [name, "factor"], [f"{name}_scaled"]))


def flip_largest(values):
    index = np.abs(values).argmax()
    values.reshape(-1)[index] *= -1
    return values


def plus(amount):
    return lambda values: (values + np.float32(amount)).astype(np.float32)


def level_of_zeros(model):
    """All scores of one RPN level are alike."""
    scale_behind(model, "rpn_head.rpn_cls.output_2", 0.0)


def coarsest_level(model):
    """No RoI is pooled from the coarsest level: its pooled features are none."""
    # three levels, and three more nodes for regions without extent
    pooling = [node for node in model.graph.node if node.op_type == "RoiAlign"][2]
    scale_behind(model, pooling.output[0], 0.0)


def another_sampling(model):
    pooling = [node for node in model.graph.node if node.op_type == "RoiAlign"][0]
    next(item for item in pooling.attribute if item.name == "sampling_ratio").i = 1


def fewer_detections(model):
    """At most 40 in the place of 100."""
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.size == 1 and values.dtype == np.int64 and values.reshape(-1)[0] == 100:
            tensor.CopyFrom(numpy_helper.from_array(np.full_like(values, 40), tensor.name))


def flipped_fpn(model):
    change(model, "neck.fpn_convs.2.conv.weight", flip_largest)


def rpn_bias(model):
    change(model, "rpn_head.rpn_cls.bias", plus([0.02, 0, 0]))


def box_bias(model):
    change(model, "roi_head.bbox_head.fc_reg.bias", plus(0.02))


def class_row(model):
    def larger(values):
        rows = values if values.shape[0] == 11 else values.T
        rows[3] *= np.float32(1.05)
        return values

    change(model, "roi_head.bbox_head.fc_cls.weight", larger)


def greatest_anchor(model):
    """The last anchor of the coarsest level is a fiftieth larger: wider and higher than most pictures."""
    anchors = [
        tensor
        for tensor in model.graph.initializer
        if tensor.dims[-1:] == [4] and tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1
    ]
    greatest = max(anchors, key=lambda tensor: numpy_helper.to_array(tensor).max())

    def larger(values):
        values.reshape(-1, 4)[-1] *= np.float32(1.02)
        return values

    change(model, greatest.name, larger)


FAULTS = [
    greatest_anchor,
    level_of_zeros,
    coarsest_level,
    another_sampling,
    fewer_detections,
    flipped_fpn,
    rpn_bias,
    box_bias,
    class_row,
]
EVERYWHERE = (rpn_bias, class_row)
"""What a stack could lose is the way from the file to the verdict; what a verdict needs is the same on each of them."""


def test_the_right_file_passes_and_says_what_was_exercised(exported):
    found = verified(exported.task, exported.model)
    assert found.ok, [result for result in found.results if not result.ok]
    reached = {goal.what for goal in found.goals if goal.reached}
    assert reached == {
        "layers that the answers depend on",
        "levels that regions are pooled from",
        "whole kernels",
        "detections",
        "an image without any",
        "the limit",
        "poolings of regions of every size",
        "less than the limit",
        "the score threshold",
        "padding",
        "boxes that are clipped",
        "classes",
    }
    for result in found.results:
        assert not any(result.allowed) and not result.excused, "nothing needs the noise of PyTorch"
        assert (result.max_box or 0) < 1e-3 and (result.max_score or 0) < 2e-5


@pytest.mark.parametrize(
    "fault", once_if(lambda fault: fault not in EVERYWHERE, FAULTS), ids=lambda fault: fault.__name__
)
def test_a_planted_fault_does_not_pass(exported, fault):
    model = onnx.ModelProto()
    model.CopyFrom(exported.model)
    fault(model)
    assert model.SerializeToString() != exported.model.SerializeToString()
    assert not verified(exported.task, model).ok


@pytest.mark.once
def test_photographs_alone_let_some_of_them_through(exported):
    """What the inside and the driven runs are for: without them these tests would prove nothing."""
    task, passed = exported.task, []
    for fault in FAULTS:
        model = onnx.ModelProto()
        model.CopyFrom(exported.model)
        fault(model)
        results = verify(task, Session(model).run, make_cases(task, None, task.shape)[:3])
        passed += [fault.__name__] if all(result.ok for result in results) else []
    assert len(passed) >= 2, passed


@pytest.mark.once
def test_the_threshold_of_another_config_does_not_pass(exported):
    task = exported.task
    other = loading.load(
        f"{STEM}.py",
        f"{STEM}.pth",
        LoadOptions(
            shape=(320, 320),
            dynamic=True,
            trust_checkpoint=True,
            cfg_options={"model.test_cfg.rcnn.score_thr": 0.06},
        ),
    )
    from mmonnx.rewriting.lowering import lower
    from mmonnx.rewriting.rewrites import ExportContext
    from mmonnx.tracing.tracer import find_probes, trace

    context = ExportContext()
    model = lower(trace(other, 11, context, find_probes(other, 11, context)))
    found = verified(task, parts.part(model, task.output_names))
    assert not found.ok


@pytest.mark.once
def test_a_bound_that_no_photograph_comes_to_does_not_pass_when_it_is_another_one(tmp_path):
    stem = config_root() / "digits" / "mobilenet_v2_digits"
    load = LoadOptions(shape=(64, 64), dynamic=True, trust_checkpoint=True)
    exported = pipeline.export(ExportSettings(f"{stem}.py", f"{stem}.pth", str(tmp_path / "digits.onnx"), load))
    task, model = exported.task, exported.model
    assert verified(task, model).ok
    clip = next(node for node in model.graph.node if node.name == "backbone.layer4.2.conv.0.activate/Clip")
    assert numpy_helper.to_array(weight(model, clip.input[2])) == 6
    model.graph.initializer.append(numpy_helper.from_array(np.float32(5.4), "lower"))
    clip.input[2] = "lower"
    results = verify(task, Session(model).run, make_cases(task, None, task.shape))
    assert all(result.ok for result in results), "photographs alone show it: no test of the search"
    assert not verified(task, model).ok
