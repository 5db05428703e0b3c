"""Pictures on their way: in order, in batches, none held up, no more than so many, and nothing running in the end."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from crowds import together

from mmonnx.runtime.predicting.flow import Flow, Limits, Loaded
from mmonnx.support.errors import InputError


class Stages:
    """Items are (name, group); what happens is kept."""

    def __init__(self, **limits):
        self.batches, self.lock = [], threading.Lock()
        self.refused, self.broken = set(), set()
        self.inside = self.most = 0
        given = dict(workers=2, lanes=1, pixels=100, batch=lambda pixels: 4, ahead=20)
        self.limits = Limits(**{**given, **limits})

    def prepare(self, item):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        if item in self.broken:
            raise InputError(f"{item} is broken", "another", "give it")
        return Loaded(item, item[1], 10, 100)

    def run(self, values):
        with self.lock:
            self.batches.append(list(values))
        if self.refused & set(values):
            raise InputError("refused", "another", "give it")
        return [f"found {name}" for name, _ in values]

    def finish(self, item, value, found):
        assert item is value or item == value
        return found

    def results(self, items):
        flow = Flow(self.prepare, self.run, self.finish, self.limits)
        for found in flow.results(items):
            with self.lock:
                self.inside -= 1
            yield found


def items_of(count, groups=3):
    return [(number, number % groups) for number in range(count)]


@pytest.mark.parametrize("workers, lanes, shared", [(1, 1, False), (4, 3, False), (1, 1, True), (3, 3, True)])
def test_they_come_out_in_order_each_once_in_batches_of_one_group(workers, lanes, shared):
    before = threading.active_count()
    stages = Stages(workers=workers, lanes=lanes, shared=shared)
    found = list(stages.results(items_of(300)))
    assert found == [(item, f"found {item[0]}", None) for item in items_of(300)]
    assert all(len({group for _, group in batch}) == 1 and len(batch) <= 4 for batch in stages.batches)
    assert Counter(one for batch in stages.batches for one in batch) == Counter(items_of(300))
    assert threading.active_count() == before


@pytest.mark.parametrize("shared, threads", [(False, 5), (True, 2)])
def test_lanes_have_threads_of_their_own_or_none(shared, threads):
    before, stages = threading.active_count(), Stages(workers=2, lanes=3, shared=shared)
    with contextlib.closing(stages.results(items_of(300))) as results:
        next(results)
        assert threading.active_count() == before + threads


def test_batches_fill_while_the_network_is_busy_and_nobody_waits_for_a_full_one():
    stages, started = Stages(ahead=10), threading.Event()
    run = stages.run

    def slow(values):
        started.set()
        time.sleep(0.02)
        return run(values)

    stages.run = slow
    assert len(list(stages.results(items_of(40, 1)))) == 40
    assert max(map(len, stages.batches)) == 4
    alone = Stages()
    assert len(list(alone.results(items_of(3, 3)))) == 3, "one of each size: no batch is ever full"


def test_batches_fill_while_all_threads_have_something_to_read():
    stages = Stages(workers=2, ahead=40)
    prepare = stages.prepare
    stages.prepare = lambda item: (time.sleep(0.002), prepare(item))[1]  # the network is far quicker
    assert len(list(stages.results(items_of(80, 2)))) == 80
    sizes = Counter(map(len, stages.batches))
    assert sizes[4] >= 15, "but for the last ones, and where the one who asks was late"


@pytest.mark.parametrize("workers, lanes", [(1, 1), (2, 2), (3, 1)])
def test_a_batch_that_is_not_full_does_not_wait_for_ones_that_cannot_be_read(workers, lanes):
    stages = Stages(workers=workers, lanes=lanes)
    stages.broken = set(items_of(30, 3)[3:])
    (found,) = together([lambda: list(stages.results(items_of(30, 3)))], timeout=60)
    assert [item[0] for item, _, error in found if error is None] == [0, 1, 2]


def test_no_more_are_on_the_way_than_the_queue_is_long():
    stages = Stages(ahead=5)
    for _ in stages.results(items_of(100)):
        time.sleep(0.001)  # whoever writes is slow
    assert 1 < stages.most <= 5


def test_no_more_are_read_while_those_that_wait_fill_the_memory(monkeypatch):
    monkeypatch.setattr("mmonnx.runtime.predicting.flow._HELD_BYTES", 300)
    stages = Stages(ahead=50, workers=1, batch=lambda pixels: 1)
    release = threading.Event()
    run = stages.run
    stages.run = lambda values: (release.wait(10), run(values))[1]
    threading.Timer(0.3, release.set).start()
    assert len(list(stages.results(items_of(30)))) == 30
    assert stages.most < 12, "three that are ready, those that are being read, and one in the network"


def test_an_error_is_handed_out_in_its_place():
    stages = Stages()
    stages.broken = {(3, 0), (4, 1)}
    found = list(stages.results(items_of(10)))
    assert [item[0] for item, _, error in found if error] == [3, 4]
    assert [result for _, result, _ in found if result] == [f"found {n}" for n in range(10) if n not in (3, 4)]


def test_one_that_the_network_refuses_does_not_take_its_batch_along():
    stages = Stages(workers=1)
    stages.refused = {(5, 0)}
    found = list(stages.results(items_of(20, 1)))
    assert [item[0] for item, _, error in found if error] == [5]


@pytest.mark.parametrize("stage", ["prepare", "run", "finish"])
def test_any_other_error_ends_it_and_leaves_no_thread(stage):
    def broken(*arguments):
        raise MemoryError("no more")

    before, stages = threading.active_count(), Stages()
    setattr(stages, stage, broken)
    with pytest.raises(MemoryError):
        list(stages.results(items_of(50)))
    assert threading.active_count() == before


def test_an_error_of_no_stage_ends_it_too():
    def broken(pixels):
        raise MemoryError("no more")

    before, stages = threading.active_count(), Stages(batch=broken)
    with pytest.raises(MemoryError):
        list(stages.results(items_of(50)))
    assert threading.active_count() == before


def test_a_network_that_leaves_one_out_is_an_error_and_nobody_waits_for_it():
    stages = Stages()
    stages.run = lambda values: [f"found {name}" for name, _ in values][1:]
    with pytest.raises(RuntimeError, match="answers for"):
        list(stages.results(items_of(50)))


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_thread_that_cannot_be_started_ends_those_that_were(monkeypatch, nth):
    before, started, start = threading.active_count(), [], threading.Thread.start

    def limited(self):
        started.append(self)
        if len(started) == nth:
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    with pytest.raises(RuntimeError, match="new thread"):
        list(Stages().results(items_of(50)))
    assert threading.active_count() == before


PREPARED = """
import random, signal, sys, threading, time
from mmonnx.runtime.predicting.flow import Flow, Limits, Loaded

def flow(run=list):
    return Flow(lambda item: Loaded(item, item % 3, 10, 100), run, lambda item, value, found: found, limits)

limits = Limits(2, 2, 100, lambda pixels: 4, 20)
"""


def run_alone(code, *arguments):
    """In a process of its own, which is killed if it does not end."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-c", PREPARED + code, *arguments]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=60)
    return done.returncode, done.stdout.decode().strip()


INTERRUPTED = """
class Stop(BaseException):
    pass

def stop(*arguments):
    raise Stop

signal.signal(signal.SIGALRM, stop)
moments = random.Random(0)
stopped = 0
for _ in range(100):
    results = flow().results(range(10**6))
    next(results)  # Python's own start of a thread is no place for this
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0001 + 0.005 * moments.random())
        for _ in results:
            pass
    except Stop:
        stopped += 1
    results.close()
print(stopped)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_it_ends_at_whatever_moment_it_is_interrupted():
    """Where the caller took the threads' lock, one in 15 of these never did."""
    assert run_alone(INTERRUPTED) == (0, "100")


BEHIND_THE_MAIN_THREAD = """
def slow(values):
    time.sleep(0.1)
    return values

def go():
    print(len(list(flow(slow).results(range(20)))))

threading.Thread(target=go).start()
time.sleep(0.05)
"""


def test_it_goes_on_in_a_thread_when_the_main_one_has_ended():
    assert run_alone(BEHIND_THE_MAIN_THREAD) == (0, "20")


def test_whoever_stops_listening_leaves_no_thread():
    before = threading.active_count()
    results = Stages().results(items_of(100))
    next(results)
    results.close()
    assert threading.active_count() == before


def test_large_ones_have_the_network_for_themselves():
    stages, at_once, most = Stages(lanes=3, pixels=15, batch=lambda pixels: 1), [], []
    run = stages.run

    def counted(values):
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.005)
        at_once.pop()
        return run(values)

    stages.run = counted
    assert len(list(stages.results(items_of(20)))) == 20 and max(most) == 1
    stages.limits, most[:] = Limits(2, 3, 100, lambda pixels: 1, 20), []
    assert len(list(stages.results(items_of(20)))) == 20 and max(most) > 1


def test_the_size_that_has_waited_longest_is_next():
    stages = Stages(workers=1, batch=lambda pixels: 1)
    run, all_ready = stages.run, threading.Event()
    prepare, seen = stages.prepare, []
    stages.prepare = lambda item: (seen.append(item), all_ready.set() if len(seen) == 12 else None, prepare(item))[2]
    stages.run = lambda values: (all_ready.wait(10), run(values))[1]
    assert len(list(stages.results(items_of(12)))) == 12
    assert [name for ((name, _),) in stages.batches] == list(range(12))
