"""What ``mmcv.ops.info`` asks of the compiled module."""

import torchvision

from .registry import operator


@operator
def get_compiler_version() -> str:
    """No compiler was used; mmcv prints this line in its report of the environment."""
    return f"none (mmonnx.fallback on torchvision {torchvision.__version__})"


@operator
def get_compiling_cuda_version() -> str:
    """mmcv's own words for operators that were compiled without CUDA."""
    return "not available"
