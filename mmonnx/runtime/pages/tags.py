"""Elements of a page. Text and attributes are escaped when the tree is written, whatever they hold."""

from typing import Any, Sequence, Tuple, Union
from xml.etree.ElementTree import Element, tostring

from ...support import printable

Child = Union[str, Element]
Bar = Tuple[str, float, str]


def tag(kind: str, /, *children: Child, **attributes: Any) -> Element:
    """An element; ``class_`` stands for ``class``, and ``a_b`` for ``a-b``."""
    made = Element(
        kind, {key.rstrip("_").replace("_", "-"): printable(str(value)) for key, value in attributes.items()}
    )
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + printable(child)
        else:
            made.text = (made.text or "") + printable(child)
    return made


def section(title: str, *children: Child) -> Element:
    """A part of the page under a heading."""
    return tag("section", tag("h2", title), *children)


def table(head: Sequence[str], rows: Sequence[Sequence[Child]], numbers: Sequence[int] = ()) -> Element:
    """A table that scrolls sideways where it is wider than the page.

    Args:
        head: the names of its columns.
        rows: its cells.
        numbers: columns that are set to the right.
    """

    def row(kind: str, cells: Sequence[Child]) -> Element:
        line = tag("tr")
        for column, cell in enumerate(cells):
            line.append(tag(kind, cell, **({"class_": "number"} if column in numbers else {})))
        return line

    body = tag("tbody", *(row("td", cells) for cells in rows))
    return tag("div", tag("table", tag("thead", row("th", head)), body), class_="scroll", tabindex="0")


def bars(rows: Sequence[Bar]) -> Element:
    """A chart: a line for each name with its bar and its figure, as wide as there is room.

    Args:
        rows: name, value and figure; values below zero, and what is no number, have no bar.
    """
    greatest = max((value for _, value, _ in rows if value == value), default=0.0)
    lines = []
    for name, value, shown in rows:
        share = 100 * value / greatest if greatest > 0 and value > 0 else 0.0
        bar = tag("rect", class_="bar", width=f"{share:.2f}%", height="100%", rx="2")
        picture = tag("svg", tag("rect", class_="rail", width="100%", height="100%", rx="2"), bar, role="presentation")
        cells = (tag("th", name, scope="row"), tag("td", picture, class_="chart"), tag("td", shown, class_="number"))
        lines.append(tag("tr", *cells))
    return tag("table", tag("tbody", *lines), class_="bars")


def swatch(color: Sequence[int]) -> Element:
    """A small field of a colour (red, green, blue)."""
    red, green, blue = (int(value) for value in color)
    field = tag("rect", width="100%", height="100%", rx="2", fill=f"rgb({red},{green},{blue})")
    return tag("svg", field, class_="swatch", role="presentation")


def details(summary: str, *children: Child) -> Element:
    """What is shown when one asks for it."""
    return tag("details", tag("summary", summary), *children)


def written(tree: Element) -> str:
    """The whole document."""
    return "<!doctype html>\n" + tostring(tree, encoding="unicode", method="html") + "\n"
