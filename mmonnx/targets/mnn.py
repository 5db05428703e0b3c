"""MNN on the processor: the operators that its converter lists, and what running it (3.6.1) showed.

ONNX's node tests, and every node of mmonnx's detectors by itself, were run with ONNX Runtime's inputs.
"""

from .base import Capabilities, Form, Target, table
from .conditions import (
    AnyElement,
    FewerInputs,
    Filled,
    Given,
    Is,
    IsNot,
    Missing,
    NegativeConstant,
    OpsetBefore,
    PartialIndices,
    Stretched,
    TypeIs,
)

_OPERATORS = """Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast CastLike
Ceil Celu Clip Compress Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace Div Dropout
Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool
GlobalMaxPool Greater GreaterOrEqual GridSample HardSigmoid HardSwish Identity If InstanceNormalization LRN
LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Loop MatMul Max MaxPool Mean MeanVarianceNormalization Min
Mod Mul Neg NonMaxSuppression NonZero Not Or PRelu Pad Pow Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize
ReverseSequence RoiAlign Round Scatter ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Sinh Size Slice Softmax
Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze
Where Xor"""

_FIXES = {
    "GRU": "write its gates out",
    "GroupNormalization": "write InstanceNormalization of the groups",
    "LSTM": "write its gates out",
    "Mish": "write x * Tanh(Softplus(x))",
    "OneHot": "write Where(Equal(indices, Range(depth)), on, off)",
    "Shrink": "write Where",
    "Upsample": "write Resize (opset 11)",
}

_STRIDES = Form("it dies from pooling without strides", "write the attribute strides", (Missing("strides"),))
_NO_DILATIONS = Form("it ignores dilations of pooling", "write one MaxPool for each tap", (AnyElement("dilations", 1),))
_ONE_INPUT = Form("it does not take a single input", "write Identity", (FewerInputs(2),))
_KEEPDIMS = Form(
    "it loses keepdims where the attribute is not set", "write the attribute keepdims", (Missing("keepdims"),)
)
_NO_AXES = Form(
    "it loses keepdims when axes is not given",
    "write every axis into axes",
    (Missing("axes", 1), Is("keepdims", (1,))),
)
_NEGATIVE = Form("it goes wrong with negative indices", "write indices from the begin", (NegativeConstant(1),))
_LAST_INDEX = Form("it gives the first of equal ones", "write select_last_index 0", (Is("select_last_index", (1,)),))
_REDUCED = (_KEEPDIMS, _NO_AXES)

_FORMS = {
    "ArgMax": (_LAST_INDEX,),
    "ArgMin": (_LAST_INDEX,),
    "AveragePool": (_STRIDES, _NO_DILATIONS),
    "BatchNormalization": (Form("it does not train", "export in inference mode", (Is("training_mode", (1,)),)),),
    "GatherElements": (_NEGATIVE,),
    "GridSample": (
        Form("it has mode linear only", "write mode linear", (IsNot("mode", ("linear", "bilinear")),)),
        Form("it does not reflect", "write padding_mode zeros or border", (Is("padding_mode", ("reflection",)),)),
    ),
    "Less": (
        Form(
            "it goes wrong where two tensors of floats have negative numbers",
            "write Greater, with the inputs in the other order",
            (TypeIs(0, ("float32",)),),
        ),
    ),
    "LogSoftmax": (Form("it goes wrong without axis", "write the attribute axis", (Missing("axis"),)),),
    "Softmax": (
        Form("it goes wrong without axis (opset 11)", "write the attribute axis", (OpsetBefore(13), Missing("axis"))),
    ),
    "Max": (_ONE_INPUT,),
    "MaxPool": (_STRIDES, _NO_DILATIONS),
    "Mean": (_ONE_INPUT,),
    "Min": (_ONE_INPUT,),
    "Mod": (Form("its remainder of floats has another sign", "write x - Floor(x / y) * y", (Is("fmod", (1,)),)),),
    "Pad": (
        Form("it does not wrap", "write Concat", (Is("mode", ("wrap",)),)),
        Form("it has no axes", "write pads of every axis", (Filled(3),)),
    ),
    "PRelu": (Form("it goes wrong unless a slope is a channel's", "write Where(Greater(0, x), x * slope, x)"),),
    "ReduceL1": _REDUCED,
    "ReduceL2": _REDUCED,
    "ReduceLogSum": _REDUCED,
    "ReduceLogSumExp": _REDUCED,
    "ReduceMax": (_NO_AXES,),
    "ReduceMean": (_NO_AXES,),
    "ReduceMin": (_NO_AXES,),
    "ReduceSum": (_NO_AXES,),
    "ReduceSumSquare": _REDUCED,
    "Reshape": (Form("it has no allowzero", "write allowzero 0", (Is("allowzero", (1,)),)),),
    "Resize": (
        Form(
            "it rounds another way than this nearest_mode",
            "write nearest_mode floor, or round_prefer_floor",
            (Is("mode", ("nearest",)), IsNot("nearest_mode", ("floor", "round_prefer_floor"))),
        ),
        Form("its cubic weights are others", "write mode linear, or the weights out", (Is("mode", ("cubic",)),)),
        Form(
            "it takes half_pixel_symmetric for half_pixel",
            "write coordinate_transformation_mode half_pixel",
            (Is("coordinate_transformation_mode", ("half_pixel_symmetric", "tf_crop_and_resize")),),
        ),
        Form(
            "it goes by the rounded size where scales are given, and not by the scales",
            "write sizes in place of scales",
            (Is("coordinate_transformation_mode", ("align_corners",)), Filled(2)),
        ),
        Form("it has no axes", "write the size of every axis", (Given(("axes",)),)),
        Form("it has no antialias", "write antialias 0", (Is("antialias", (1,)),)),
    ),
    "RoiAlign": (
        Form(
            "it moves the boxes by half a pixel, as opset 16 does and this one does not",
            "export at opset 16, or later",
            (OpsetBefore(16),),
        ),
        Form("its mode max gives other values", "write mode avg", (Is("mode", ("max",)),)),
    ),
    "Round": (
        Form(
            "it rounds halves away from 0, not to even", "write Floor(x + 0.5), less 1 where that is odd and x a half"
        ),
    ),
    "ScatterElements": (
        _NEGATIVE,
        Form("it has no reduction", "write reduction none", (IsNot("reduction", (None, "none")),)),
    ),
    "ScatterND": (
        Form("it has no reduction", "write reduction none", (IsNot("reduction", (None, "none")),)),
        Form(
            "it goes wrong where an index has several numbers and names a slice",
            "write flat indices of rows",
            (PartialIndices(),),
        ),
        _NEGATIVE,
    ),
    "Split": (Form("it does not know num_outputs", "write the sizes (split)", (Given(("num_outputs",)),)),),
    "Sum": (_ONE_INPUT,),
    "Where": (
        Form(
            "it repeats the third input the wrong way where that is smaller than the output",
            "write an Expand before it",
            (Stretched((2,)),),
        ),
    ),
}

MNN = Target(
    name="mnn",
    min_opset=7,
    max_opset=20,
    # the first that says what its RoiAlign does
    best_opset=16,
    operators=table(_OPERATORS),
    fixes=_FIXES,
    forms=_FORMS,
    engine="mnn",
    capabilities=Capabilities(
        empty_tensors=False,
        local_functions=False,
        optional_inputs=False,
    ),
    when_empty="the whole file then gives no outputs",
    takes_empty={"Clip": (1, 2), "Resize": (1, 2, 3)},
)
