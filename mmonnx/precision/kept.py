"""What each target computes in eight bits or in half, as data; all else of a file stays in float32.

Boxes, scores, their order and suppression are never reduced: they are behind the last layers, or reach a layer by no
input that carries features, see ``trunk``.
"""

from dataclasses import dataclass
from typing import Dict, Tuple

from ..support import InputError

_FIRST = """AveragePool BatchNormalization Ceil Clip Conv ConvTranspose DepthToSpace Div Elu Erf Exp Expand Flatten
Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool GridSample HardSigmoid HardSwish Identity
InstanceNormalization LayerNormalization LeakyRelu Log MaxPool Mish Neg PRelu Pad Pow ReduceL2 ReduceMax ReduceMean
ReduceSum Relu Reshape Resize RoiAlign Sigmoid Slice Softmax Softplus SpaceToDepth Split Sqrt Squeeze Tanh Tile
Transpose Unsqueeze Upsample"""
_ALL = "Add Concat Div Max MatMul Min Mul Sub Sum"
FEATURES: Dict[str, Tuple[int, ...]] = {
    **dict.fromkeys(_FIRST.split(), (0,)),
    **dict.fromkeys(_ALL.split(), ()),
    "ScatterElements": (0, 2),
    "ScatterND": (0, 2),
    "Where": (1, 2),
}
"""The inputs by which each operator hands on features, () for all; what is not here hands on none (TopK, Shape, ...).

Not among them: the boxes of RoiAlign, the places of Gather and GridSample, sizes and axes.
"""


@dataclass(frozen=True)
class Kernels:
    """What a target has kernels for.

    Attributes:
        layers: operators with weights that it computes in eight bits.
        float_results: those of them that give float32 of eight bits as fast, so that scores keep all of theirs.
        between: operators between them that it computes in eight bits as well, so that nothing is converted on the way.
        half: whether it takes weights and features in float16.
        not_half: operators that it does not take in float16; those that decode and choose are left out anyway.
        activations: ``uint8`` or ``int8``.
        symmetric: it wants the zero of activations in the middle.
    """

    layers: Tuple[str, ...] = ()
    float_results: Tuple[str, ...] = ()
    between: Tuple[str, ...] = ()
    half: bool = False
    not_half: Tuple[str, ...] = ("GridSample", "Resize", "RoiAlign", "Softmax", "Upsample")
    activations: str = "uint8"
    symmetric: bool = False


_BETWEEN = """Add AveragePool Clip Concat Flatten GlobalAveragePool LeakyRelu MaxPool Mul Relu Reshape Resize Sigmoid
Split Squeeze Transpose Unsqueeze"""
_ONNXRUNTIME = Kernels(
    layers=("Conv", "Gemm", "MatMul"),
    float_results=("Gemm", "MatMul"),
    between=tuple(_BETWEEN.split()),
    half=True,
)
KERNELS: Dict[str, Kernels] = {
    "onnxruntime": _ONNXRUNTIME,
    "onnxruntime-web": _ONNXRUNTIME,
    "openvino": _ONNXRUNTIME,
}
"""By the target's name. What is not here has not been run: its files stay in float32."""


def kernels_of(target: str, precision: str) -> Kernels:
    """What a target computes in a precision.

    Raises:
        InputError: nothing, as far as is known.
    """
    found = KERNELS.get(target, Kernels())
    if not (found.half if precision == "fp16" else found.layers):
        able = [name for name, one in KERNELS.items() if (one.half if precision == "fp16" else one.layers)]
        raise InputError(
            f"{target} is not known to take {precision} files",
            f"--target {' or '.join(able)} for these",
            "leave --precision out for a file in float32",
        )
    return found
