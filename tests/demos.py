"""What ``make demo`` runs after the environment is there, for the tests of either generation."""

import runpy
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parents[1] / "tools" / "demo.py"


def run_demo(out):
    """Run the demo into a folder, which it gives."""
    argv = sys.argv
    sys.argv = [str(DEMO)]
    try:
        status = runpy.run_path(str(DEMO))["main"](["--out", str(out)])
    finally:
        sys.argv = argv
    assert status == 0, (out / "report.txt").read_text() if (out / "report.txt").exists() else "no report"
    return out
