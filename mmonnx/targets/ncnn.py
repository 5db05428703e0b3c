"""ncnn, through pnnx: what is left of a network when the shape of its input is known and its batch is one image.

The operators are those that pnnx (20261020) turns into layers of ncnn; ResNet-50 and MobileNetV2 were run.
"""

from .base import Capabilities, Form, Target, table
from .conditions import Computed, Filled, Is, IsNot, Outputs

_OPERATORS = """Abs Acos Add Asin Atan AveragePool BatchNormalization Ceil Celu Clip Concat Constant Conv ConvTranspose
Cos CumSum Div Dropout Elu Erf Exp Flatten Floor GRU Gelu Gemm GlobalAveragePool GlobalMaxPool GroupNormalization
HardSigmoid HardSwish Identity InstanceNormalization LRN LSTM LayerNormalization LeakyRelu Log LogSoftmax MatMul Max
MaxPool Min Mish Mul Neg PRelu Pad Pow Reciprocal ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
Relu Reshape Resize Round Selu Shrink Sigmoid Sin Slice Softmax Softplus Split Sqrt Squeeze Sub Tan Tanh Tile
Transpose Unsqueeze"""

_FIXES = {
    "NonMaxSuppression": "export with --skip-postprocess, and suppress outside of the file",
    "NonZero": "export with --skip-postprocess",
    "RoiAlign": "pool outside of the file",
    "Shape": "export without --dynamic-export, and with --simplify",
    "TopK": "export with --skip-postprocess, and sort outside of the file",
}

_SHAPE = Form("it needs to know the shape", "export without --dynamic-export, and with --simplify", (Computed(1),))
_BATCH = Form("it has no axis for the batch", "concatenate along another axis", (Is("axis", (0,)),))

_FORMS = {
    "Concat": (_BATCH,),
    "MaxPool": (Form("it does not give the indices", "leave out the second output", (Outputs(2),)),),
    "Reshape": (_SHAPE,),
    "Resize": (
        Form("it has no antialias", "write antialias 0", (Is("antialias", (1,)),)),
        Form("it does not crop", "write a Slice", (Is("coordinate_transformation_mode", ("tf_crop_and_resize",)),)),
        Form("it has no axes", "write the size of every axis", (IsNot("axes", (None,)), Filled(3))),
    ),
    "Slice": (_SHAPE,),
    "Tile": (_SHAPE,),
}

NCNN = Target(
    name="ncnn",
    min_opset=7,
    best_opset=11,
    operators=table(_OPERATORS),
    fixes=_FIXES,
    forms=_FORMS,
    engine="ncnn",
    capabilities=Capabilities(
        empty_tensors=False,
        local_functions=False,
        optional_inputs=False,
        dynamic_shapes=False,
    ),
    takes_empty={"Clip": (1, 2), "Resize": (1, 2, 3)},
)
