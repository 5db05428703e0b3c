#!/usr/bin/env python3
"""Run the matrix of versions: build each row's environment, run its checks in it, and write the table.

    python3 tools/matrix.py [ROW ...] [--short] [--discard]

Rows without a name: all. What a row gave takes the place of its entry in docs/versions.json, of which docs/versions.md
and README.md show the tables; what pytest said lies in work_dirs/matrix. Exit status: 0 every check of the rows passed,
1 one did not, 77 there is no Python for any of them. Standard library only.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from bootstrap_parts.interpreters import SKIPPED
from bootstrap_parts.stacks import STACKS

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "work_dirs" / "matrix"
RESULTS, TABLE, README = ROOT / "docs" / "versions.json", ROOT / "docs" / "versions.md", ROOT / "README.md"
BEGIN, END = "<!-- made by tools/matrix.py -->", "<!-- end of versions -->"
SHOWN = {
    1: ("torch", "mmcv", "mmdet", "mmcls", "onnxruntime", "numpy"),
    2: ("torch", "mmcv", "mmdet", "mmpretrain", "mmengine", "onnxruntime", "numpy"),
}
"""The packages whose versions the table of a generation of OpenMMLab's shows."""
DISTRIBUTIONS = {
    "mmcv": ("mmcv", "mmcv-lite", "onedl-mmcv"),
    **{name: (name, f"onedl-{name}") for name in ("mmengine", "mmpretrain")},
    "mmdet": ("mmdet", "onedl-mmdetection"),
}
"""What installs a package, where it is not the distribution of its name alone."""
SHORT = ("torch", "mmcv", "mmdet", "mmcls", "mmpretrain", "onnxruntime")


class Check(NamedTuple):
    """One column: its title, the test file or what of it is run, whether a short run has it, its rows' generation."""

    title: str
    nodes: Tuple[str, ...]
    short: bool
    generation: int = 1

    @property
    def file(self) -> str:
        return self.nodes[0].split("::")[0]


GUIDE = "tests/test_guide.py::"
CHECKS = (
    Check("guide: MobileNetV2", (GUIDE + "test_mobilenet_v2",), True),
    Check(
        "guide: Faster R-CNN",
        tuple(f"{GUIDE}test_faster_rcnn[{case}]" for case in ("photograph-shape1-1", "photograph-shape1-2")),
        False,
    ),
    Check("small Faster R-CNN", ("tests/test_two_stage_models.py::test_a_batch_is_its_images",), True),
    Check("digit models", ("tests/tools/test_demo.py",), True),
    Check("hook", ("tests/integration/test_hooks.py",), False),
    Check("upstream's command", ("tests/integration/test_plugin_tools.py",), False),
    Check("patches", ("tests/integration/test_installed.py",), True),
    Check("range refused", ("tests/environment/test_versions.py",), True),
    Check("README's command", ("tests/second/test_readme.py",), True, 2),
    Check("mmengine's hook", ("tests/second/test_mmengine_hook.py",), False, 2),
)
ROWS = ("torch1.8", "torch1.10", "torch1.13", "torch2.1", "default", "newest", "mmdet3.0", "openmmlab2", "onedl")
SECOND = tuple(row for row in ROWS if "openmmlab2.txt" in STACKS[row].locks)
"""The rows of OpenMMLab 2.x."""
# Why a check is not made in a row: the one place for it.
LEFT_OUT: Dict[str, Dict[str, str]] = {
    "torch1.8": {"patches": "the patches for mmdet begin at 2.17, those for mmcls at 0.16"},
}
# What a check that was made has to be told with.
NOTED: Dict[str, Dict[str, str]] = {
    "torch1.8": {"hook": "in mmdet alone: this mmcls reads no `custom_hooks`"},
    "torch1.13": {
        "upstream's command": "after `mmonnx patch --apply --package mmcv`: "
        "mmcv before 1.7 stops the tools on torch 1.13 before they read the config"
    },
}


def run_row(row: str, short: bool, discard: bool) -> List[str]:
    """Build a row's environment and run its checks; the first word of what each gave: ok, failed, or - for left out."""
    start = time.monotonic()
    venv = ROOT / STACKS[row].venv
    print(f"== {row}", flush=True)
    status = subprocess.call([sys.executable, str(ROOT / "tools" / "bootstrap.py"), "--stack", row])
    if status == SKIPPED:
        return ["-"]
    result: Dict[str, Any] = {"row": row, "date": datetime.date.today().isoformat(), "checks": {}}
    if status:
        result["checks"] = {check.title: "failed: the environment cannot be built" for check in checks_of(row)}
    else:
        result["build"] = round(time.monotonic() - start)
        result["versions"] = versions(venv)
        result["checks"] = run_checks(row, venv, [check for check in checks_of(row) if check.short or not short])
        for title, text in result["checks"].items():
            print(f"{title:20} {text}", flush=True)
        if discard:
            shutil.rmtree(str(venv))
    result["seconds"] = round(time.monotonic() - start)
    if not short:
        keep(result)
    print(f"== {row}: {result['seconds']} s", flush=True)
    return [text.split()[0].rstrip(":") for text in result["checks"].values()]


def checks_of(row: str) -> List[Check]:
    """The checks of a row's generation."""
    return [check for check in CHECKS if check.generation == (2 if row in SECOND else 1)]


def run_checks(row: str, venv: Path, checks: List[Check]) -> Dict[str, str]:
    """What each check gave: ``ok`` and a number, the first cause of a failure, or ``-`` and why it was not made."""
    found: Dict[str, str] = {}
    for check in checks:
        reason = LEFT_OUT.get(row, {}).get(check.title)
        reason = reason or ("" if (ROOT / check.file).is_file() else "not in this checkout")
        found[check.title] = f"- {reason}" if reason else ""
    wanted = [check for check in checks if not found[check.title]]
    LOGS.mkdir(parents=True, exist_ok=True)
    report, log = LOGS / f"{row}.xml", LOGS / f"{row}.log"
    if report.exists():
        report.unlink()
    # One process: importing mmcv takes longest. Plain tracebacks: torch 1.8 dies of printing a dead graph's values.
    command = [str(venv / "bin" / "python"), "-m", "pytest", "-q", "--tb=native", f"--junitxml={report}"]
    command += [node for check in wanted for node in check.nodes]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with log.open("wb") as output:
        subprocess.call(command, cwd=str(ROOT), stdout=output, stderr=subprocess.STDOUT, env=environment)
    cases = list(ElementTree.parse(str(report)).getroot().iter("testcase")) if report.is_file() else []
    for check in wanted:
        found[check.title] = judge([case for case in cases if belongs(case, check)])
    return found


def belongs(case: ElementTree.Element, check: Check) -> bool:
    """Whether a test case of pytest's report is one of a check."""
    name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
    return any(name == node or name.startswith((node + "::", node + "[")) for node in check.nodes)


def judge(cases: List[ElementTree.Element]) -> str:
    """``ok`` and the number of tests that passed, or how many failed and the first one's cause."""
    bad = [(case, part) for case in cases for part in case if part.tag in ("failure", "error")]
    passed = sum(all(part.tag != "skipped" for part in case) for case in cases)
    if not bad:
        return f"ok ({passed})" if passed else "failed: no test ran to its end"
    case, part = bad[0]
    lines = (part.get("message") or part.text or "").split()
    return f"failed ({len(bad)} of {len(cases)}): {case.get('name')}: {' '.join(lines)[:200]}"


def versions(venv: Path) -> Dict[str, str]:
    """The versions of an environment that a table shows."""
    code = "import json, platform; from importlib.metadata import distributions; "
    code += "known = {one.metadata['Name'].lower(): one.version for one in distributions()}; "
    code += "print(json.dumps({'python': platform.python_version(), **known}))"
    known = json.loads(subprocess.check_output([str(venv / "bin" / "python"), "-c", code]).decode())
    found = {"python": known["python"]}
    for name in sorted({name for names in SHOWN.values() for name in names}):
        version = next((known[one] for one in DISTRIBUTIONS.get(name, (name,)) if one in known), None)
        found.update({name: version} if version else {})
    return found


def known() -> Dict[str, Dict[str, Any]]:
    """What each row gave the last time, by row, the oldest versions first."""
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    return {row: results[row] for row in ROWS if row in results}


def keep(result: Dict[str, Any]) -> None:
    """Put what a row gave in the place of what it gave before."""
    text = json.dumps({**known(), result["row"]: result}, indent=1)
    RESULTS.write_text(text + "\n", encoding="utf-8")


def write_tables() -> None:
    """Write docs/versions.md and the short table in README.md from what the rows gave."""
    results = list(known().values())
    TABLE.write_text(page(results), encoding="utf-8")
    README.write_text(with_table(README.read_text(encoding="utf-8"), results), encoding="utf-8")


def page(results: List[Dict[str, Any]]) -> str:
    """The text of docs/versions.md."""
    lines = [
        "# Versions",
        "",
        "Written by `make matrix` (tools/matrix.py), not by hand. Each row is a set of pinned versions (requirements/)",
        "whose environment was built from nothing and in which these tests ran; mmcv is without compiled operators,",
        "mmonnx's own stand in. The number is that of the tests that passed.",
    ]
    for generation, shown in SHOWN.items():
        titles = [check.title for check in CHECKS if check.generation == generation]
        lines += ["", f"## OpenMMLab {generation}.x", ""]
        lines.append("| row | date | Python | " + " | ".join([*shown, *titles]) + " |")
        lines.append("|---" * (3 + len(shown) + len(titles)) + "|")
        for result in results:
            if (result["row"] in SECOND) == (generation == 2):
                cells = [result["row"], result["date"], *version_cells(result, shown)]
                cells += [result["checks"].get(title, "").split(":")[0].split(" no")[0] for title in titles]
                lines.append("| " + " | ".join(cells) + " |")
    notes = [f"- {result['row']}, {title}: {note}" for result in results for title, note in notes_of(result)]
    lines += ["", *notes] if notes else []
    return "\n".join(lines) + "\n"


def notes_of(result: Dict[str, Any]) -> Iterator[Tuple[str, str]]:
    """What is to be told of a row's checks: the check's title, and why it failed, was not made, or what it needed."""
    for title, text in result["checks"].items():
        note = NOTED.get(result["row"], {}).get(title, "")
        if not text.startswith("ok"):
            yield title, text.lstrip("- ")
        elif note:
            yield title, note


def version_cells(result: Dict[str, Any], shown: Sequence[str]) -> List[str]:
    """The versions of Python and of the packages."""
    known = result.get("versions", {})
    return [known.get(name, "") for name in ("python", *shown)]


def with_table(readme: str, results: List[Dict[str, Any]]) -> str:
    """The README with its short table as the rows give it.

    Args:
        readme: its text, with the two marks that the table is between.
        results: the rows'.
    """
    before, rest = readme.split(BEGIN)
    head = ["Python", *SHORT, "checks passed", "date"]
    lines = [head, ["---"] * len(head)]
    for result in results:
        texts = [text for text in result["checks"].values() if not text.startswith("-")]
        passed = f"{sum(text.startswith('ok') for text in texts)} of {len(texts)}"
        lines.append([*version_cells(result, SHORT), passed, result["date"]])
    middle = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{before}{BEGIN}\n{middle}{END}{rest.split(END)[1]}"


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Run the matrix of versions.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)} (default: all)")
    parser.add_argument("--short", action="store_true", help="the quick checks alone, and no table")
    parser.add_argument("--discard", action="store_true", help="remove each environment when its row is done")
    options = parser.parse_args(arguments)
    unknown = [row for row in options.rows if row not in ROWS]
    if unknown:
        parser.error(f"no row {unknown[0]!r}; expected one of {', '.join(ROWS)}")
    start = time.monotonic()
    words = [word for row in options.rows or ROWS for word in run_row(row, options.short, options.discard)]
    if not options.short:
        write_tables()
    counts = [
        f"{words.count(word)} {name}" for word, name in (("failed", "failed"), ("ok", "passed"), ("-", "skipped"))
    ]
    print(f"{', '.join(counts)} in {time.monotonic() - start:.2f}s")
    if set(words) == {"-"}:
        return SKIPPED
    return 1 if "failed" in words or "ok" not in words else 0


if __name__ == "__main__":
    sys.exit(main())
