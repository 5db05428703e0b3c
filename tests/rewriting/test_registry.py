"""Rewriting is scoped: what was replaced is back, whatever happened."""

import importlib
import sys

import pytest
import torch
from models import load_small

from mmonnx import fallback
from mmonnx.environment import compat
from mmonnx.rewriting.rewrites import REGISTRY, ExportContext, current, rewriting
from mmonnx.rewriting.rewrites.registry import Rewrite, resolve, rewrite
from mmonnx.support.errors import ExportError
from mmonnx.tracing.tracer import trace

fallback.ensure()
importlib.import_module("mmdet.models")


def originals():
    found = {}
    for item in REGISTRY.values():
        try:
            with compat.newest_mmcv_taken():
                owner, name = resolve(item.path)
        except LookupError:
            continue
        found[item.path] = (owner, name, vars(owner).get(name))
        for module_name, module in list(sys.modules.items()):
            is_upstream = module_name.split(".")[0] in ("mmdet", "mmcv", "mmcls")
            if is_upstream and not isinstance(owner, type) and vars(module).get(name) is getattr(owner, name):
                found[item.path + "@" + module_name] = (module, name, vars(module)[name])
    return found


def assert_untouched(before):
    for path, (owner, name, value) in before.items():
        assert vars(owner).get(name) is value, path


def test_every_function_of_the_registry_is_replaced_and_restored():
    before = originals()
    assert len(before) > 150
    with rewriting():
        replaced = [path for path, (owner, name, value) in before.items() if vars(owner).get(name) is not value]
        assert set(replaced) == set(before)
    assert_untouched(before)
    assert current() is None


def test_a_module_that_is_imported_in_a_block_has_the_original_after_it_and_the_stand_in_in_the_next():
    """It imports the name from a package in which the name is replaced already."""
    name, path = "mmdet.core.export.model_wrappers", "mmdet.core.bbox.transforms.bbox2result"
    ours = {path: Rewrite(path, lambda context, original, *args: "ours")}
    empty, module = (torch.zeros(0, 5), torch.zeros(0), 3), sys.modules.pop(name, None)
    try:
        with rewriting(rewrites=ours):
            taken = importlib.import_module(name)
            assert taken.bbox2result(*empty) == "ours"
        assert [one.shape for one in taken.bbox2result(*empty)] == [(0, 5)] * 3
        with rewriting(rewrites=ours):
            assert taken.bbox2result(*empty) == "ours"
        assert [one.shape for one in taken.bbox2result(*empty)] == [(0, 5)] * 3
    finally:
        if module is not None:
            sys.modules[name] = module


def test_nothing_stays_behind_after_an_error_or_a_nested_block():
    before = originals()
    with pytest.raises(KeyError), rewriting() as outer:
        with rewriting() as inner:
            assert current() is inner
        assert current() is outer
        raise KeyError
    assert_untouched(before)


def test_a_path_cannot_be_rewritten_twice():
    with pytest.raises(ValueError, match="twice"):
        rewrite("torch.Tensor.split")(lambda *_: None)


def test_inference_is_the_same_to_the_bit_after_an_export_and_after_a_failed_one(tmp_path):
    task = load_small("mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py", tmp_path, dynamic=True)
    expected = task.predict(task.inputs)
    state = {key: value.clone() for key, value in task.module.state_dict().items()}
    random_state = torch.random.get_rng_state()
    before = originals()

    trace(task, 11, ExportContext())
    roi_head = task.module.model.roi_head
    roi_head.simple_test = None  # fails in the middle
    with pytest.raises(ExportError):
        trace(task, 11, ExportContext())
    del roi_head.simple_test

    assert_untouched(before)
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert not task.module.training
    for key, value in task.module.state_dict().items():
        assert torch.equal(value, state[key]), key
    again = task.predict(task.inputs)
    assert len(expected[0].dets) >= 10
    assert (again[0].dets == expected[0].dets).all() and (again[0].labels == expected[0].labels).all()


@torch.jit.script_if_tracing
def _one_more(values):
    return values + torch.tensor(1)


def test_what_is_scripted_while_it_is_traced_has_torchs_own_functions():
    """As the suppression of torchvision's detectors."""
    known = len(compat.script_builtins())
    with rewriting():
        traced = torch.jit.trace(lambda values: _one_more(values), torch.zeros(2))
    assert traced(torch.ones(3)).tolist() == [2, 2, 2] and len(compat.script_builtins()) == known
