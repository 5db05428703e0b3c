"""The matrix of versions as sessions of nox, one for each row; `make matrix` runs them all.

    nox --list
    nox --session "matrix(torch1.8)" -- --discard

An environment is what tools/bootstrap.py makes of the row's lock files: nox's own would build mmcv without the torch
that it needs.
"""

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))

from bootstrap_parts.interpreters import SKIPPED  # noqa: E402
from matrix import ROWS  # noqa: E402

nox.options.default_venv_backend = "none"


@nox.session
@nox.parametrize("row", ROWS, ids=ROWS)
def matrix(session: nox.Session, row: str) -> None:
    """Build a row's environment, run its checks, and bring the tables of versions up to date."""
    session.run("python3", "tools/matrix.py", row, *session.posargs, success_codes=[0, SKIPPED])
