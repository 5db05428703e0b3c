"""Every node of the domain ``mmcv`` has the type and the attributes that mmcv's own symbolic gives it."""

import importlib
import io
import warnings

import onnx
import pytest
import torch
from bodies import rand, randn

from mmonnx import fallback
from mmonnx.environment import compat
from mmonnx.rewriting.lowering import custom_operators
from mmonnx.rewriting.rewrites import ExportContext, rewriting
from mmonnx.rewriting.symbolics.functions import MMCV, all_functions, attributes_of
from mmonnx.targets import find_target

BOXES, SCORES = torch.cat([rand(6, 2), 2 + rand(6, 2)], 1) * 9, rand(6)
ROIS = torch.cat([torch.zeros(6, 1), BOXES], 1)
ROTATED = torch.cat([ROIS, rand(6, 1)], 1)
IMAGE = randn(1, 4, 9, 8)
CONV = ((2, 1), (1, 0), (1, 2), 2, 2)
CONV_SIZE = (5, 4)
TAPS = randn(1, 2 * 2 * 9, *CONV_SIZE)
FULL, BIAS = randn(6, 4, 3, 3), randn(6)
WEIGHT, MASK = randn(6, 2, 3, 3), rand(1, 2 * 9, *CONV_SIZE)


def from_mmcv(module, name, *arguments):
    """How mmcv's own symbolic is called: a class's, or a function of ``mmcv.onnx.symbolic``."""
    return module, name, arguments


# The operator: mmcv's function under export with its inputs, and mmcv's own symbolic of the same call.
CASES = {
    "MMCVBorderAlign": (
        lambda ops: lambda x, b: ops.border_align(x, b, 3),
        (IMAGE, rand(1, 72, 4)),
        from_mmcv("ops.border_align", "BorderAlignFunction", None, None, 3),
    ),
    "MMCVCARAFE": (
        lambda ops: lambda x, m: ops.carafe(x, m, 3, 2, 2),
        (IMAGE, rand(1, 18, 18, 16)),
        from_mmcv("ops.carafe", "CARAFEFunction", None, None, 3, 2, 2),
    ),
    "MMCVCARAFENaive": (
        lambda ops: lambda x, m: ops.carafe_naive(x, m, 3, 2, 2),
        (IMAGE, rand(1, 18, 18, 16)),
        from_mmcv("ops.carafe", "CARAFENaiveFunction", None, None, 3, 2, 2),
    ),
    "MMCVCornerPool": (
        lambda ops: ops.CornerPool("left"),
        (IMAGE,),
        from_mmcv("ops.corner_pool", "LeftPoolFunction", None),
    ),
    "MMCVDeformConv2d": (
        lambda ops: lambda x, o: ops.deform_conv2d(x, o, WEIGHT, *CONV, False, 16),
        (IMAGE, TAPS),
        from_mmcv("ops.deform_conv", "DeformConv2dFunction", None, None, None, *CONV, False, 16),
    ),
    "MMCVDeformRoIPool": (
        lambda ops: lambda x, r: ops.deform_roi_pool(x, r, torch.zeros(6, 2, 3, 5), (3, 5), 0.5, 2, 0.1),
        (IMAGE, ROIS),
        from_mmcv("ops.deform_roi_pool", "DeformRoIPoolFunction", None, None, None, (3, 5), 0.5, 2, 0.1),
    ),
    "MMCVMaskedConv2d": (
        lambda ops: lambda x, m: ops.masked_conv2d(x, m, FULL, BIAS, (1, 1), 1),
        (IMAGE, torch.ones(1, 9, 8)),
        from_mmcv("ops.masked_conv", "MaskedConv2dFunction", None, None, None, None, (1, 1), 1),
    ),
    "MMCVModulatedDeformConv2d": (
        lambda ops: lambda x, o, m: ops.modulated_deform_conv2d(x, o, m, WEIGHT, None, *CONV),
        (IMAGE, TAPS, MASK),
        from_mmcv("ops.modulated_deform_conv", "ModulatedDeformConv2dFunction", None, None, None, None, None, *CONV),
    ),
    "MMCVPSAMask": (
        lambda ops: ops.PSAMask("distribute", (3, 5)),
        (randn(1, 15, 4, 6),),
        from_mmcv("ops.psa_mask", "PSAMaskFunction", None, 1, (3, 5)),
    ),
    # square: mmcv's symbolic gives the height for both
    "MMCVRoIAlignRotated": (
        lambda ops: lambda x, r: ops.roi_align_rotated(x, r, (3, 3), 0.5, 2, True, True),
        (IMAGE, ROTATED),
        from_mmcv("ops.roi_align_rotated", "RoIAlignRotatedFunction", None, None, (3, 3), 0.5, 2, True, True),
    ),
    "MMCVRoiAlign": (
        lambda ops: ops.RoIAlign((4, 5), 0.5, 2, "avg", True),
        (IMAGE, ROIS),
        from_mmcv("ops.roi_align", "RoIAlignFunction", None, None, (4, 5), 0.5, 2, "avg", True),
    ),
    "MMCVRotatedFeatureAlign": (
        lambda ops: lambda x, b: ops.rotated_feature_align(x, b, 0.25, 5),
        (IMAGE, rand(1, 9, 8, 5)),
        from_mmcv("ops.rotated_feature_align", "RotatedFeatureAlignFunction", None, None, 0.25, 5),
    ),
    "MaxRoiPool": (
        lambda ops: lambda x, r: ops.roi_pool(x, r, (3, 5), 0.5),
        (IMAGE, ROIS),
        from_mmcv("ops.roi_pool", "RoIPoolFunction", None, None, (3, 5), 0.5),
    ),
    "NonMaxSuppression": (
        lambda ops: lambda b, s: ops.nms(b, s, 0.5, 1)[1],
        (BOXES, SCORES),
        from_mmcv("ops.nms", "NMSop", None, None, 0.5, 1, 0, -1),
    ),
    "SoftNonMaxSuppression": (
        lambda ops: lambda b, s: ops.soft_nms(b, s, 0.25, 0.75, 0.125, "gaussian", 1),
        (BOXES, SCORES),
        from_mmcv("ops.nms", "SoftNMSop", None, None, 0.25, 0.75, 0.125, 2, 1),
    ),
    "cummax": (
        lambda ops: lambda x: torch.cummax(x, 2),
        (IMAGE,),
        from_mmcv("onnx.symbolic", "cummax", None, 2),
    ),
    "cummin": (
        lambda ops: lambda x: torch.cummin(x, 2),
        (IMAGE,),
        from_mmcv("onnx.symbolic", "cummin", None, 2),
    ),
    "grid_sampler": (
        lambda ops: lambda x, g: torch.nn.functional.grid_sample(x, g, "nearest", "border", True),
        (IMAGE, rand(1, 3, 5, 2)),
        from_mmcv("onnx.symbolic", "grid_sampler", None, None, 1, 1, 1),
    ),
}
WITHOUT = {"MMCVMultiScaleDeformableAttn"}
"""mmcv has no symbolic for these."""


class Recorder:
    """The graph that a symbolic writes into, which keeps what it is told."""

    def op(self, name, *inputs, outputs=1, **attributes):
        self.name = name
        self.attributes = {key.rsplit("_", 1)[0]: (key[-1], value) for key, value in attributes.items()}
        return self


class Module(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def emitted(function, inputs):
    """The one node of the domain ``mmcv`` in the trace of a function."""
    buffer = io.BytesIO()
    context = ExportContext(opset=11, custom_ops=custom_operators(find_target("onnxruntime"), "mmcv"))
    with rewriting(context), torch.no_grad(), compat.no_graph_dump(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.start(IMAGE)
        torch.onnx.export(Module(function), inputs, buffer, opset_version=11, **compat.export_kwargs())
    (node,) = [node for node in onnx.load_model_from_string(buffer.getvalue()).graph.node if node.domain == MMCV]
    return node


def typed(node):
    """Attributes as a symbolic gives them: its letter for the type, and the value."""
    letters = {
        onnx.AttributeProto.INT: "i",
        onnx.AttributeProto.INTS: "i",
        onnx.AttributeProto.FLOAT: "f",
        onnx.AttributeProto.STRING: "s",
    }
    kinds = {item.name: letters[item.type] for item in node.attribute}
    return {name: (kinds[name], value) for name, value in attributes_of(node).items()}


def comparable(value):
    letter, value = value
    if isinstance(value, (tuple, list)):
        return letter, [int(one) for one in value]
    return letter, value if letter == "s" else pytest.approx(float(value))


@pytest.mark.parametrize("name", list(CASES))
def test_attributes_are_those_of_mmcv(monkeypatch, name):
    fallback.ensure()
    ops = importlib.import_module("mmcv.ops")
    make, inputs, (module, owner, arguments) = CASES[name]
    # mmcv asks if it has a library for ONNX Runtime, and writes standard operators if not
    monkeypatch.setattr(importlib.import_module("mmcv.onnx"), "is_custom_op_loaded", lambda: True)
    owner = getattr(importlib.import_module(f"mmcv.{module}"), owner)
    recorder = Recorder()
    getattr(owner, "symbolic", owner)(recorder, *arguments)
    node = emitted(make(ops), inputs)
    # RoIPool alone is a standard operator with mmcv, of other rules than mmcv's kernel
    assert recorder.name in (f"{MMCV}::{node.op_type}", node.op_type) and node.op_type == name
    expected = {key: comparable(value) for key, value in recorder.attributes.items()}
    found = typed(node)
    assert set(found) == set(expected)
    for key, (letter, value) in found.items():
        assert (letter, list(value) if isinstance(value, (list, tuple)) else value) == expected[key], key


def test_every_operator_is_compared():
    names = {function.name for function in all_functions().values() if function.domain == MMCV}
    assert names == set(CASES) | WITHOUT
    operators = find_target("onnxruntime-mmcv").operators
    assert {name.split("::")[1] for name in operators} <= names
