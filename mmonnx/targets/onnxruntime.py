"""ONNX Runtime as it is installed."""

from .base import Capabilities, Target

KERNELS = Capabilities(unordered_best=True, plain_convolutions=True, scanning_loops=True)
"""What its kernels on a processor can do, wherever they run."""
ONNXRUNTIME = Target(
    name="onnxruntime",
    min_opset=7,
    best_opset=11,
    # no tables: what it takes changes with its version, and the installed one can be asked
    any_standard=True,
    loads=True,
    capabilities=KERNELS,
)
