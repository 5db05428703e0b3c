"""ONNX Runtime as it is installed."""

from .base import Capabilities, Target

ONNXRUNTIME = Target(
    name="onnxruntime",
    min_opset=7,
    best_opset=11,
    # no tables: what it takes changes with its version, and the installed one can be asked
    any_standard=True,
    loads=True,
    capabilities=Capabilities(unordered_best=True, plain_convolutions=True),
)
