"""Pictures through the network without waiting: some are read while others are in it, and others again are written.

Each picture goes through three stages: ``prepare`` (read, resize) and ``finish`` (write down what was found, draw,
encode) in one pool of threads, ``run`` (the network) in another one, in batches of pictures of one size. OpenCV and the
runtimes release Python's lock in them. A batch waits for nobody: whenever the network can take one more, it gets the
pictures of the size that has waited longest, as many as are there. They come out in the order in which they went in.
"""

import contextlib
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Limits:
    """How much goes on at the same time.

    Attributes:
        workers: threads that read, and that write down.
        lanes: batches in the network.
        pixels: of the network's input, in all lanes together; a batch by itself may have more.
        batch: how many pictures of so many pixels are in a batch.
        ahead: the length of the queue: pictures from the one that is read to the one that is written, at most.
    """

    workers: int
    lanes: int
    pixels: int
    batch: Callable[[int], int]
    ahead: int


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
        self._changed = threading.Condition()
        self._slots: Deque[_Slot] = deque()  # in order, until each is handed out
        self._waiting: Dict[Hashable, Deque[_Slot]] = {}  # ready for the network, by group
        self._reading = self._held = self._batch_bytes = self._lanes = self._pixels = 0
        self._stopped = False

    def results(self, items: Iterable[T]) -> Generator[Any, None, None]:
        """Take items through the stages.

        Yields:
            (item, result, None), or (item, None, error) for an ``InputError`` of a stage, in the order of the items.

        Raises:
            Exception: any other error of a stage.
        """
        with contextlib.ExitStack() as stack:
            self._workers = stack.enter_context(ThreadPoolExecutor(self._limits.workers, "mmonnx-picture"))
            self._network = stack.enter_context(ThreadPoolExecutor(self._limits.lanes, "mmonnx-network"))
            stack.callback(self._stop)
            for number, item in enumerate(items):
                yield from self._until(self._has_room)
                self._start(_Slot(number, item))
            yield from self._until(lambda: False)

    def _until(self, enough: Callable[[], bool]) -> Iterator[Any]:
        """Hand out what is done, until there is enough room for more or nothing is left."""
        while True:
            with self._changed:
                while self._slots and not self._slots[0].done and not enough():
                    self._changed.wait()
                slot = self._slots.popleft() if self._slots and self._slots[0].done else None
            if slot is None:
                return
            if slot.error is not None and not isinstance(slot.error, InputError):
                raise slot.error
            yield slot.item, slot.result, slot.error

    def _has_room(self) -> bool:
        """Whether one more picture may be read; few are at a time, as nobody knows yet how large they become."""
        few = len(self._slots) < self._limits.ahead and self._reading <= 2 * self._limits.workers
        return few and self._held < max(_HELD_BYTES, 2 * self._limits.lanes * self._batch_bytes)

    def _start(self, slot: _Slot) -> None:
        with self._changed:
            self._slots.append(slot)
            self._reading += 1
        self._workers.submit(self._in_stage, self._read, slot)

    def _in_stage(self, stage: Callable[..., None], slot: _Slot, *more: Any) -> None:
        """Do a stage of one picture, and keep what goes wrong for the one who waits for it."""
        try:
            if not self._stopped:
                stage(slot, *more)
        except BaseException as error:
            self._end(slot, error=error)

    def _read(self, slot: _Slot) -> None:
        try:
            slot.loaded = self._prepare(slot.item)
        finally:
            with self._changed:
                self._reading -= 1
                self._changed.notify_all()
        with self._changed:
            self._held += slot.loaded.bytes
            self._batch_bytes = self._limits.batch(slot.loaded.pixels) * slot.loaded.bytes
            self._waiting.setdefault(slot.loaded.group, deque()).append(slot)
            self._fill_lanes()

    def _fill_lanes(self) -> None:
        """Give the network batches while it can take some; within the lock."""
        while self._waiting and not self._stopped:
            group = min(self._waiting, key=lambda group: self._waiting[group][0].number)
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
            self._network.submit(self._infer, batch)

    def _infer(self, batch: List[_Slot]) -> None:
        try:
            found = self._found(batch)
        finally:
            with self._changed:
                self._lanes -= 1
                self._pixels -= sum(slot.loaded.pixels for slot in batch)
                self._fill_lanes()
        for slot, one in zip(batch, found):
            if isinstance(one, BaseException):
                self._end(slot, error=one)
            else:
                self._workers.submit(self._in_stage, self._write, slot, one)

    def _found(self, batch: Sequence[_Slot]) -> List[Any]:
        """What the network finds in each; where it refuses a batch, the others are not to pay for one."""
        if self._stopped:
            return []
        try:
            return list(self._run([slot.loaded.value for slot in batch]))
        except InputError as error:
            return [error] if len(batch) == 1 else [one for slot in batch for one in self._found([slot])]
        except BaseException as error:
            return [error] * len(batch)

    def _write(self, slot: _Slot, found: Any) -> None:
        self._end(slot, self._finish(slot.item, slot.loaded.value, found))

    def _end(self, slot: _Slot, result: Any = None, error: Optional[BaseException] = None) -> None:
        with self._changed:
            self._held -= slot.loaded.bytes if slot.loaded is not None else 0
            slot.result, slot.error, slot.done, slot.loaded = result, error, True, None
            self._changed.notify_all()

    def _stop(self) -> None:
        """Have the threads do nothing more than what they are at."""
        with self._changed:
            self._stopped = True
