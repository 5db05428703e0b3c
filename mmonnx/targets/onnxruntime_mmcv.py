"""ONNX Runtime with mmcv 1.x's operator library."""

from .base import Target
from .mmcv_operators import MMCV_OPERATORS
from .onnxruntime import KERNELS

ONNXRUNTIME_MMCV = Target(
    name="onnxruntime-mmcv",
    min_opset=7,
    best_opset=11,
    custom_ops="mmcv",
    # not loaded: the library is on the machine that runs the file, not on the one that writes it
    any_standard=True,
    operators=MMCV_OPERATORS,
    capabilities=KERNELS,
)
