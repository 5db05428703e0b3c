"""``torch.onnx.export`` of OpenMMLab's models, called in this process as upstream's tools call it."""

import sys
import types
from functools import partial

import numpy as np
import onnx
import pytest
import torch
from models import load_small

import mmonnx
from mmonnx.codebases.mmdet import detectors as mmdet
from mmonnx.codebases.mmdet.detections import meta
from mmonnx.environment import compat
from mmonnx.integration.plugin import upstream
from mmonnx.loading.task import to_numpy
from mmonnx.runtime.results import Detections
from mmonnx.runtime.session import Session
from mmonnx.support.errors import ExportError
from mmonnx.verifying.matching import match

SHAPE = (96, 128)
# What upstream's own export does unlike its inference is out of the way, see patches/README.md.
ALIKE = {
    "model.roi_head.bbox_roi_extractor.roi_layer.aligned": False,
    "model.test_cfg.rpn.nms.iou_threshold": 1.0,
    "model.test_cfg.rpn.min_bbox_size": -1,
    "model.test_cfg.rpn.nms_pre": 50,
    "model.test_cfg.rpn.max_per_img": 250,
    "model.roi_head.bbox_head.fc_out_channels": 64,
}
AXES = {"input": {0: "batch", 2: "height", 3: "width"}, "dets": {0: "batch", 1: "n"}, "labels": {0: "batch", 1: "n"}}


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    return load_small("mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py", folder, ALIKE, shape=SHAPE, dynamic=True)


@pytest.fixture
def model(task):
    """The detector with its forward set as upstream's tool sets it."""
    (model,) = task.module.children()
    metas = [[meta(*SHAPE)]]
    metas[0][0]["img_shape_for_onnx"] = metas[0][0]["img_shape"]
    model.forward = partial(model.forward, img_metas=metas, return_loss=False, rescale=False)
    yield model
    vars(model).pop("forward", None)
    mmonnx.disable()
    mmonnx.enable()


def export(model, image, path):
    torch.onnx.export(
        model,
        [image],
        str(path),
        input_names=["input"],
        output_names=["dets", "labels"],
        export_params=True,
        keep_initializers_as_inputs=True,
        do_constant_folding=True,
        verbose=False,
        opset_version=11,
        dynamic_axes=AXES,
    )
    return onnx.load(str(path))


def pooled(model, feeds):
    """How many RoIs each level pools; upstream's own form pools all of them on each."""
    names = [node.output[0] for node in model.graph.node if node.op_type == "RoiAlign"]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    outputs = Session(model).run(feeds)
    return [len(outputs[name]) for name in names]


def check(task, path):
    session = Session(str(path))
    for shape in (SHAPE, (128, 96)):
        feeds = task.preprocess([np.full((*shape, 3), 90, np.uint8)], shape)
        feeds["input"] = feeds["input"] + torch.rand(feeds["input"].shape, generator=torch.Generator().manual_seed(0))
        (expected,) = task.predict(feeds)
        known = session.input_names + session.optional_names
        actual = session.run({name: value for name, value in to_numpy(feeds).items() if name in known})
        real = actual["dets"][0, :, 4] > 0
        found = match(expected, Detections(actual["dets"][0][real], actual["labels"][0][real]), score_thr=0.05)
        assert found.ok and found.total > 5, found


@pytest.mark.parametrize("way", ["mmonnx's", "upstream's"])
def test_both_ways_give_pytorchs_answers_in_the_nonzero_form(way, task, model, tmp_path, monkeypatch):
    if way == "upstream's":
        monkeypatch.setattr(mmdet, "covers", lambda model: False)
    found = export(model, task.inputs["input"], tmp_path / "model.onnx")
    places = ["img_shape"] if way == "mmonnx's" else []
    assert [value.name for value in found.graph.input] == ["input", *places]
    assert places == [value.name for value in found.graph.initializer if value.name in {"input", "img_shape"}]
    assert [value.name for value in found.graph.output] == ["dets", "labels"]
    assert not {node.domain for node in found.graph.node} - {""}
    rows = pooled(found, {"input": task.inputs["input"].numpy()})
    assert len(rows) == 4 and 0 < sum(rows) <= ALIKE["model.test_cfg.rpn.max_per_img"]
    del model.forward
    check(task, tmp_path / "model.onnx")


def test_what_mmonnx_cannot_trace_goes_upstreams_way_with_a_warning(task, model, tmp_path, monkeypatch):
    def fail(*args):
        raise ExportError("it cannot be traced")

    monkeypatch.setattr(upstream, "trace", fail)
    with pytest.warns(UserWarning, match="it cannot be traced; mmonnx exports it upstream's way"):
        export(model, task.inputs["input"], tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").is_file()


@pytest.mark.parametrize("way", ["mmonnx's", "upstream's"])
def test_modes_are_as_before(way, task, model, tmp_path, monkeypatch):
    if way == "upstream's":
        monkeypatch.setattr(mmdet, "covers", lambda model: False)
    model.backbone.train()
    before = [module.training for module in model.modules()]
    model.frozen = torch.jit.freeze(torch.jit.script(torch.nn.Linear(1, 1).eval()))  # it has no mode
    try:
        export(model, task.inputs["input"], tmp_path / "model.onnx")
        after = [module.training for module in model.modules() if module is not model.frozen]
        assert after == before and True in before and False in before
    finally:
        del model.frozen
        model.eval()


def test_inference_is_the_same_with_and_without_the_plugin(task):
    mmonnx.disable()
    try:
        (without,) = task.predict(task.inputs)
    finally:
        mmonnx.enable()
    (enabled,) = task.predict(task.inputs)
    np.testing.assert_array_equal(without.dets, enabled.dets)
    np.testing.assert_array_equal(without.labels, enabled.labels)


def test_what_follows_the_export_in_the_tool_is_mended_until_it_is_disabled(task, model, tmp_path, monkeypatch):
    import onnxsim

    main = types.ModuleType("__main__")
    main.__file__ = "somewhere/tools/deployment/pytorch2onnx.py"
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = onnxsim.simplify, torch.Tensor.cuda
    path = tmp_path / "model.onnx"
    plain = export(model, task.inputs["input"], path)

    image = torch.ones(1)
    assert image.cuda() is image
    # as mmdet's tool before 2.25.2 calls it
    simplified, good = onnxsim.simplify(str(path), input_data={"input": 1}, dynamic_input_shape=True)
    assert good and len(simplified.graph.node) < len(plain.graph.node)
    onnx.save(simplified, str(path))
    del model.forward
    check(task, path)
    with pytest.raises(Exception, match="other.onnx"):  # any other file is onnxsim's own affair
        onnxsim.simplify(str(tmp_path / "other.onnx"))
    mmonnx.disable()
    assert (onnxsim.simplify, torch.Tensor.cuda) == before


def test_outside_of_the_tool_nothing_is_put_off_the_gpu(task, model, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = torch.Tensor.cuda
    export(model, task.inputs["input"], tmp_path / "model.onnx")
    assert torch.Tensor.cuda is before


@pytest.mark.skipif(compat.TORCH < (1, 13), reason="mmcv's symbolics work there, and stay")
def test_mmcvs_symbolics_are_set_aside_and_put_back():
    from mmcv.onnx import register_extra_symbolics

    registry = compat.exporter._symbolic_registry()
    register_extra_symbolics(11)
    try:
        group = registry["aten::topk"]
        assert group.get(11).__module__ == "mmcv.onnx.symbolic"
        with pytest.raises(KeyError), compat.torch_symbolics():
            assert group.get(11).__module__.startswith("torch.")
            # torch exports none of these below opset 16
            assert registry["aten::grid_sampler"].get(11).__module__ == "mmcv.onnx.symbolic"
            raise KeyError
        assert group.get(11).__module__ == "mmcv.onnx.symbolic"
    finally:
        for group in registry.values():
            for opset, function in list(group._functions._overrides.items()):
                if function.__module__ == "mmcv.onnx.symbolic":
                    group.remove_custom(opset)


def test_heads_without_a_stand_in_are_not_covered(task):
    (model,) = task.module.children()
    assert mmdet.covers(model)

    class Head(type(model.rpn_head)):
        def get_bboxes(self):
            """Its own."""

    kind = type(model.rpn_head)
    model.rpn_head.__class__ = Head
    try:
        assert not mmdet.covers(model)
    finally:
        model.rpn_head.__class__ = kind
    assert not mmdet.covers(torch.nn.Linear(1, 1))
