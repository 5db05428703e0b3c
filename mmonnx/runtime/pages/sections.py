"""The parts of a page, each made of what ``inspect`` found; what the file does not tell has no part, or says so.

The metadata may be of anybody: a value that is not of the form that mmonnx writes is shown as text, and nothing else.
"""

import json
from collections import Counter
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union
from xml.etree.ElementTree import Element

from ...support import InputError
from ..description import PREFIX, Description
from .tags import Bar, bars, details, section, swatch, table, tag

Found = Dict[str, Any]
_MOST = 14
"""Bars of a chart; the rest is summed up."""
_LONG = 2000
_APART = ("classes", "palette", "pipeline", "outputs", "verified", "precision", "config_text")

_EMPTY = "empty"
"""The verdict of a case in which there was nothing to compare."""


def description_of(found: Found) -> Optional[Description]:
    """What the file says of itself, None if it does not, or not so that it makes sense."""
    properties = {name: json.dumps(value) for name, value in found["metadata"].items() if name.startswith(PREFIX)}
    try:
        return Description.from_properties(properties, found["file"])
    except InputError:
        return None


def cases_of(found: Found) -> Optional[List[Dict[str, Any]]]:
    """The cases of the verification, None where there was none."""
    cases = found["metadata"].get(PREFIX + "verified")
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        return None
    return cases


def summary(found: Found, about: Optional[Description]) -> Element:
    """The figures that one asks for first."""
    flops, cases = found["flops"], cases_of(found)
    tiles = [
        ("Size", f"{found['bytes'] / 2**20:.1f} MiB"),
        ("Parameters", f"{found['parameters']:,}"),
        ("Opset", ", ".join(f"{name} {version}" for name, version in found["opsets"].items())),
    ]
    if flops:
        tiles.append((f"Operations at {_shape(flops)}", _giga(flops["total"])))
    if about:
        tiles.append(("Task", about.task))
    if cases is not None:
        compared = [case for case in cases if case.get("verdict") != _EMPTY]
        good = sum(_is_good(case) for case in compared)
        tiles.append(("Verified with PyTorch", f"{good} of {len(compared)} cases agree"))
    elif about:
        tiles.append(("Verified with PyTorch", "no"))
    return tag(
        "dl", *(tag("div", tag("dt", name), tag("dd", text), class_="tile") for name, text in tiles), class_="tiles"
    )


def verification(found: Found) -> Optional[Element]:
    """How the file compared with PyTorch when it was exported."""
    cases = cases_of(found)
    if cases is None:
        return None
    rows: List[List[Union[str, Element]]] = []
    for case in cases:
        verdict = tag("span", _text(case.get("verdict")), class_="good" if _is_good(case) else "bad")
        figures = [_figure(case.get(name)) for name in ("max_box", "max_score", "max_mask")]
        matched = f"{_text(case.get('matched'))} of {_text(case.get('total'))}"
        rows.append([_text(case.get("name")), matched, *figures, verdict])
    chart: List[Bar] = []
    for case in cases:
        good, total = _number(case.get("matched")), _number(case.get("total"))
        if total > 0:
            chart.append((_text(case.get("name")), good / total, f"{good:.0f} of {total:.0f}"))
    head = ("case", "matched", "box, px", "score", "mask", "verdict")
    text = "Answers of the file and of PyTorch's own inference: how many match, and the greatest differences of those."
    charts = [tag("h3", "Matched answers"), bars(chart)] if chart else []
    return section("Verification", tag("p", text, class_="soft"), *charts, table(head, rows, (1, 2, 3, 4)))


def precision(found: Found) -> Optional[Element]:
    """What a file in fewer bits has lost, and which of its layers bring most noise."""
    about = found["metadata"].get(PREFIX + "precision")
    if not isinstance(about, dict):
        return None
    loss, calibrated = _dict(about.get("loss")), _dict(about.get("calibration"))
    rows = [("precision", _text(about.get("precision"))), ("layers", _text(about.get("layers")))]
    if loss:
        figures = f"{_number(loss.get('before')):.2f} to {_number(loss.get('after')):.2f}"
        rows.append((_text(loss.get("figure")), f"{figures}, on {_text(loss.get('images'))} images"))
        rows.append(("measured on", _text(loss.get("source"))))
    if calibrated:
        images = f"{_text(calibrated.get('images'))} images of {_text(calibrated.get('source'))}"
        rows.append(("ranges", f"{_text(calibrated.get('method'))}, {images}"))
    rows += [(f"{name}, of float32", _figure(about.get(name))) for name in ("size", "time")]
    kept = about.get("float32")
    if isinstance(kept, list) and kept:
        rows.append(("stay in float32", ", ".join(map(_text, kept))))
    parts = [table(("", ""), rows)]
    noise = {_text(name): 10 ** (min(_number(value), 0.0) / 20) for name, value in _dict(about.get("noise")).items()}
    if noise:
        loudest = sorted(noise.items(), key=lambda pair: -pair[1])[:_MOST]
        text = "Of what the model predicts, where this layer alone is in eight bits; those of most noise."
        chart = bars([(name, value, f"{100 * value:.2g} %") for name, value in loudest])
        parts += [tag("h3", "Noise by layer"), tag("p", text, class_="soft"), chart]
    return section("Fewer bits", *parts)


def _dict(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def interface(found: Found, about: Optional[Description]) -> Element:
    """What goes in and what comes out."""
    meanings = dict((about.outputs if about else None) or {})
    rows = []
    for kind in ("inputs", "optional_inputs", "outputs"):
        for name, dtype, dims in found[kind]:
            shape = " x ".join(map(str, dims)) or "one value"
            rows.append([kind[:-1].replace("_", " "), name, dtype, shape, _text(meanings.get(name, ""))])
    return section("Inputs and outputs", table(("", "name", "type", "shape", "meaning"), rows))


def preparation(about: Optional[Description]) -> Optional[Element]:
    """How an image is prepared, and what the classes are called."""
    if about is None:
        return None
    parts: List[Element] = []
    steps = [step for step in about.pipeline or () if isinstance(step, dict)]
    if steps:
        rows = []
        for step in steps:
            rest = ", ".join(f"{name}: {_text(value)}" for name, value in step.items() if name != "type")
            rows.append([_text(step.get("type")), rest])
        parts.append(table(("step", "how"), rows))
    if about.classes:
        colors = about.palette if len(about.palette) == len(about.classes) else [None] * len(about.classes)
        items = [tag("li", *([swatch(color)] if color else []), name) for name, color in zip(about.classes, colors)]
        chips = tag("ul", *items, class_="classes")
        title = f"{len(items)} classes"
        parts += [tag("h3", title), chips] if len(items) <= 100 else [details(title, chips)]
    return section("Images and classes", *parts) if parts else None


def operators(found: Found) -> Element:
    """How many nodes of each type there are."""
    counts = {name: (float(count), str(count)) for name, count in found["operators"].items()}
    parts = [bars(_most(counts, lambda value: f"{value:.0f}"))]
    if found["custom_domains"]:
        inside = ", ".join(found["functions"]) or "none of them"
        text = f"Custom domains: {', '.join(found['custom_domains'])}. With bodies in the file: {inside}."
        parts.append(tag("p", text))
    return section(f"{sum(found['operators'].values())} nodes", *parts)


def cost(found: Found) -> Element:
    """Where the operations are."""
    flops = found["flops"]
    if not flops:
        return section("Operations", tag("p", "Not counted: the size is dynamic; --shape HEIGHT WIDTH says at which."))
    modules: Dict[str, int] = Counter()
    for name, value in flops["by_module"].items():
        modules[_outer(name)] += value

    def chart(values: Mapping[str, int]) -> Element:
        return bars(_most({name: (value, "") for name, value in values.items()}, _giga))

    text = f"Of convolutions and matrix products at {_shape(flops)}; a multiplication and an addition are two."
    if flops["uncounted_nodes"]:
        text += f" Not counted, as the shape does not tell their size: {flops['uncounted_nodes']}."
    parts = [tag("p", text, class_="soft"), tag("h3", "By module"), chart(modules)]
    return section("Operations", *parts, tag("h3", "By operator"), chart(flops["by_operator"]))


def targets(found: Found) -> Element:
    """Which runtimes take the file."""
    runs, parts = found["runs"], []
    if runs:
        like = f"{runs['title']} ({runs['config']}, {runs['weights']} weights)"
        parts.append(tag("p", f"The file is of the kind of {like}, whose files were run in other runtimes."))
    for name, findings in found["targets"].items():
        verdict = (
            "supports every node" if not findings else f"{len(findings)} finding{'s' if len(findings) > 1 else ''}"
        )
        line = tag("p", f"{name}: ", tag("span", verdict, class_="bad" if findings else "good"))
        parts.append(line)
        if findings:
            parts.append(details("What it does not take", tag("ul", *(tag("li", text) for text in findings))))
        if runs and name in runs["runtimes"]:
            parts.append(tag("p", f"A file of this kind, run: {runs['runtimes'][name]['told']}", class_="soft"))
    return section("Runtimes", *parts)


def metadata(found: Found) -> Element:
    """Everything else that the file says."""
    rows = []
    for name, value in found["metadata"].items():
        if name[len(PREFIX) :] in _APART and name.startswith(PREFIX) and description_of(found):
            continue
        text = _text(value)
        rows.append([name, text if len(text) <= _LONG else details(f"{len(text)} characters", tag("pre", text))])
    parts = [table(("name", "value"), rows)] if rows else [tag("p", "The file has none.")]
    config = found["metadata"].get(PREFIX + "config_text")
    if config:
        parts.append(details("The config that it was exported from", tag("pre", _text(config))))
    return section("Metadata", *parts)


def _most(values: Mapping[str, Tuple[float, str]], show: Any) -> List[Bar]:
    """The greatest as bars, and the others in one."""
    ordered = sorted(((value, name) for name, (value, _) in values.items()), key=lambda pair: (-pair[0], pair[1]))
    found = [(name, value, show(value)) for value, name in ordered[:_MOST]]
    rest = ordered[_MOST:]
    if rest:
        total = sum(value for value, _ in rest)
        found.append((f"{len(rest)} others", total, show(total)))
    return found


def _outer(module: str) -> str:
    """The first two names of a module's path: ``backbone.layer1`` of ``backbone.layer1.0.conv1``."""
    return ".".join(module.replace("/", ".").strip(".").split(".")[:2])


def _shape(flops: Dict[str, Any]) -> str:
    return "x".join(map(str, flops["shape"]))


def _giga(value: float) -> str:
    return f"{value / 1e9:.3g} GFLOP" if value >= 1e7 else f"{value / 1e6:.3g} MFLOP"


def _is_good(case: Dict[str, Any]) -> bool:
    return str(case.get("verdict")).startswith("ok") or case.get("verdict") == _EMPTY


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _figure(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, (int, float)) else "-"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
