"""The table of docs/targets.md, from the file of runs."""

from typing import Dict, Iterator, List, Optional, Sequence

from mmonnx.runtime.engines import ENGINES
from mmonnx.targets import TARGETS
from mmonnx.targets.runs import EQUAL, ModelRuns, Run

BEGIN, END = "<!-- made by tools/runtimes.py -->", "<!-- end of the runs -->"


def with_table(page: str, models: Sequence[ModelRuns]) -> str:
    """The page with what lies between its two marks made from the runs.

    Args:
        page: its text.
        models: what is to be told.
    """
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{made(models)}{END}{rest.split(END)[1]}"


def made(models: Sequence[ModelRuns]) -> str:
    """When and where the runs were, the table, and what was not equal, a line each."""
    names = [name for name in TARGETS if any(name in model.runs for model in models)]
    head = ["model", *(_title(name) for name in names)]
    rows = [[model.title, *(_cell(model.runs.get(name), name) for name in names)] for model in models]
    table = "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])
    faults = "".join(f"- {line}\n" for line in _faults(models, names))
    return f"{_when(models, names)}\n\n{table}" + (f"\nWhat was not equal:\n\n{faults}" if faults else "")


def _title(name: str) -> str:
    return ENGINES[TARGETS[name].engine].title


def _cell(run: Optional[Run], name: str) -> str:
    return "" if run is None else _escaped(run.told(name).replace(f"with --target {name}", "`--target`"))


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _when(models: Sequence[ModelRuns], names: Sequence[str]) -> str:
    """The versions of the runtimes and the dates of their runs, as far as these are known."""
    found: Dict[str, List[str]] = {}
    for name in names:
        for run in (model.runs[name] for model in models if name in model.runs):
            page = run.source.rpartition("/")[2]
            who = f"Taken from [{page}]({page})" if page else "Run"
            by = " ".join(filter(None, [_title(name), run.version]))
            group = found.setdefault(f"{who}, {run.date}, mmonnx {run.mmonnx}", [])
            if by not in group:
                group.append(by)
    return " ".join(f"{when}: {', '.join(by)}." for when, by in sorted(found.items()))


def _faults(models: Sequence[ModelRuns], names: Sequence[str]) -> Iterator[str]:
    for model in models:
        for name in names:
            run = model.runs.get(name)
            files = {} if run is None else {"default file": run.default, f"`--target {name}`": run.target}
            for file, outcome in files.items():
                if outcome and outcome.verdict != EQUAL:
                    yield f"{model.title}, {file}, in {_title(name)}: {_escaped(f'{outcome.told}: {outcome.detail}')}"
