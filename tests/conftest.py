"""What all tests share."""

import gc
import inspect
import os
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "fallback")]  # models.py and kernels.py

# Each registry of an old mmcv takes inspect.stack(), which reads the sources of all that is on it: a minute an import.
inspect.stack.__defaults__ = (0,)

# What earlier tests left to be collected is not ended in a forked process: a session of ONNX Runtime waits forever
# there, for threads that a fork does not have.
os.register_at_fork(after_in_child=gc.freeze)


def pytest_addoption(parser):
    told = (
        "every Nth parameter of a test from the Kth; and of tests without any all for K = 1, else every Nth of a file"
    )
    parser.addoption("--share", metavar="K/N", help=told)


def pytest_collection_modifyitems(config, items):
    """Share out tests over stacks: each is run by one of them at least, and some by all that they ask for."""
    if not config.getoption("--share"):
        return
    part, parts = map(int, config.getoption("--share").split("/"))
    places = Counter()
    kept, left = [], []
    for item in items:
        function = item.nodeid.partition("[")[0]
        alone = function == item.nodeid
        group = function.partition("::")[0] if alone else function
        first = 0 if alone else part - 1
        # another stack may skip what has a condition
        own = any(item.get_closest_marker(name) for name in ("once", "skipif"))
        all_of_them = own or (alone and part == 1)
        (kept if all_of_them or places[group] % parts == first else left).append(item)
        places[group] += 1
    items[:] = kept
    config.hook.pytest_deselected(items=left)
