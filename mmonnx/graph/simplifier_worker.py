"""One simplifier on one file, in a process of its own: ``python simplifier_worker.py TOOL IN.onnx OUT.onnx``.

Simplifiers are C++ in part and have died from segmentation faults; here that costs this process alone. The
file is run by its path and imports nothing of mmonnx, so that it starts fast and changes nothing in mmcv or mmdet.
It imports its tool at once and begins where its standard input ends: IN.onnx need not be there before.
"""

import importlib
import os
import sys
from typing import Any, Callable, Dict


def run_onnxsim(source: str, target: str) -> None:
    """Simplify a file with onnxsim into another one."""
    import onnx
    import onnxsim

    # Without its own check: it feeds random numbers at one shape, which says nothing about a detector.
    model, _ = onnxsim.simplify(onnx.load(source), check_n=0)
    _save(model, target)


def run_onnxslim(source: str, target: str) -> None:
    """The same with onnxslim."""
    import onnx
    import onnxslim

    _save(onnxslim.slim(onnx.load(source)), target)


def run_onnxruntime(source: str, target: str) -> None:
    """The same with ONNX Runtime's own optimizer, as far as its result is made of standard operators."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Basic is the last level whose result is made of standard operators.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = target
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _save(model: Any, target: str) -> None:
    import onnx

    try:
        onnx.save(model, target)
    except Exception:  # over 2 GiB, for which protobuf has several errors
        onnx.save(model, target, save_as_external_data=True, location=f"{os.path.basename(target)}.data")


TOOLS: Dict[str, Callable[[str, str], None]] = {
    "onnxsim": run_onnxsim,
    "onnxslim": run_onnxslim,
    "onnxruntime": run_onnxruntime,
}

UNUSED = {"onnxsim": ("torch", "sympy"), "onnxslim": ("torch",), "onnxruntime": ("torch",)}
"""What they import where it is found and do not need here, which takes them longer than all else that they do."""


if __name__ == "__main__":
    # This folder comes first in the path of a script: its modules must not be taken for top-level packages.
    sys.path.pop(0)
    for name in UNUSED[sys.argv[1]]:
        sys.modules[name] = None  # type: ignore[assignment]
    importlib.import_module(sys.argv[1])
    sys.stdin.read()
    TOOLS[sys.argv[1]](sys.argv[2], sys.argv[3])
