"""``mmonnx patch``: what its four actions do and say."""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from ...support import InputError
from ...terminal import Report
from .plan import Plan, patches_for, plan_apply, plan_revert, states
from .series import CHECKOUT, UNCOMPILED, Patch, packages, read_series
from .target import Target, find_targets
from .transaction import write_all


@dataclass(frozen=True)
class PatchSettings:
    """What ``mmonnx patch`` is asked for.

    Attributes:
        action: "list", "check", "apply" or "revert".
        root: a checkout; the installed packages if None.
        packages: names; every package that is there if empty.
    """

    action: str
    root: Optional[str] = None
    packages: Tuple[str, ...] = ()


def patch(settings: PatchSettings, report: Optional[Report] = None) -> bool:
    """List, check, apply or revert the patches.

    Args:
        settings: what is asked for.
        report: where it is told; standard output if None.

    Returns:
        False if a check found that a patch does not apply, or that none is for the package.

    Raises:
        InputError: a package is not there, or its code is not what the patches were made for; nothing was written.
    """
    report = report or Report()
    series = read_series()
    known = packages(series)
    unknown = [name for name in settings.packages if name not in known]
    if unknown:
        raise InputError(f"--package {unknown[0]} has no patches", f"one of {', '.join(known)}", "give one of these")
    names = [name for name in known if not settings.packages or name in settings.packages]
    root = Path(settings.root) if settings.root is not None else None
    targets = find_targets(names, root, required=bool(settings.packages))
    return _ACTIONS[settings.action](targets, series, report)


def _list(targets: Sequence[Target], series: Sequence[Patch], report: Report) -> bool:
    for target in targets:
        state = dict(states(plan_apply(target, series)))
        rows = []
        for item in series:
            if item.package == target.package:
                name = item.name.split("/")[1][: -len(".diff")]
                rows.append([name, state.get(item) or _not_for(item, target), item.diff.title])
        report.text(target.title)
        report.listing([f"{target.package}/", "state", "what it fixes"], rows)
    return True


_KINDS = {CHECKOUT: "for a checkout", UNCOMPILED: "for an installed one without compiled operators"}


def _not_for(item: Patch, target: Target) -> str:
    return _KINDS[item.kind] if item.covers(target.version) else f"for {item.versions}"


def _check(targets: Sequence[Target], series: Sequence[Patch], report: Report) -> bool:
    good = True
    for target in targets:
        plan = plan_apply(target, series)
        if not plan.patches:
            report.text(f"{target.title}: no patches for this version; they are for {_versions(target, series)}")
        elif plan.problems:
            for name, problem in plan.problems.items():
                report.text(f"{target.title}: {name} does not apply: {problem}")
        else:
            report.text(f"{target.title}: {_count(plan)} {'applied already' if plan.done else 'apply'}")
            _tell_of_compiled(target, series, report)
        good = good and bool(plan.patches) and not plan.problems
    return good


def _tell_of_compiled(target: Target, series: Sequence[Patch], report: Report) -> None:
    """Name what is not for a package because of its compiled operators."""
    for item in series:
        if item.package == target.package and item.kind == UNCOMPILED and target.is_compiled:
            report.text(f"{target.title}: leaves out {item.name}: it is {_not_for(item, target)}")


def _apply(targets: Sequence[Target], series: Sequence[Patch], report: Report) -> bool:
    plans = [plan_apply(target, series) for target in targets]
    _refuse(plans, "does not apply", "reinstall the package, check its own code out again, or apply it by hand")
    if not any(patches_for(target, series) for target in targets):
        raise InputError(
            f"{targets[0].title} is of a version that no patch is for",
            f"{_versions(targets[0], series)}",
            "install one of these",
        )
    _write(plans)
    for plan in plans:
        if not plan.patches:
            report.text(f"{plan.target.title}: no patches for this version")
        elif plan.done:
            report.text(f"{plan.target.title}: {_count(plan)} applied already")
        else:
            report.text(f"{plan.target.title}: {_count(plan)} applied to {_files(plan.files)}")
        _tell_of_compiled(plan.target, series, report)
    return True


def _revert(targets: Sequence[Target], series: Sequence[Patch], report: Report) -> bool:
    plans = [plan_revert(target, series) for target in targets]
    _refuse(plans, "cannot be put back", "reinstall the package, or check its own code out again")
    _write(plans)
    for plan in plans:
        told = "nothing to revert" if plan.done else f"{_files(plan.files)} as before the patches"
        report.text(f"{plan.target.title}: {told}")
    return True


_ACTIONS: Dict[str, Callable[[Sequence[Target], Sequence[Patch], Report], bool]] = {
    "list": _list,
    "check": _check,
    "apply": _apply,
    "revert": _revert,
}


def _refuse(plans: Sequence[Plan], what: str, fix: str) -> None:
    """Refuse everything because of the first thing that does not fit."""
    problems: List[Tuple[Plan, str, str]] = [
        (plan, name, problem) for plan in plans for name, problem in plan.problems.items()
    ]
    if problems:
        plan, name, problem = problems[0]
        more = f" (and {len(problems) - 1} more: see --check)" if len(problems) > 1 else ""
        raise InputError(f"{plan.target.title}: {name} {what}: {problem}{more}", "upstream's own code", fix)


def _write(plans: Sequence[Plan]) -> None:
    """Write what all plans change, of all packages or of none."""
    write_all({path: content for plan in plans for path, content in plan.changes.items()})


def _versions(target: Target, series: Sequence[Patch]) -> str:
    ranges = dict.fromkeys(item.versions for item in series if item.package == target.package)
    return f"{target.package} {', '.join(ranges)}"


def _count(plan: Plan) -> str:
    return f"{len(plan.patches)} patch{'es' if len(plan.patches) != 1 else ''}"


def _files(count: int) -> str:
    return f"{count} file{'s' if count != 1 else ''}"
