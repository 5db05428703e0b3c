"""Functions that something stands in for, in some threads and not in others."""

import sys
import threading
import types

import pytest
import torch
from crowds import in_thread, together

from mmonnx.environment.stand_ins import StandIn, plain, standing_in


class Base:
    def name(self):
        return "base"


class Derived(Base):
    pass


def of(text):
    """A stand-in that says what it is and what it stands in for."""
    return lambda original, *args, **kwargs: f"{text} of {original(*args, **kwargs)}"


def test_only_the_thread_that_asked_gets_the_stand_in():
    before = dict(vars(Base))
    with standing_in([StandIn([Base], "name", of("ours"))]):
        assert Base().name() == "ours of base"
        assert in_thread(lambda: Base().name()) == "base"
        with standing_in([StandIn([Base], "name", of("inner"))]):
            assert Base().name() == "inner of base"
        assert Base().name() == "ours of base"
    assert Base().name() == "base" and dict(vars(Base)) == before


@pytest.mark.parametrize("first_in_leaves_first", [True, False])
def test_the_order_in_which_threads_leave_does_not_matter(first_in_leaves_first):
    before, entered, leave, left = dict(vars(Derived)), threading.Event(), threading.Event(), []

    def other():
        with standing_in([StandIn([Derived], "name", of("other"))]):
            entered.set()
            assert leave.wait(60)
            left.append(Derived().name())

    thread = threading.Thread(target=other)
    with standing_in([StandIn([Derived], "name", of("ours"))]):
        thread.start()
        assert entered.wait(60)
        assert Derived().name() == "ours of base"
        if not first_in_leaves_first:
            leave.set()
            thread.join()
            assert Derived().name() == "ours of base"
    if first_in_leaves_first:
        assert Derived().name() == "base" and "name" in vars(Derived)
        leave.set()
        thread.join()
    assert left == ["other of base"] and dict(vars(Derived)) == before


def test_an_inherited_function_has_the_stand_in_that_another_thread_put_into_the_base():
    with standing_in([StandIn([Derived], "name", of("ours"))]):

        def other():
            with standing_in([StandIn([Base], "name", of("theirs"))]):
                return Derived().name(), Base().name()

        assert in_thread(other) == ("theirs of base", "theirs of base")
        assert Derived().name() == "ours of base"
    assert "name" not in vars(Derived)


def test_a_module_that_took_the_dispatcher_along_calls_the_original_and_has_later_stand_ins():
    module, taker = types.ModuleType("module"), types.ModuleType("taker")
    module.function = original = lambda: "original"
    with standing_in([StandIn([module], "function", of("first"))]):
        taker.function = module.function
    assert module.function is original and plain(taker.function) is original
    assert taker.function() == "original"
    with standing_in([StandIn([module, taker], "function", of("second"))]):
        assert taker.function() == module.function() == "second of original"
    assert taker.function() == "original"


def test_what_somebody_else_has_put_in_since_stays():
    module = types.ModuleType("module")
    module.function = lambda: "original"
    with standing_in([StandIn([module], "function", of("ours"))]):
        module.function = theirs = lambda: "theirs"
    assert module.function is theirs


def test_everything_is_back_after_an_error_while_it_is_put_in():
    before = dict(vars(Base))
    with pytest.raises(AttributeError), standing_in(
        [StandIn([Base], "name", of("ours")), StandIn([Base], "missing", of("ours"))]
    ):
        pass
    assert dict(vars(Base)) == before


def test_many_threads_that_come_and_go_leave_what_was_there():
    own, before = torch.sort, dict(vars(torch.Tensor))

    def work(number):
        for _ in range(300):
            with standing_in(
                StandIn([owner], "sort", lambda original, values: (original(values)[0] + number, None))
                for owner in (torch, torch.Tensor)
            ):
                assert torch.sort(torch.zeros(2))[0][0] == torch.zeros(2).sort()[0][0] == number

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        together([lambda number=number: work(number) for number in range(8)])
    finally:
        sys.setswitchinterval(interval)
    assert torch.sort is own and dict(vars(torch.Tensor)) == before
