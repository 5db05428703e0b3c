"""What a run is spent on, from the profile that ONNX Runtime writes."""

import json
import os
import re
import tempfile
from dataclasses import dataclass
from statistics import median
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import onnxruntime

from .variants import Variant

WORK = ("Conv", "Gemm", "MatMul", "RoiAlign", "Pool")
"""The kinds of operators that a detector is there to compute; the rest is overhead."""
_PRODUCTS = ("Conv", "Gemm", "MatMul")
_KINDS = (
    (re.compile(r"(Fused|Nhwc)*Conv(Transpose)?(_.*)?$"), "Conv"),
    (re.compile(r"(Fused)?Gemm$"), "Gemm"),
    (re.compile(r"(Fused|Transpose)?MatMul$"), "MatMul"),
    (re.compile(r"(MMCV)?RoiAlign$"), "RoiAlign"),
    (re.compile(r"(Nhwc|Global)*(Max|Average)Pool$"), "Pool"),
)
_CONTAINERS = ("If", "Loop", "Scan")
Event = Dict[str, Any]


@dataclass(frozen=True)
class Profile:
    """The figures of a profile: medians over its runs.

    Attributes:
        kernel_ms: milliseconds by operator type as ONNX Runtime names it (fused ones by their own names).
        overhead: the share of all kernel time outside ``WORK``, 0 to 1.
        roi_ms: milliseconds of RoIAlign and of the products behind the first one, which are the heads'.
        proposals: per run, the rows that enter the first head; None where there is no such product.
    """

    kernel_ms: Dict[str, float]
    overhead: float
    roi_ms: float
    proposals: List[Optional[int]]


def kind_of(op_type: str) -> str:
    """The kind of work of an operator type (``FusedConv`` is ``Conv``), or the type itself."""
    return next((kind for pattern, kind in _KINDS if pattern.match(op_type)), op_type)


def profile(variant: Variant, feeds: Sequence[np.ndarray], threads: Optional[int] = None) -> Profile:
    """Run a file on each of the inputs with ONNX Runtime's profiler, after one run that is left out.

    Args:
        variant: whose file.
        feeds: (N, 3, H, W) each.
        threads: within an operator, None for ONNX Runtime's own choice.

    Raises:
        Exception: ONNX Runtime's own.
    """
    with tempfile.TemporaryDirectory(prefix="mmonnx-") as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = os.path.join(folder, "profile")
        if threads is not None:
            options.intra_op_num_threads = threads
        if variant.library is not None:
            options.register_custom_ops_library(variant.library)
        session = onnxruntime.InferenceSession(variant.path, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        for feed in [feeds[0], *feeds]:
            session.run(None, {name: feed})
        with open(session.end_profiling(), encoding="utf-8") as file:
            return parse(json.load(file), skip=1)


def parse(events: Sequence[Event], skip: int = 0) -> Profile:
    """Read a profile.

    Args:
        events: as ONNX Runtime writes them.
        skip: how many of the first runs to leave out.

    Raises:
        ValueError: it has no run, or no kernel in it.
    """
    runs = [_one_run(nodes) for nodes in list(_runs(events))[skip:] if nodes]
    if not runs:
        raise ValueError("the profile has no run with kernels")
    names = sorted({name for run in runs for name in run[0]})
    kernel = {name: median(run[0].get(name, 0.0) for run in runs) for name in names}
    total = sum(kernel.values())
    overhead = sum(spent for name, spent in kernel.items() if kind_of(name) not in WORK)
    return Profile(
        kernel_ms=kernel,
        overhead=overhead / total if total else 0.0,
        roi_ms=median(run[1] for run in runs),
        proposals=[run[2] for run in runs],
    )


def _runs(events: Sequence[Event]) -> Iterator[List[Event]]:
    """The kernels of each run, in the order in which they ran."""
    nodes = [event for event in events if event.get("cat") == "Node" and "op_name" in event.get("args", {})]
    # older profiles also hold events before and after each kernel
    nodes = [event for event in nodes if event["name"].endswith("_kernel_time")]
    nodes.sort(key=lambda event: (event["ts"], -event["dur"]))
    for run in (event for event in events if event.get("name") == "model_run"):
        yield [event for event in nodes if run["ts"] <= event["ts"] < run["ts"] + run["dur"]]


def _one_run(nodes: Sequence[Event]) -> Tuple[Dict[str, float], float, Optional[int]]:
    """Milliseconds by operator type, those of RoIAlign and the heads, and the rows that enter the first head."""
    kernel: Dict[str, float] = {}
    roi_ms, rows, started = 0.0, None, False
    for event, spent in zip(nodes, _own_times(nodes)):
        op_type = event["args"]["op_name"]
        kind = kind_of(op_type)
        kernel[op_type] = kernel.get(op_type, 0.0) + spent / 1000
        started = started or kind == "RoiAlign"
        if started and (kind == "RoiAlign" or kind in _PRODUCTS):
            roi_ms += spent / 1000
            rows = _rows(kind, event) if rows is None else rows
    return kernel, roi_ms, rows


def _own_times(nodes: Sequence[Event]) -> List[float]:
    """Microseconds of each kernel without those of its subgraph's kernels, which are in the list as well."""
    own = [float(event["dur"]) for event in nodes]
    open_containers: List[int] = []
    for number, event in enumerate(nodes):
        while open_containers:
            outer = nodes[open_containers[-1]]
            if event["ts"] < outer["ts"] + outer["dur"]:
                own[open_containers[-1]] -= event["dur"]
                break
            open_containers.pop()
        if event["args"]["op_name"] in _CONTAINERS:
            open_containers.append(number)
    return [max(value, 0.0) for value in own]


def _rows(kind: str, event: Event) -> Optional[int]:
    """How many RoIs a product takes; None if it is not the head's (the interpolation of RoIs is a product, too)."""
    inputs = event["args"].get("input_type_shape") or [{}]
    shape = next(iter(inputs[0].values()), [])
    wanted = {"Conv": 4, "Gemm": 2, "MatMul": 2}.get(kind)
    return int(shape[0]) if len(shape) == wanted else None
