"""PPLNN's x86 engine: what its documentation says and what running it showed."""

from typing import Dict, Tuple

from .base import Capabilities, Form, Operator, Target
from .conditions import (
    AnyElement,
    AnyRank,
    Asymmetric,
    Given,
    Is,
    IsNot,
    Missing,
    NegativeConstant,
    NotLastAxis,
    OpsetFrom,
    RankReachesInputs,
)
from .mmcv_operators import MMCV_OPERATORS

_LAST = 16

_UNLIMITED = """Add AveragePool Ceil Concat Constant Conv ConvTranspose Cos DepthToSpace Div Dropout Equal Erf Exp
Flatten Floor Gather GlobalAveragePool Greater LeakyRelu Less Log MatMul Max MaxPool MaxUnpool Min Mul Not PRelu Pow
ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Sigmoid Sin Slice Sqrt Sub Sum Tanh Tile Transpose"""

_RANGES: Dict[str, Tuple[int, int]] = {
    **dict.fromkeys(_UNLIMITED.split(), (1, _LAST)),
    "And": (7, 16),
    "ArgMax": (1, 11),
    "BatchNormalization": (9, 13),
    "Cast": (9, 16),
    "Clip": (6, 16),
    "ConstantOfShape": (9, 16),
    "CumSum": (11, 16),
    "Expand": (8, 16),
    "GatherND": (11, 11),
    "Gemm": (9, 16),
    "Identity": (1, 13),
    "If": (1, 12),
    "LSTM": (7, 13),
    "Loop": (1, 12),
    "NonMaxSuppression": (10, 16),
    "NonZero": (9, 12),
    "OneHot": (1, 11),
    "Pad": (2, 16),
    "Range": (11, 16),
    "Reshape": (5, 13),
    "Resize": (11, 16),
    "RoiAlign": (10, 15),
    "ScatterElements": (11, 15),
    "ScatterND": (11, 15),
    "SequenceAt": (11, 16),
    "Shape": (1, 14),
    "Softmax": (1, 12),
    "Split": (2, 12),
    "SplitToSequence": (11, 16),
    "Squeeze": (1, 12),
    "TopK": (1, 16),
    "Unsqueeze": (1, 12),
    "Where": (9, 16),
}

_MMCV = ("MMCVRoiAlign", "NonMaxSuppression", "grid_sampler", "MMCVModulatedDeformConv2d")

_FIXES = {
    "Abs": "write Where(Less(x, 0), 0 - x, x)",
    "ArgMin": "write ArgMax of the negated values",
    "GatherElements": "write Gather on flat indices",
    "GlobalMaxPool": "write ReduceMax over the spatial axes",
    "GreaterOrEqual": "write Not(Less)",
    "GridSample": "write mmcv::grid_sampler",
    "InstanceNormalization": "write ReduceMean, Sub, Mul, Sqrt and Div",
    "LayerNormalization": "write ReduceMean, Sub, Mul, Sqrt and Div",
    "LessOrEqual": "write Not(Greater)",
    "LogSoftmax": "write Log(Softmax)",
    "Mod": "write x - Floor(x / y) * y",
    "Or": "write Not(And(Not(a), Not(b)))",
    "Reciprocal": "write 1 / x",
    "ReduceL1": "write ReduceSum of Where(Less(x, 0), 0 - x, x)",
    "ReduceL2": "write Sqrt(ReduceSum(x * x))",
    "Round": "write Floor(x + 0.5)",
    "Size": "write ReduceProd of Shape",
    "Softplus": "write Log(1 + Exp(x))",
    "SpaceToDepth": "write Reshape, Transpose, Reshape",
    "Upsample": "write Resize (opset 11)",
    "Xor": "write Not(Equal) of the values as integers",
}

_TYPES = {
    **dict.fromkeys(("TopK", "Pad", "CumSum", "Clip", "NonZero", "ScatterND"), ("int64",)),
    **dict.fromkeys(("Gather", "Transpose", "Equal"), ("bool",)),
    "ReduceProd": ("float32", "float64", "float16"),
    "Add": ("float64",),
    "Cast": ("uint8",),
}

_NO_STRIDES = Form("it dies from pooling without strides", "write the attribute strides", (Missing("strides"),))
_HIGH_RANK = Form(
    "it dies from as many axes as inputs",
    "write Where and Greater or Less, Clip, or Add in its place",
    (RankReachesInputs(),),
)
_CLIP_INPUTS = "export at opset 11, where the bounds are inputs"

_FORMS = {
    "Resize": (
        Form(
            "it has mode nearest with asymmetric coordinates only",
            "write coordinate_transformation_mode asymmetric",
            (Is("mode", ("nearest",)), IsNot("coordinate_transformation_mode", ("asymmetric",))),
        ),
        Form(
            "it has mode nearest with rounding mode floor only",
            "write nearest_mode floor",
            (Is("mode", ("nearest",)), IsNot("nearest_mode", ("floor",))),
        ),
        Form(
            "it has mode linear with pytorch_half_pixel coordinates only",
            "write coordinate_transformation_mode pytorch_half_pixel (align_corners=False)",
            (Is("mode", ("linear",)), IsNot("coordinate_transformation_mode", ("pytorch_half_pixel",))),
        ),
    ),
    "Conv": (
        Form("it takes the same padding on both sides only", "write a Pad before it", (Asymmetric(),)),
        Form("it ignores auto_pad", "write the attribute pads", (IsNot("auto_pad", ("NOTSET",)),)),
        Form("it needs kernel_shape", "write the attribute kernel_shape", (Missing("kernel_shape"),)),
    ),
    "ConvTranspose": (
        Form("it ignores output_padding", "write a Pad behind it", (AnyElement("output_padding", 0),)),
        Form("it dies without dilations", "write the attribute dilations", (Missing("dilations"),)),
        Form("it dies from groups", "write one ConvTranspose a group, and Concat", (IsNot("group", (1,)),)),
    ),
    "MaxPool": (
        Form("it has no dilated pooling", "write dilations 1", (AnyElement("dilations", 1),)),
        _NO_STRIDES,
    ),
    "AveragePool": (_NO_STRIDES,),
    "DepthToSpace": (
        Form("it has mode CRD only", "write Reshape, Transpose, Reshape, or mode CRD", (IsNot("mode", ("CRD",)),)),
    ),
    "Softmax": (
        Form(
            "it dies from an axis that is not the last (opset 13)",
            "write a Transpose before and behind it",
            (OpsetFrom(13), NotLastAxis()),
        ),
    ),
    "ReduceMean": (
        Form(
            "it loses keepdims when axes is not given",
            "write every axis into axes",
            (Missing("axes", 1), Is("keepdims", (1,))),
        ),
    ),
    "Squeeze": (Form("it goes wrong without axes", "write axes", (Missing("axes", 1),)),),
    "Split": (Form("it goes wrong without sizes", "write the sizes (split)", (Missing("split", 1),)),),
    "Max": (_HIGH_RANK,),
    "Min": (_HIGH_RANK,),
    "Sum": (_HIGH_RANK,),
    "MatMul": (Form("it dies from an input with one axis", "write an Unsqueeze and a Squeeze", (AnyRank(1),)),),
    "Clip": (Form("it dies from bounds in attributes", _CLIP_INPUTS, (Given(("min", "max")),)),),
    "Cast": (Form("it has no float16", "write float", (Is("to", (10,)),)),),
    "ScatterND": (Form("it dies from negative indices", "write indices from the begin", (NegativeConstant(1),)),),
    "LSTM": (Form("it dies", "run the layer outside of the file"),),
    "mmcv::MMCVRoiAlign": (Form("it has mode avg only", "write mode avg", (IsNot("mode", ("avg",)),)),),
}

PPLNN = Target(
    name="pplnn",
    engine="pplnn",
    min_opset=7,
    max_opset=_LAST,
    best_opset=11,
    operators={
        **{name: Operator(*opsets) for name, opsets in _RANGES.items()},
        **{f"mmcv::{name}": MMCV_OPERATORS[f"mmcv::{name}"] for name in _MMCV},
    },
    fixes=_FIXES,
    types=_TYPES,
    forms=_FORMS,
    capabilities=Capabilities(
        empty_tensors=False,
        local_functions=False,
        # an input that has an initializer too: its documentation does not know of it, and nobody has seen it work
        optional_inputs=False,
    ),
    # Any other operator with an empty input is left out in silence: what it should have written is garbage.
    takes_empty={
        "Clip": (1, 2),
        "Concat": None,
        "Resize": (1, 2, 3),
        "ScatterElements": (1, 2),
        "ScatterND": (1, 2),
        "Shape": None,
    },
)
