"""What CI shares out over the stacks: every test is run by one of them at least."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.once

# By its path: "conftest" is the one of whichever folder a process has met last.
_spec = importlib.util.spec_from_file_location("shared_conftest", Path(__file__).parents[1] / "conftest.py")
conftest = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(conftest)

ALONE = ["test_one.py::test_alone", "test_one.py::test_alone_too", "test_one.py::test_third"]
ONCE = ["test_one.py::test_once[a]", "test_one.py::test_once[b]"]
SHARED = [f"test_one.py::test_shared[{number}]" for number in range(5)] + ["test_two.py::test_shared[0]"]


def run(share):
    items = [
        SimpleNamespace(nodeid=name, get_closest_marker=lambda mark, name=name: mark == "once" and name in ONCE)
        for name in ALONE + ONCE + SHARED
    ]
    left = []
    hook = SimpleNamespace(pytest_deselected=lambda items: left.extend(items))
    conftest.pytest_collection_modifyitems(SimpleNamespace(getoption=lambda _: share, hook=hook), items)
    assert len(items) + len(left) == len(ALONE + ONCE + SHARED)
    return [item.nodeid for item in items]


def test_each_test_is_run_by_one_stack_at_least():
    first, second = run("1/2"), run("2/2")
    assert set(first) | set(second) == set(ALONE + ONCE + SHARED)
    assert set(first) & set(second) == {ALONE[0], ALONE[2], *ONCE}
    assert set(first) - set(second) == {ALONE[1], SHARED[0], SHARED[2], SHARED[4], SHARED[5]}
    assert set(second) - set(first) == {SHARED[1], SHARED[3]}


def test_without_the_option_all_are_run():
    assert run(None) == ALONE + ONCE + SHARED
