"""OpenCV 5's dnn with its new engine: what running the node tests of ONNX and mmonnx's files in 5.0.0 showed."""

from .base import Capabilities, Form, Target, table
from .conditions import Computed, Filled, Given, Is, IsNot, NegativeConstant

_OPERATORS = """Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization
BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast CastLike Ceil Celu CenterCropPad Clip Concat Constant
ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Det Div Dropout Einsum Elu Equal Erf
Exp Expand EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater
GreaterOrEqual GridSample GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish Hardmax Identity If
InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Loop MatMul Max
MaxPool MaxUnpool Mean Min Mish Mod Mul Neg NonMaxSuppression NonZero Not OneHot Or PRelu Pad Pow QuantizeLinear Range
Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
ReduceSumSquare Relu Reshape Resize RoiAlign Round Scatter ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin
Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK
Transpose Trilu Unique Unsqueeze Upsample Where Xor"""

_FIXES = {
    "DeformConv": "write GridSample and MatMul, as at opset 11",
    "MeanVarianceNormalization": "write ReduceMean, Sub, Mul, Sqrt and Div",
    "Scan": "write every step out",
    "Compress": "write NonZero and Gather",
}

_SAME_LOWER = Form("it pads SAME_LOWER as SAME_UPPER", "write the attribute pads", (Is("auto_pad", ("SAME_LOWER",)),))

_FORMS = {
    "AveragePool": (_SAME_LOWER,),
    "MaxPool": (_SAME_LOWER,),
    "ConvTranspose": (
        Form(
            "it makes the output of auto_pad too small",
            "write the attribute pads",
            (Is("auto_pad", ("SAME_UPPER", "SAME_LOWER")),),
        ),
    ),
    "BatchNormalization": (Form("it does not train", "export in inference mode", (Is("training_mode", (1,)),)),),
    "GridSample": (
        Form(
            "it samples linearly where cubic is asked for",
            "write the cubic weights out",
            (Is("mode", ("cubic", "bicubic")),),
        ),
    ),
    # A state's shape is that of its first turn, and the results of the turns get axes that they should not have.
    "Loop": (Form("it dies from loops, or gives other shapes", "write every turn out, or all of them as one tensor"),),
    "NonMaxSuppression": (
        Form(
            "it stops at a score threshold below 0",
            "lift the scores, and bound them from 0",
            (NegativeConstant(4),),
        ),
        Form("it needs to know the score threshold", "write a constant", (Computed(4),)),
    ),
    "PRelu": (Form("it takes one slope for each channel of a picture alone", "write Where(Less(x, 0), x * slope, x)"),),
    "Resize": (
        Form("it does not crop", "write a Slice", (Is("coordinate_transformation_mode", ("tf_crop_and_resize",)),)),
        Form(
            "it takes half_pixel_symmetric for half_pixel",
            "write coordinate_transformation_mode half_pixel",
            (Is("coordinate_transformation_mode", ("half_pixel_symmetric",)),),
        ),
        Form(
            "it goes by the rounded size where scales are given, and not by the scales",
            "write sizes in place of scales",
            (Is("mode", ("linear", "cubic")), Filled(2)),
        ),
        Form("it has no axes", "write the size of every axis", (Given(("axes",)),)),
        Form("it has no antialias", "write antialias 0", (Is("antialias", (1,)),)),
        Form(
            "it does not keep the ratio",
            "write the sizes",
            (IsNot("keep_aspect_ratio_policy", (None, "stretch")),),
        ),
    ),
    "Reshape": (Form("it has no allowzero", "write allowzero 0", (Is("allowzero", (1,)),)),),
}

OPENCV = Target(
    name="opencv",
    min_opset=7,
    max_opset=22,
    best_opset=11,
    operators=table(_OPERATORS),
    fixes=_FIXES,
    forms=_FORMS,
    engine="opencv",
    capabilities=Capabilities(
        # GatherND of no indices divides by 0, Concat and RoiAlign stop, and Shape of nothing has an axis more
        empty_tensors=False,
        # its NonMaxSuppression takes all boxes without area for one and the same, and keeps the best alone
        flat_boxes=False,
        local_functions=False,
        # an input that has an initializer too is a constant for it
        optional_inputs=False,
    ),
    when_empty="it then stops, dies, or gives another shape",
    takes_empty={"Clip": (1, 2), "Resize": (1, 2, 3)},
)
