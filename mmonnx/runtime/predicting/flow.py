"""Pictures through the network without waiting: some are read while others are in it, and others again are written.

Each picture goes through three stages: ``prepare`` (read, resize) and ``finish`` (write down what was found, draw,
encode) in some threads, ``run`` (the network) in others or the same ones, in batches of pictures of one size. OpenCV
and the runtimes release Python's lock in them. Whenever the network can take one more batch, it gets the pictures of
the size that has waited longest, as many as are there; but while all threads have something to read, full batches
alone, as these take it less time. They come out in the order in which they went in.

Whoever asks for the results may be interrupted at any moment, and the threads have to end then. So only these take the
lock, and ``concurrent.futures``, whose pools have their callers take one, is not for this: Ctrl-C between taking a
lock and the block that gives it back leaves all others waiting for ever. A ``SimpleQueue`` is one step.
"""

import threading
from collections import deque
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import (
    Any,
    Callable,
    Deque,
    Dict,
    Generator,
    Generic,
    Hashable,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    TypeVar,
)

from ...support import InputError

_HELD_BYTES = 16 << 20
"""Of the pictures that wait: no further one is read while there are more, but for two batches for each lane."""
T = TypeVar("T")
_Call = Optional[Callable[[], None]]


@dataclass(frozen=True)
class Limits:
    """How much goes on at the same time.

    Attributes:
        workers: threads that read, and that write down.
        lanes: batches in the network.
        pixels: of the network's input, in all lanes together; a batch by itself may have more.
        batch: how many pictures of so many pixels are in a batch.
        ahead: the length of the queue: pictures from the one that is read to the one that is written, at most.
        shared: the workers run the network as well; else each lane has a thread of its own.
    """

    workers: int
    lanes: int
    pixels: int
    batch: Callable[[int], int]
    ahead: int
    shared: bool = False


@dataclass(frozen=True)
class Loaded:
    """A picture that is ready for the network.

    Attributes:
        value: what ``run`` and ``finish`` get.
        group: pictures with the same one may be in one batch.
        pixels: of the network's input.
        bytes: of memory.
    """

    value: Any
    group: Hashable
    pixels: int
    bytes: int


class _Slot:
    """A picture on its way."""

    def __init__(self, number: int, item: Any) -> None:
        self.number, self.item = number, item
        self.loaded: Any = None
        self.result: Any = None
        self.error: Optional[BaseException] = None
        self.done = False


class Flow(Generic[T]):
    """The stages, and what is on its way through them; for one run.

    Args:
        prepare: from an item to what is ready for the network.
        run: from the values of a batch to what was found, one each.
        finish: from an item, its value and what was found to the result.
        limits: how much goes on at the same time.
    """

    def __init__(
        self,
        prepare: Callable[[T], Loaded],
        run: Callable[[Sequence[Any]], Sequence[Any]],
        finish: Callable[[T, Any, Any], Any],
        limits: Limits,
    ) -> None:
        self._prepare, self._run, self._finish, self._limits = prepare, run, finish, limits
        # of whoever asks
        self._slots: Deque[_Slot] = deque()  # in order, until each is handed out
        self._item_count = 0
        # between that one and the threads
        self._pictures: SimpleQueue[_Call] = SimpleQueue()
        self._batches: SimpleQueue[_Call] = self._pictures if limits.shared else SimpleQueue()
        self._changed: SimpleQueue[None] = SimpleQueue()  # an entry for each change since somebody looked
        self._broken: Optional[BaseException] = None
        self._stopped = False
        # of the threads, within the lock
        self._lock = threading.Lock()
        self._waiting: Dict[Hashable, Deque[_Slot]] = {}  # ready for the network, by group
        self._read_count = self._held = self._batch_bytes = self._lanes = self._pixels = 0

    def results(self, items: Iterable[T]) -> Generator[Any, None, None]:
        """Take items through the stages.

        Yields:
            (item, result, None), or (item, None, error) for an ``InputError`` of a stage, in the order of the items.

        Raises:
            Exception: any other error of a stage.
        """
        threads: List[threading.Thread] = []
        try:
            lanes = 0 if self._limits.shared else self._limits.lanes
            for calls, count in ((self._pictures, self._limits.workers), (self._batches, lanes)):
                for _ in range(count):
                    threads.append(threading.Thread(target=self._work, args=(calls,), name="mmonnx-predict"))
                    threads[-1].start()
            for item in items:
                yield from self._until(self._has_room)
                slot = _Slot(self._item_count, item)
                self._item_count += 1
                self._slots.append(slot)
                self._pictures.put(partial(self._read, slot))
            yield from self._until(lambda: False)
        finally:
            self._stopped = True
            self._pictures.put(None)
            for thread in threads:
                if thread.is_alive():
                    thread.join()

    def _until(self, enough: Callable[[], bool]) -> Iterator[Any]:
        """Hand out what is done, until there is enough room for more or nothing is left."""
        while self._slots:
            while not self._changed.empty():
                self._changed.get()
            if self._broken is not None:
                raise self._broken
            if self._slots[0].done:
                slot = self._slots.popleft()
                if slot.error is not None and not isinstance(slot.error, InputError):
                    raise slot.error
                yield slot.item, slot.result, slot.error
            elif enough():
                return
            else:
                self._changed.get()

    def _has_room(self) -> bool:
        """Whether one more picture may be read; few are at a time, as nobody knows yet how large they become."""
        reading = self._item_count - self._read_count
        few = len(self._slots) < self._limits.ahead and reading <= 2 * self._limits.workers
        return few and self._held < max(_HELD_BYTES, 2 * self._limits.lanes * self._batch_bytes)

    def _work(self, calls: "SimpleQueue[_Call]") -> None:
        """What a thread does: all calls, until there is None, which is told to all others."""
        while True:
            call = calls.get()
            if call is None:
                self._pictures.put(None)
                self._batches.put(None)
                return
            try:
                if not self._stopped:
                    call()
            except BaseException as error:  # no stage's: a picture is lost here, and nobody may wait for it
                self._broken = error
                self._changed.put(None)

    def _read(self, slot: _Slot) -> None:
        try:
            loaded = self._prepare(slot.item)
        except BaseException as error:
            self._end(slot, error=error)
            loaded = None
        with self._lock:
            self._read_count += 1
            if loaded is not None:
                slot.loaded = loaded
                self._held += loaded.bytes
                self._batch_bytes = self._limits.batch(loaded.pixels) * loaded.bytes
                self._waiting.setdefault(loaded.group, deque()).append(slot)
            self._fill_lanes()
        self._changed.put(None)

    def _fill_lanes(self) -> None:
        """Give the network batches while it can take some; within the lock."""
        while not self._stopped:
            group = self._next_group()
            if group is None:
                return
            slots, pixels = self._waiting[group], self._waiting[group][0].loaded.pixels
            count = min(self._limits.batch(pixels), len(slots))
            full = self._lanes == self._limits.lanes or self._pixels + count * pixels > self._limits.pixels
            if self._lanes and full:
                return
            batch = [slots.popleft() for _ in range(count)]
            if not slots:
                del self._waiting[group]
            self._lanes += 1
            self._pixels += count * pixels
            self._batches.put(partial(self._infer, batch))

    def _next_group(self) -> Optional[Hashable]:
        """That of a full batch, or of any while a thread has nothing to read; the one that has waited longest."""
        idle = self._item_count - self._read_count + self._lanes < self._limits.workers
        ready = [
            group
            for group, slots in self._waiting.items()
            if idle or len(slots) >= self._limits.batch(slots[0].loaded.pixels)
        ]
        return min(ready, key=lambda group: self._waiting[group][0].number, default=None)

    def _infer(self, batch: List[_Slot]) -> None:
        found = self._found(batch)
        with self._lock:
            self._lanes -= 1
            self._pixels -= sum(slot.loaded.pixels for slot in batch)
            self._fill_lanes()
        for slot, one in zip(batch, found):
            if isinstance(one, BaseException):
                self._end(slot, error=one)
            else:
                self._pictures.put(partial(self._write, slot, one))

    def _found(self, batch: Sequence[_Slot]) -> List[Any]:
        """What the network finds in each; where it refuses a batch, the others are not to pay for one."""
        try:
            found = list(self._run([slot.loaded.value for slot in batch]))
            if len(found) != len(batch):
                raise RuntimeError(f"the network gave {len(found)} answers for {len(batch)} pictures")
            return found
        except InputError as error:
            return [error] if len(batch) == 1 else [one for slot in batch for one in self._found([slot])]
        except BaseException as error:
            return [error] * len(batch)

    def _write(self, slot: _Slot, found: Any) -> None:
        try:
            result = self._finish(slot.item, slot.loaded.value, found)
        except BaseException as error:
            self._end(slot, error=error)
        else:
            self._end(slot, result)

    def _end(self, slot: _Slot, result: Any = None, error: Optional[BaseException] = None) -> None:
        with self._lock:
            self._held -= slot.loaded.bytes if slot.loaded is not None else 0
        slot.result, slot.error, slot.loaded = result, error, None
        slot.done = True
        self._changed.put(None)
