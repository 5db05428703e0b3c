"""The bar chart of a benchmark."""

from pathlib import Path
from typing import Sequence, Tuple

from mmonnx.support.atomic import replacing

from .measuring import Row, Shape
from .variants import OURS


def draw(results: Sequence[Tuple[Shape, Sequence[Row]]], title: str, path: Path) -> None:
    """Draw the time of every variant, a group of bars per shape, with its ratio on top, as PNG.

    Args:
        results: the rows of each shape; what was not measured has no bar.
        title: of the picture.
        path: the PNG's; its folder is made if it is missing.

    Raises:
        InputError: the folder cannot be written to.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # not pyplot: it would look for a display and keep the figure
    figure = Figure(figsize=(2.5 + 3.5 * len(results), 4.5), dpi=120)
    FigureCanvasAgg(figure)
    for number, (shape, rows) in enumerate(results):
        axes = figure.add_subplot(1, len(results), number + 1)
        measured = [row for row in rows if row.ms is not None]
        bars = axes.bar([row.variant for row in measured], [row.ms for row in measured], color=_colors(measured))
        for bar, row in zip(bars, measured):
            text = f"{row.ms:.0f} ms" + (f"\n{row.ratio:.2f}" if row.ratio is not None else "")
            middle = bar.get_x() + bar.get_width() / 2
            axes.annotate(text, (middle, bar.get_height()), ha="center", va="bottom", fontsize=8)
        axes.set_title(f"{shape[0]}x{shape[1]}", fontsize=10)
        axes.set_ylabel("milliseconds" if number == 0 else "")
        axes.margins(y=0.18)
        axes.tick_params(axis="x", labelrotation=20, labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(str(temporary), format="png")


def _colors(rows: Sequence[Row]) -> Sequence[str]:
    """mmonnx's bar stands out."""
    return ["#c8541b" if row.variant == OURS else "#8a9bb0" for row in rows]
