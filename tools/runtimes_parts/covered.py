"""What docs/coverage-NAME.md tells of the models, for a runtime that is not here."""

import re
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Optional, Tuple

from mmonnx.targets.runs import EQUAL

from .models import Model

_PAGE = "docs/coverage-{}.md"
_ROW = re.compile(r"^\| (?P<family>[^|]+) \| (?P<config>\S+\.py) \| \*\*matched\*\* \| [^|]*\| (\d+)/(\d+) \|", re.M)


def covered(root: Path, name: str, models: Iterable[Model]) -> Dict[str, Dict[str, Any]]:
    """The runs that a page of ``tools/zoo.py --target NAME`` tells of, by model; only of those that matched.

    The sweep ran the file of ``--target`` alone, with fewer proposals, and does not tell the runtime's version.

    Args:
        root: the checkout.
        name: the target's.
        models: whose configs are looked up.
    """
    page = root / _PAGE.format(name)
    if not page.exists():
        return {}
    rows = dict(_rows(page.read_text(encoding="utf-8"), page.relative_to(root).as_posix()))
    found = {model.name: rows.get(_key(model.config)) for model in models}
    return {model: run for model, run in found.items() if run is not None}


def _key(config: str) -> Tuple[str, str]:
    family, _, file = config.partition("::")[2].partition("/")
    return family, file


def _rows(text: str, page: str) -> Iterator[Tuple[Tuple[str, str], Dict[str, Any]]]:
    for section in re.split(r"^(?=## )", text, flags=re.M)[1:]:
        about: Optional[Any] = re.search(r"(\d{4}-\d\d-\d\d);.*?\bmmonnx ([^\s,;]+)", section)
        for row in _ROW.finditer(section) if about else ():
            matched, total = map(int, row.groups()[2:])
            outcome = {"verdict": EQUAL, "matched": matched, "total": total}
            run = {"version": "", "date": about[1], "mmonnx": about[2], "target": outcome, "source": page}
            yield (row["family"], row["config"]), run
