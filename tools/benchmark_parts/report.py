"""What a benchmark prints and writes."""

import json
import os
import platform
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import onnx
import onnxruntime
import torch

from mmonnx.support.atomic import replacing
from mmonnx.support.version import __version__

from .measuring import WARM_UP, Row, Shape
from .variants import Variant, base

Table = List[Tuple[str, ...]]


def legend(variants: Sequence[Variant]) -> str:
    """What the columns are."""
    reference = base([variant.name for variant in variants if variant.path])
    return (
        f"ratio: median of the rounds' times by {reference}'s; proposals: rows that enter the box head; overhead: "
        "share of kernel time outside Conv, Gemm, MatMul, RoiAlign and pooling; RoI: RoIAlign and the heads' products; "
        "matched: detections, pixels, key points or texts that are PyTorch's own; export: from the config to the "
        "simplified file (mmonnx also checks it)"
    )


def files_table(variants: Sequence[Variant]) -> str:
    """What was built: a line per variant, or why there is none."""
    table: Table = [("variant", "nodes", "file MiB", "export s", "peak MiB")]
    for item in variants:
        figures = (figure(item.size_mb, 1), figure(item.seconds, 1), figure(item.memory_mb))
        table.append((item.name, figure(item.nodes), *figures) if item.path else (item.name,))
    return layout(table, [""] + [item.error and f"not built: {item.error}" or item.note for item in variants])


def rows_table(rows: Sequence[Row], shape: Shape) -> str:
    """How each variant did at one shape."""
    table: Table = [(f"{shape[0]}x{shape[1]}", "ms", "ratio", "proposals", "found", "overhead", "RoI ms", "matched")]
    for row in rows:
        if row.error:
            table.append((row.variant,))
            continue
        overhead = "-" if row.overhead is None else f"{100 * row.overhead:.0f} %"
        figures = (figure(row.ms), figure(row.ratio, 2), _span(row.proposals), _span(row.detections), overhead)
        table.append((row.variant, *figures, figure(row.roi_ms), f"{row.matched}/{row.total}"))
    return layout(table, [""] + [row.error and f"not measured: {row.error}" for row in rows])


def as_dict(
    settings: Dict[str, Any], variants: Sequence[Variant], results: Sequence[Tuple[Shape, Sequence[Row]]]
) -> Dict[str, Any]:
    """All of it, for ``benchmark.json``.

    Args:
        settings: what was asked for.
        variants: what was built.
        results: the rows of each shape.
    """
    return {
        "settings": {**settings, "warm_up_rounds": WARM_UP},
        "machine": machine(),
        "variants": [{key: value for key, value in vars(item).items() if key != "path"} for item in variants],
        "results": [
            {"shape": list(shape), "rows": [{**vars(row), "ms": row.ms} for row in rows]} for shape, rows in results
        ],
    }


def machine() -> Dict[str, Any]:
    """What was measured on, and with what."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "mmonnx": __version__,
    }


def write_json(content: Dict[str, Any], path: Path) -> None:
    """Write it; the file appears whole or not at all.

    Raises:
        InputError: the folder cannot be written to.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def layout(table: Sequence[Tuple[str, ...]], remarks: Sequence[str]) -> str:
    """Columns as wide as their widest cell, numbers to the right; a remark behind each line, where there is one."""
    widths = [max(len(line[column]) for line in table if column < len(line)) for column in range(len(table[0]))]
    lines = []
    for line, remark in zip(table, remarks):
        cells = [
            cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(zip(line, widths))
        ]
        lines.append("  ".join([*cells, remark]).rstrip())
    return "\n".join(lines)


def figure(value: Optional[float], digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _span(values: Sequence[Optional[int]]) -> str:
    """``1000``, or ``187-213`` where the photographs differ."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    return str(known[0]) if min(known) == max(known) else f"{min(known)}-{max(known)}"


def _processor() -> str:
    """The processor's name, as far as it can be told."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
