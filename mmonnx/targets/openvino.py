"""OpenVINO on the processor: the operators that its ONNX frontend has, and what running it (2026.4) showed."""

from .base import Capabilities, Form, Target, table
from .conditions import Filled, Is, RankIs

_OPERATORS = """Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization BitShift
BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Col2Im Compress Concat Constant ConstantOfShape
Conv ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf
Exp Expand EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool
GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Hardmax Identity If
InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Loop
LpNormalization LpPool MatMul MatMulInteger Max MaxPool MaxRoiPool Mean MeanVarianceNormalization Min Mish Mod Mul Neg
NegativeLogLikelihoodLoss NonMaxSuppression NonZero Not OneHot Or PRelu Pad Pow QuantizeLinear RNN RandomNormal
RandomNormalLike RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence RoiAlign Round
Scan Scatter ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign
SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Upsample
Where Xor"""

_FORMS = {
    "GridSample": (Form("it has pictures only", "sample slice by slice", (RankIs(0, (5,)),)),),
    "Resize": (
        Form(
            "it does not have coordinates half_pixel_symmetric",
            "write coordinate_transformation_mode half_pixel",
            (Is("coordinate_transformation_mode", ("half_pixel_symmetric",)),),
        ),
        Form(
            "it takes the corners of the rounded size where scales are given, and not those of the size itself",
            "write sizes in place of scales",
            (Is("coordinate_transformation_mode", ("align_corners",)), Filled(2)),
        ),
        Form("it ignores exclude_outside", "write exclude_outside 0", (Is("exclude_outside", (1,)),)),
    ),
    "RoiAlign": (Form("its mode max gives other values", "write mode avg", (Is("mode", ("max",)),)),),
}

OPENVINO = Target(
    name="openvino",
    min_opset=7,
    best_opset=11,
    operators=table(_OPERATORS),
    forms=_FORMS,
    engine="openvino",
    capabilities=Capabilities(
        local_functions=False,
        # an input that has an initializer too is a constant for it
        optional_inputs=False,
    ),
)
