"""ONNX Runtime Web, on the processor (WebAssembly): the kernels of ONNX Runtime."""

from .base import Target
from .onnxruntime import KERNELS

ONNXRUNTIME_WEB = Target(
    name="onnxruntime-web",
    min_opset=7,
    best_opset=11,
    # no tables: it is ONNX Runtime, compiled for browsers, and the installed one can be asked
    any_standard=True,
    loads=True,
    engine="onnxruntime-web",
    capabilities=KERNELS,
)
