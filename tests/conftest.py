"""What all tests share."""

import inspect
import os
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "fallback")]  # models.py and kernels.py

# Each registry of an old mmcv takes inspect.stack(), which reads the sources of all that is on it: a minute an import.
inspect.stack.__defaults__ = (0,)


def pytest_addoption(parser):
    told = "of what has parameters, and not the mark `once`, every Nth from the Kth"
    parser.addoption("--share", metavar="K/N", help=told)


def pytest_collection_modifyitems(config, items):
    """Share out the parameters of tests over stacks: what is run once, or has no parameters, every one of them runs."""
    if not config.getoption("--share"):
        return
    part, parts = map(int, config.getoption("--share").split("/"))
    places = Counter()
    kept, left = [], []
    for item in items:
        function = item.nodeid.partition("[")[0]
        alone = function == item.nodeid or item.get_closest_marker("once")
        (kept if alone or places[function] % parts == part - 1 else left).append(item)
        places[function] += not alone
    items[:] = kept
    config.hook.pytest_deselected(items=left)
