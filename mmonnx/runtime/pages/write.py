"""The page as a whole, and its place on the disk."""

import os
from pathlib import Path
from typing import Any, Dict, Optional, Sequence
from xml.etree.ElementTree import Element

from ...support import __version__, replacing
from . import sections
from .benchmark import Benchmark, benchmark_section
from .pictures import Picture, gallery
from .tags import section, tag, written

_STYLE = Path(__file__).with_name("style.css")
# Nothing is loaded and no script runs, whatever the file's names and metadata hold.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(
    found: Dict[str, Any],
    drawn: Sequence[Picture] = (),
    compared: Sequence[Picture] = (),
    benchmark: Optional[Benchmark] = None,
) -> str:
    """The page as text.

    Args:
        found: what ``inspect`` found.
        drawn: pictures with the file's answers.
        compared: pictures of the verification, PyTorch's answers and the file's side by side.
        benchmark: times, None for none.
    """
    name, about = os.path.basename(found["file"]), sections.description_of(found)
    checked = sections.verification(found)
    if compared:
        checked = section("Verification") if checked is None else checked
        checked.extend([tag("h3", "PyTorch's answers and the file's"), gallery(compared)])
    parts: Sequence[Optional[Element]] = (
        tag("header", tag("h1", name), tag("p", _origin(found), class_="soft"), sections.summary(found, about)),
        section("Answers", gallery(drawn)) if drawn else None,
        checked,
        sections.precision(found),
        sections.interface(found, about),
        sections.preparation(about),
        sections.operators(found),
        sections.cost(found),
        benchmark_section(benchmark) if benchmark else None,
        sections.targets(found),
        sections.metadata(found),
        tag("footer", tag("p", f"Made by mmonnx {__version__}.", class_="soft")),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{name}: mmonnx inspect"),
        tag("style", _STYLE.read_text(encoding="utf-8")),
    )
    body = tag("body", tag("main", *(part for part in parts if part is not None)))
    return written(tag("html", head, body, lang="en"))


def write_page(path: str, text: str) -> None:
    """Put a page in place; it appears whole or not at all.

    Raises:
        InputError: the folder cannot be made or written to.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _origin(found: Dict[str, Any]) -> str:
    producer = f"by {found['producer']}" if found["producer"] else "by nobody who says so"
    config = found["metadata"].get("mmonnx.config")
    return f"{found['file']}, {producer}" + (f", of {config}" if isinstance(config, str) and config else "")
