"""Syntax trees beside a thread that builds them too."""

import ast
import gc
import threading

import pytest

from mmonnx.loading.config import read_config
from mmonnx.support import syntax_trees

SOURCE = "\n".join("a = dict(b=dict(c=[1, 2, (3, 4)]), d=[dict(e=1), dict(f=2)])" for _ in range(100))


class Finalized:
    """What the garbage collector alone can end, which takes long enough for another thread to get its turn."""

    def __init__(self):
        self.itself = self

    def __del__(self):
        for _ in range(2000):
            pass


@pytest.fixture
def beside():
    """Another thread that builds syntax trees, some calls deeper, until the test ends."""
    stop = threading.Event()

    def parse(depth=60):
        if depth:
            return parse(depth - 1)
        while not stop.is_set():
            with syntax_trees():
                ast.parse(SOURCE)

    thread = threading.Thread(target=parse)
    thread.start()
    yield
    stop.set()
    thread.join()


def left_over():
    for _ in range(20):
        Finalized()


def test_another_thread_does_not_disturb(beside):
    """CPython 3.11.7 fails at every other one without ``syntax_trees``."""
    for _ in range(60):
        left_over()
        with syntax_trees():
            assert len(ast.parse(SOURCE).body) == 100


def test_a_config_is_read_without_the_collector(tmp_path):
    path = tmp_path / "config.py"
    path.write_text("import gc\ncollects = gc.isenabled()\nmodel = dict(type='RetinaNet')\n")
    assert read_config(str(path)).collects is False
    assert gc.isenabled()


def test_the_collector_stays_as_it_was():
    gc.disable()
    try:
        with pytest.raises(ValueError), syntax_trees():
            raise ValueError
        assert not gc.isenabled()
    finally:
        gc.enable()
