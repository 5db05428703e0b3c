"""Files that appear whole or not at all."""

import contextlib
import itertools
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Union

from .errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PathLike = Union[str, "os.PathLike[str]"]
_PREFIX = ".mmonnx-"
_ENDING = ("SIGTERM", "SIGHUP")


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Give a private path to write to; it takes the place of ``path`` in one step when the block succeeds.

    If the block fails (SIGTERM and Ctrl-C included), what was at ``path`` is untouched and nothing is left behind. A
    missing folder is made when the file is about to be written. Killed outright (SIGKILL), the process leaves ``path``
    as it was, and a hidden folder beside it, which the next one that writes there removes.

    Args:
        path: the file to write; what is there is replaced, its permissions are kept.

    Yields:
        A path in a folder beside it, with the same name, where no file is yet.

    Raises:
        InputError: the folder cannot be made or written to.
        OSError: the file cannot be written (a full disk).
    """
    with replacing_many() as place:
        yield place(path)


class Staged:
    """Files on their way to their names, see ``replacing_many``."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._numbers = itertools.count()
        self._private: Dict[Path, Path] = {}
        self._places: Dict[Path, Path] = {}
        self._made: List[Path] = []
        self._done = False

    def __call__(self, path: PathLike) -> Path:
        """The private path to write a file to; the same one each time, until the file is put in place.

        Raises:
            InputError: its folder cannot be made or written to.
        """
        target = Path(path).resolve()
        if target not in self._places:
            check_writable(target)
            folder = target.parent
            if folder not in self._private:
                self._made[:0] = _make_folder(folder)
                self._private[folder] = self._stack.enter_context(_private_folder(folder))
            # by its own name, as some formats go by it; in a folder of its own, as two may differ in little else
            inner = self._private[folder] / str(next(self._numbers))
            inner.mkdir()
            self._places[target] = inner / target.name
        return self._places[target]

    def put(self, path: PathLike) -> None:
        """Put one file in place now, whatever becomes of the others; the disk is not waited for."""
        target = Path(path).resolve()
        temporary = self._places.pop(target)
        temporary.chmod(_mode(target, temporary))
        os.replace(str(temporary), str(target))
        temporary.parent.rmdir()
        self._done = True

    def put_all(self) -> None:
        """Put in place all that are not there yet."""
        for target, temporary in self._places.items():
            _sync(temporary)
            temporary.chmod(_mode(target, temporary))
        for target, temporary in self._places.items():
            os.replace(str(temporary), str(target))
            self._done = True
        for folder in self._private:
            _sync(folder)

    def remove_folders(self) -> None:
        """Remove the folders that were made, where nothing came into them."""
        if not self._done:
            _remove_folders(self._made)


@contextlib.contextmanager
def replacing_many() -> Iterator[Staged]:
    """As ``replacing``, for files that appear together: none of them does if the block fails.

    Yields:
        A function from the path of a file to the private one to write to; raises as ``replacing`` does. Its ``put`` is
        for a file that is to be there even if the block fails.
    """
    with contextlib.ExitStack() as stack, ending_signals_exit():
        staged = Staged(stack)
        stack.callback(staged.remove_folders)
        yield staged
        staged.put_all()


def check_writable(path: PathLike) -> None:
    """Refuse early a file that could not be written at the end; makes nothing, leaves nothing.

    Raises:
        InputError: ``path`` is a folder or a device, or its folder cannot be made or written to.
    """
    target = Path(path).resolve()
    try:
        _check_kind(target, path)
        folder = target.parent
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise InputError(f"'{folder}' is a file, so '{path}' cannot be written", "a folder", "give another path")
        # A try, not os.access: the answer of the latter is wrong for read-only and network file systems.
        with tempfile.TemporaryFile(dir=str(folder)):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"'{path}' cannot be written ({reason})",
            f"write access to '{target.parent}'",
            "give another path or change its permissions",
        ) from error


def _check_kind(target: Path, path: PathLike) -> None:
    if target.is_dir():
        raise InputError(f"'{path}' is a folder", "the path of a file", "give the file's name too")
    # A file would take the place of /dev/null. Asked of the path as given, too: what /dev/stdout is a link to may be a
    # pipe, and of pipes only the link leads there.
    if any(one.exists() and not one.is_file() for one in (target, Path(path))):
        raise InputError(f"'{path}' is a device or a pipe", "the path of an ordinary file", "give another path")


@contextlib.contextmanager
def _private_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder inside of another one, which is gone in the end; those of processes that were killed go too.

    While its process lives, it holds a lock on it.
    """
    _remove_leftovers(folder)
    descriptor = private = None
    while private is None:
        private = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=str(folder)))
        try:
            descriptor = _lock(private)
        except OSError:  # another process took it for a leftover before it was locked
            private = None
    try:
        yield private
    finally:
        shutil.rmtree(str(private), ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def _remove_leftovers(folder: Path) -> None:
    for entry in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody holds it, or it is none of ours
            descriptor = _lock(entry)
            if descriptor is not None:
                shutil.rmtree(str(entry), ignore_errors=True)
                os.close(descriptor)


def _lock(folder: Path) -> Optional[int]:
    """Lock a folder until the descriptor is closed; None where the disk, or the system, has no such locks.

    Raises:
        OSError: it is locked already, or gone.
    """
    if fcntl is None:
        return None
    descriptor = os.open(str(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(str(folder))):
            return descriptor
        raise FileNotFoundError(str(folder))
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, (BlockingIOError, FileNotFoundError)):
            raise
        return None


def lock(descriptor: int) -> None:
    """Hold an open file alone until it is closed, where the system and the disk know locks.

    Raises:
        BlockingIOError: another process holds it.
    """
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # no such locks on this disk
        pass


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process is inside of this for the same folder, where the disk knows locks."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            descriptor = os.open(str(folder), os.O_RDONLY)
            stack.callback(os.close, descriptor)
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _make_folder(folder: Path) -> List[Path]:
    """Make a folder and its parents; the ones that were made, innermost first."""
    made = []
    missing = folder
    while not missing.exists():
        made.append(missing)
        missing = missing.parent
    folder.mkdir(parents=True, exist_ok=True)
    return made


def _remove_folders(made: List[Path]) -> None:
    for folder in made:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _sync(path: Path) -> None:
    """Have the disk hold what was written, so that a power cut cannot leave an empty file under the final name."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mode(target: Path, temporary: Path) -> int:
    """The permissions for a file: those of the one whose place it takes, else the usual ones."""
    return target.stat().st_mode & 0o7777 if target.exists() else _usual_mode(temporary.parent)


def _usual_mode(folder: Path) -> int:
    """The permissions that a new file in a folder of ours gets.

    Python tells the umask only by setting it, and files that other threads make meanwhile would be open to everybody.
    """
    probe = folder / f"{_PREFIX}mode"
    probe.touch()
    mode = probe.stat().st_mode & 0o7777
    probe.unlink()
    return mode


@contextlib.contextmanager
def ending_signals_exit() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, so that ``finally`` runs; those that nobody else handles."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def leave(number: int, frame: object) -> None:
        if os.getpid() != owner:
            # A fork has inherited this, such as a worker of the pool that mmdet's older eval_map ends at once: it would
            # unwind, and remove, what is its parent's.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise SystemExit(128 + number)

    numbers = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    taken = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
