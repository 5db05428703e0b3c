"""The tables of the targets agree with themselves."""

import onnx
import pytest

from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.support.errors import InputError
from mmonnx.targets import TARGETS, Capabilities, find_target

PPLNN = find_target("pplnn")


def test_names():
    first = ["onnxruntime", "pplnn", "onnxruntime-mmcv", "onnxruntime-web"]
    assert list(TARGETS) == [*first, "openvino", "opencv", "mnn", "tensorrt", "ncnn"]
    with pytest.raises(InputError, match="target 'tvm' is unknown; expected onnxruntime, pplnn"):
        find_target("tvm")


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_tables_name_operators_that_there_are(target):
    named = set(target.operators) | set(target.types) | set(target.forms) | set(target.takes_empty) | set(target.fixes)
    standard = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}
    assert {name for name in named if "::" not in name} <= standard
    if not target.any_standard:
        assert set(target.types) | set(target.forms) | set(target.takes_empty) <= set(target.operators)
        assert not set(target.fixes) & set(target.operators)
    assert target.min_opset <= target.best_opset <= (target.max_opset or target.best_opset)
    for operator in target.operators.values():
        assert operator.last is None or operator.first <= operator.last
    for forms in target.forms.values():
        assert all(form.rule and form.fix for form in forms)


def test_capabilities_say_what_the_tables_say():
    assert not PPLNN.capabilities.empty_tensors
    for name in ("onnxruntime", "onnxruntime-mmcv", "onnxruntime-web"):
        assert TARGETS[name].capabilities == Capabilities(
            unordered_best=True, plain_convolutions=True, scanning_loops=True
        )
    assert ExportContext().capabilities == Capabilities()
    assert {name for name, target in TARGETS.items() if target.capabilities.empty_tensors} == {
        "onnxruntime",
        "onnxruntime-mmcv",
        "onnxruntime-web",
        "openvino",
        "tensorrt",
    }
    for kernels in ("unordered_best", "plain_convolutions", "scanning_loops"):  # ONNX Runtime's alone
        able = {name for name, target in TARGETS.items() if getattr(target.capabilities, kernels)}
        assert able == {"onnxruntime", "onnxruntime-mmcv", "onnxruntime-web"}
    assert [name for name, target in TARGETS.items() if not target.capabilities.flat_boxes] == ["opencv"]
    assert [name for name, target in TARGETS.items() if not target.capabilities.dynamic_shapes] == ["ncnn"]
    assert [name for name, target in TARGETS.items() if not target.capabilities.external_data] == ["pplnn"]


def test_the_operators_of_mmcv():
    assert {name for name in PPLNN.operators if "::" in name} == {
        "mmcv::MMCVRoiAlign",
        "mmcv::NonMaxSuppression",
        "mmcv::grid_sampler",
        "mmcv::MMCVModulatedDeformConv2d",
    }
    assert set(TARGETS["onnxruntime-mmcv"].operators) > {"mmcv::SoftNonMaxSuppression", "mmcv::cummax"}
