"""The times of a page: those that ``tools/benchmark.py`` wrote, or the file's own, taken on the spot."""

import json
import math
import platform
from dataclasses import dataclass
from typing import Any, Dict, List, Sequence, Tuple
from xml.etree.ElementTree import Element

from ...support import InputError, type_and_line
from ..timing import time_file
from .tags import Bar, bars, section, table, tag


@dataclass(frozen=True)
class Benchmark:
    """Times to show.

    Attributes:
        note: what was measured, on what.
        charts: a heading and its bars, in milliseconds.
        rows: of a table below, with its head first; empty for none.
    """

    note: str
    charts: Sequence[Tuple[str, Sequence[Bar]]]
    rows: Sequence[Sequence[str]] = ()


def measured(path: str, shape: Tuple[int, int]) -> Benchmark:
    """Time a file at (height, width); for one that does not run, the reason."""
    import onnxruntime

    try:
        found = time_file(path, shape)
    except InputError as error:
        return Benchmark(f"Not measured: {error.what}.", [])
    chart = [(timing.how, timing.ms, f"{timing.ms:.1f} ms") for timing in found]
    rows = [["", "median ms", "least", "greatest", "rounds"]]
    for timing in found:
        figures = (timing.ms, min(timing.times_ms), max(timing.times_ms))
        rows.append([timing.how, *(f"{value:.1f}" for value in figures), str(len(timing.times_ms))])
    at = f"{shape[0]}x{shape[1]}"
    note = f"ONNX Runtime {onnxruntime.__version__}, {platform.machine()}, one image of noise, after a first run."
    return Benchmark(note, [(f"Median time at {at}", chart)], rows)


def read_results(path: str) -> Benchmark:
    """The results in a ``benchmark.json``.

    Raises:
        InputError: it cannot be read, or is none.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        return _benchmark(content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise InputError(
            f"benchmark '{path}' cannot be read ({type_and_line(error)})",
            "the benchmark.json of tools/benchmark.py --out",
            "give another file",
        ) from error


def _benchmark(content: Dict[str, Any]) -> Benchmark:
    machine, settings = content["machine"], content["settings"]
    rows, charts = [["shape", "variant", "ms", "ratio", "matched"]], []
    for result in content["results"]:
        at = "x".join(str(int(side)) for side in result["shape"])
        chart: List[Bar] = []
        for row in result["rows"]:
            if row["ms"] is None:
                continue
            ms, ratio = _number(row["ms"]), row["ratio"]
            chart.append((str(row["variant"]), ms, f"{ms:.1f} ms"))
            share = "-" if ratio is None else f"{_number(ratio):.2f}"
            rows.append([at, str(row["variant"]), f"{ms:.1f}", share, f"{int(row['matched'])}/{int(row['total'])}"])
        charts.append((f"Median time at {at}", chart))
    note = (
        f"{settings['config']}, {settings['rounds']} rounds, ONNX Runtime {machine['onnxruntime']}, "
        f"{machine['processor']}, {machine['cores']} cores. ratio: of upstream's own form; matched: detections that "
        "are PyTorch's."
    )
    return Benchmark(note, charts, rows)


def _number(value: Any) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no time")
    return float(value)


def benchmark_section(benchmark: Benchmark) -> Element:
    """The charts, and the figures below."""
    parts = [tag("p", benchmark.note, class_="soft")]
    for title, chart in benchmark.charts:
        parts += [tag("h3", title), bars(chart)]
    if len(benchmark.rows) > 1:
        first = 2 if benchmark.rows[0][1] == "variant" else 1
        parts.append(table(benchmark.rows[0], benchmark.rows[1:], range(first, len(benchmark.rows[0]))))
    return section("Time", *parts)
