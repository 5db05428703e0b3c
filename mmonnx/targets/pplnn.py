"""PPLNN's x86 engine: what its documentation says and what running it showed."""

from typing import Dict, Tuple

from .base import Capabilities, Form, Operator, Target
from .conditions import (
    SHAPING,
    AnyElement,
    AnyRank,
    Asymmetric,
    BadlyFusedDepthwise,
    BodyHandsOn,
    BranchHandsOn,
    FewerAxes,
    Given,
    GivenInput,
    IdleState,
    Is,
    IsNot,
    LeavesBehind,
    LeftOut,
    Missing,
    NegativeConstant,
    NotConstant,
    NotLastAxis,
    OpsetFrom,
    PicksOne,
    RankIs,
    RankIsNot,
    RankReachesInputs,
    RestBehind,
    SameTwice,
    Shared,
    ShorterConstant,
    SumOfConvolution,
    TypeIs,
    Unordered,
    UnorderedAxes,
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

_ALL = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


def _but(*types: str) -> Tuple[str, ...]:
    """All types but these."""
    return tuple(name for name in _ALL if name not in types)


_SHORT = ("bool", "uint8", "int8", "int16", "float16")
_FLOATS_ALONE = """ArgMax AveragePool BatchNormalization Ceil Clip Conv ConvTranspose Cos Erf Exp Floor Gemm
GlobalAveragePool LeakyRelu Log MatMul Max MaxPool Min PRelu Pad Pow Relu Resize RoiAlign Sigmoid Sin Softmax Sqrt Sum
Tanh TopK CumSum"""
_TYPES = {
    **dict.fromkeys(_FLOATS_ALONE.split(), _but("float32")),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _but("float32", "int64", "int32")),
    **dict.fromkeys(("Equal", "Greater", "Less", "Range"), _but("float32", "int64")),
    # these move elements of four or eight bytes
    **dict.fromkeys(("Expand", "Gather", "ScatterElements", "Transpose"), _SHORT),
    **dict.fromkeys(["Slice", "Tile", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"], _but("float32", "int64")),
    **dict.fromkeys(("GatherND", "ScatterND"), _but("float32", "int32")),
    "NonZero": _but("float32", "bool"),
    "ReduceProd": _but("int64"),
    "Cast": ("uint8", "int8", "int16", "float16"),
}

_POOL_FORMS = (
    Form("it takes the same padding on both sides only", "write a Pad before it", (Asymmetric(),)),
    Form("it ignores auto_pad", "write the attribute pads", (IsNot("auto_pad", ("NOTSET", "VALID")),)),
    Form("it pools four axes alone", "write an Unsqueeze and a Squeeze", (RankIsNot(0, 4),)),
)
_NO_STRIDES = Form("it dies from pooling without strides", "write the attribute strides", (Missing("strides"),))
_HIGH_RANK = Form(
    "it dies from as many axes as inputs",
    "write Where and Greater or Less, Clip, or Add in its place",
    (RankReachesInputs(),),
)
_READS_SHAPES = Form(
    "where it computes with shapes, it reads past the end of the constant",
    "write a constant as long as the vector",
    (ShorterConstant(),),
)
_TWICE = Form("it dies where both inputs are one tensor", "write a product with 1 for one of them", (SameTwice(),))
_FEWER_AXES = Form(
    "it goes wrong where one of the inputs has four axes and the other two or three",
    "write as many axes",
    (FewerAxes(),),
)
_UNORDERED = Form("it takes axes in ascending order only", "write axes in order, from the first one", (Unordered(),))
_COARSE = Form(
    "it leaves numbers out where, of those behind the axes, more than 24 remain behind the last 32",
    "write an axis of one before all others, and reduce along it too",
    (RestBehind(25, 32),),
)
_AXES_INPUT = Form("it ignores axes that are an input", "export at opset 11", (GivenInput(1),))
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
        Form(
            "it has mode cubic with pytorch_half_pixel coordinates only",
            "write coordinate_transformation_mode pytorch_half_pixel (align_corners=False)",
            (Is("mode", ("cubic",)), IsNot("coordinate_transformation_mode", ("pytorch_half_pixel",))),
        ),
        Form("it resizes the last two of four axes", "write Reshape before it and behind it", (RankIsNot(0, 4),)),
    ),
    "Conv": (
        Form("it takes the same padding on both sides only", "write a Pad before it", (Asymmetric(),)),
        Form("it ignores auto_pad", "write the attribute pads", (IsNot("auto_pad", ("NOTSET",)),)),
        Form("it needs kernel_shape", "write the attribute kernel_shape", (Missing("kernel_shape"),)),
        Form("it has no more than two spatial axes", "run the layer outside of the file", (RankIs(0, (5,)),)),
        Form(
            "it dies from a depthwise convolution behind another without two biases and a multiple of 16 channels",
            "write a difference with 0 between them",
            (BadlyFusedDepthwise(),),
        ),
    ),
    "ConvTranspose": (
        Form("it ignores output_padding", "write a Slice behind it", (AnyElement("output_padding", 0),)),
        *(
            Form(f"it dies without {name}", f"write the attribute {name}", (Missing(name),))
            for name in ("dilations", "kernel_shape", "pads", "strides")
        ),
        Form("it takes the same padding on both sides only", "write a Slice behind it", (Asymmetric(),)),
        Form("it has no more than two spatial axes", "run the layer outside of the file", (RankIs(0, (5,)),)),
        Form("it dies from groups", "write one ConvTranspose a group, and Concat", (IsNot("group", (1,)),)),
    ),
    "MaxPool": (
        Form("it has no dilated pooling", "write dilations 1", (AnyElement("dilations", 1),)),
        _NO_STRIDES,
        *_POOL_FORMS,
    ),
    "AveragePool": (_NO_STRIDES, *_POOL_FORMS),
    "GlobalAveragePool": (Form("it pools four axes alone", "write ReduceMean", (RankIsNot(0, 4),)),),
    "Slice": (
        Form("it goes wrong with axes that are not in order, from the first one", "write them so", (UnorderedAxes(3),)),
        Form("it goes wrong backwards", "write a Gather", (NegativeConstant(4),)),
        Form("it takes int64 alone for places", "cast them", (TypeIs(1, ("int32",)),)),
    ),
    "NonMaxSuppression": (
        Form("it dies where the number of boxes is not a constant", "write a constant", (NotConstant(2),)),
    ),
    "ScatterElements": (Form("it dies from negative indices", "write indices from the begin", (NegativeConstant(1),)),),
    "Loop": (
        Form(
            "it cannot leave behind what each turn gives",
            "write all turns at once, or gather the results in a state",
            (LeavesBehind(),),
        ),
        Form("it dies from a state that no turn reads", "take the state away", (IdleState(),)),
        Form("it dies where a turn hands on a tensor", "compute what the turn gives in it", (BodyHandsOn(SHAPING),)),
    ),
    **dict.fromkeys(
        ("Dropout", "Identity"),
        (
            Form(
                "it takes the node away, and dies where its input is read elsewhere or an output",
                "take the node away, or write a product with 1",
                (Shared(0),),
            ),
        ),
    ),
    "Pad": (Form("it pads with whatever is in memory where no value is given", "write 0", (LeftOut(2),)),),
    "Pow": (Form("it goes wrong with whole exponents", "cast them", (TypeIs(1, ("int32", "int64")),)),),
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
    **dict.fromkeys(("Sub", "Mul", "Div"), (_READS_SHAPES, _TWICE, _FEWER_AXES)),
    "Add": (
        _READS_SHAPES,
        _TWICE,
        _FEWER_AXES,
        Form(
            "of two sums behind a convolution it may leave one out",
            "write a product with 1 between them",
            (SumOfConvolution(),),
        ),
    ),
    "If": (
        Form(
            "it dies where a branch hands on a tensor", "compute what the branch gives in it", (BranchHandsOn(SHAPING),)
        ),
    ),
    **dict.fromkeys(("ReduceMax", "ReduceProd"), (_UNORDERED,)),
    "ReduceMin": (_UNORDERED, _COARSE),
    "ReduceSum": (_UNORDERED, _COARSE, _AXES_INPUT),
    "Gather": (
        Form(
            "where it computes with shapes, it makes a scalar of the vector, and what it joins is garbage",
            "write a Slice",
            (PicksOne(),),
        ),
        Form("it dies from indices of 32 bits", "cast them to int64", (TypeIs(1, ("int32",)),)),
    ),
    "Where": (
        Form(
            "it has float32 and int64 only",
            "cast to int64 before it, and back behind it",
            (TypeIs(1, _but("float32", "int64")),),
        ),
    ),
    "ReduceMean": (
        _UNORDERED,
        _COARSE,
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
    "Cast": (
        Form("it has no float16", "write float", (Is("to", (10,)),)),
        Form("it has whole numbers of 32 and 64 bits alone", "write int64", (Is("to", (2, 3, 4, 5, 12, 13)),)),
    ),
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
        # what is added behind a convolution is added to its bias, and so to that of all that read the same constant
        shared_biases=False,
        external_data=False,
    ),
    when_empty="the node is then left out, and its output is garbage",
    takes_empty={
        "Clip": (1, 2),
        "Concat": None,
        "Resize": (1, 2, 3),
        "ScatterElements": (1, 2),
        "ScatterND": (1, 2),
        "Shape": None,
    },
)
