"""TensorRT: the operators, types and restrictions that its ONNX parser documents (10.15). Nobody ran it here."""

from .base import Capabilities, Form, Target, table
from .conditions import AnyElement, Computed, ConstantFrom, Filled, Is, IsNot, Outputs, RankIs

_FLOATS = """Acos Acosh Asin Asinh Atan Atanh AveragePool BatchNormalization Ceil Celu Clip Conv ConvTranspose Cos Cosh
CumSum DeformConv Einsum Elu Erf Exp Floor GRU Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool GridSample
GroupNormalization HardSigmoid HardSwish Hardmax InstanceNormalization IsInf LRN LSTM LayerNormalization LeakyRelu Log
LogSoftmax LpNormalization LpPool MatMul MaxPool MeanVarianceNormalization Mish NonMaxSuppression NonZero PRelu
QuantizeLinear RNN Reciprocal Resize RoiAlign Round STFT Selu Sigmoid Sin Sinh Softmax Softplus Softsign Sqrt Tan Tanh
ThresholdedRelu Upsample"""

_NUMBERS = """Abs Add ArgMax ArgMin DepthToSpace Div Equal Gelu Greater GreaterOrEqual IsNaN Less LessOrEqual Max Mean
Min Mod Mul Neg Pad Pow Range ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
ReduceSum ReduceSumSquare Relu Scatter ScatterElements ScatterND Shrink Sign SpaceToDepth Sub Sum TopK"""

_ALL = """And Cast CastLike Concat Constant ConstantOfShape DequantizeLinear Dropout Expand EyeLike Flatten Gather
GatherElements GatherND Identity If Loop Not OneHot Or RandomNormal RandomNormalLike RandomUniform RandomUniformLike
Reshape ReverseSequence Scan Shape Size Slice Split Squeeze Tile Transpose Trilu Unsqueeze Where Xor"""

_TYPES = {
    **dict.fromkeys(_FLOATS.split(), ("int32", "int64", "bool")),
    **dict.fromkeys(_NUMBERS.split(), ("bool",)),
}

_NO_DILATIONS = Form("it has no dilated pooling", "write dilations 1", (AnyElement("dilations", 1),))
_FLAT = Form("it pools two or three spatial axes only", "write an Unsqueeze and a Squeeze", (RankIs(0, (3,)),))
_AXES = Form("it needs to know the axes", "write constant axes", (Computed(1),))
_REDUCTIONS = "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare"

_FORMS = {
    **{f"Reduce{name}": (_AXES,) for name in _REDUCTIONS.split()},
    "AveragePool": (_NO_DILATIONS, _FLAT),
    "LpPool": (_NO_DILATIONS,),
    "MaxPool": (
        _NO_DILATIONS,
        _FLAT,
        Form("it does not give the indices", "leave out the second output", (Outputs(2),)),
    ),
    "CumSum": (Form("it needs to know the axis", "write a constant axis", (Computed(1),)),),
    "GridSample": (Form("it takes pictures only", "sample slice by slice", (RankIs(0, (5,)),)),),
    "LayerNormalization": (Form("it gives the first output only", "leave out the others", (Outputs(2),)),),
    "Loop": (
        Form(
            "it needs to know how many turns there are where their results are stacked",
            "write a constant number of turns, or all turns as one tensor",
            (Computed(0), Outputs(1, behind=2)),
        ),
    ),
    "OneHot": (Form("it needs to know the depth", "write a constant depth", (Computed(1),)),),
    "Resize": (
        Form("it has modes nearest and linear only", "write mode linear", (Is("mode", ("cubic",)),)),
        Form(
            "it does not have these coordinates",
            "write coordinate_transformation_mode half_pixel",
            (Is("coordinate_transformation_mode", ("half_pixel_symmetric", "tf_crop_and_resize")),),
        ),
        Form("it has no antialias", "write antialias 0", (Is("antialias", (1,)),)),
        Form(
            "it does not keep the ratio",
            "write the sizes",
            (IsNot("keep_aspect_ratio_policy", (None, "stretch")),),
        ),
    ),
    "ScatterND": (Form("it has no reduction", "write reduction none", (IsNot("reduction", (None, "none")),)),),
    "Squeeze": (_AXES,),
    "Unsqueeze": (_AXES,),
    "TopK": (
        Form("it sorts always", "write sorted 1", (IsNot("sorted", (1,)),)),
        Form("it takes less than 3840", "ask for fewer (nms_pre, max_per_img)", (ConstantFrom(1, 3840),)),
    ),
    "DequantizeLinear": (Form("its zero point is 0", "quantize symmetrically", (Filled(2), ConstantFrom(2, 1))),),
}

TENSORRT = Target(
    name="tensorrt",
    min_opset=9,
    max_opset=24,
    best_opset=11,
    operators=table(" ".join((_FLOATS, _NUMBERS, _ALL)), 1),
    types=_TYPES,
    forms=_FORMS,
    fixes={
        "Compress": "write NonZero and Gather",
        "MaxRoiPool": "write RoiAlign, or the pooling out",
        "Unique": "sort with TopK, and compare neighbours",
    },
    # nobody has seen it take functions of a file, or inputs that have defaults
    capabilities=Capabilities(local_functions=False, optional_inputs=False),
)
