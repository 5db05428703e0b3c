"""What became of the faults, for a person and for a program."""

from typing import Any, Dict, List, Sequence

from .running import EQUIVALENT, KILLED, STILLBORN, SURVIVED, ModelReport, Outcome

COLUMNS = ("model", "faults", "killed", "equivalent", "stillborn", "survived", "seconds")


def counted(outcomes: Sequence[Outcome]) -> Dict[str, int]:
    """How many faults ended in which way."""
    return {end: sum(one.end == end for one in outcomes) for end in (KILLED, EQUIVALENT, STILLBORN, SURVIVED)}


def row(report: ModelReport) -> List[str]:
    """A model's line."""
    figures = [len(report.outcomes), *counted(report.outcomes).values()]
    return [report.model, *map(str, figures), f"{report.seconds:.0f}"]


def real(reports: Sequence[ModelReport]) -> List[Outcome]:
    """The faults that count: there is a file, and its answers are others."""
    return [one for report in reports for one in report.outcomes if one.end in (KILLED, SURVIVED)]


def kill_rate(reports: Sequence[ModelReport]) -> float:
    """The share of those that the verification found; 0.0 if there is none, for nothing was shown then."""
    faults = real(reports)
    return sum(one.end == KILLED for one in faults) / len(faults) if faults else 0.0


def is_good(reports: Sequence[ModelReport], least: float) -> bool:
    """Whether enough was found, and no true file refused."""
    return kill_rate(reports) >= least and not any(report.alarm for report in reports)


def survivors(reports: Sequence[ModelReport]) -> List[Outcome]:
    """The faults that passed."""
    return [one for one in real(reports) if one.end == SURVIVED]


def line(one: Outcome) -> str:
    """A fault in a line."""
    return f"{one.end}: {one.model}: {one.kind}: {one.where}" + (f": {one.note}" if one.note else "")


def as_data(reports: Sequence[ModelReport], settings: Dict[str, Any]) -> Dict[str, Any]:
    """All of it, for JSON."""
    return {
        "settings": settings,
        "rate": kill_rate(reports),
        "models": [
            {
                "model": report.model,
                "alarm": report.alarm,
                "seconds": round(report.seconds, 1),
                **counted(report.outcomes),
                "faults": [{**one._asdict(), "seconds": round(one.seconds, 2)} for one in report.outcomes],
            }
            for report in reports
        ],
    }
