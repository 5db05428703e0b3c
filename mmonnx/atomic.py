"""Files that appear whole or not at all."""

import contextlib
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path
from typing import Iterator, List, Union

from mmonnx.errors import InputError


@contextlib.contextmanager
def replacing(path: Union[str, "os.PathLike[str]"]) -> Iterator[Path]:
    """Give a private path to write to; it takes the place of ``path`` in one step when the block succeeds.

    If the block fails (SIGTERM and Ctrl-C included), what was at ``path`` is untouched and nothing is left behind. A
    missing folder is made when the file is about to be written. Killed outright (SIGKILL), the process leaves ``path``
    as it was, and a hidden temporary file beside it.

    Args:
        path: the file to write; what is there is replaced, its permissions are kept.

    Yields:
        A path in the same folder, with the same suffix, where no file is yet.

    Raises:
        InputError: the folder cannot be made or written to.
        OSError: the file cannot be written (a full disk).
    """
    target = Path(path).resolve()
    check_writable(target)
    made = _make_folder(target.parent)
    private = Path(tempfile.mkdtemp(prefix=".mmonnx-", dir=str(target.parent)))
    temporary = private / target.name
    done = False
    try:
        with _sigterm_exits():
            yield temporary
            _sync(temporary)
            temporary.chmod(target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask())
            os.replace(str(temporary), str(target))
            done = True
            _sync(target.parent)
    finally:
        shutil.rmtree(str(private), ignore_errors=True)
        if not done:
            for folder in made:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def check_writable(path: Union[str, "os.PathLike[str]"]) -> None:
    """Refuse early a file that could not be written at the end; makes nothing, leaves nothing.

    Raises:
        InputError: ``path`` is a folder, or its folder cannot be made or written to.
    """
    target = Path(path).resolve()
    if target.is_dir():
        raise InputError(f"'{path}' is a folder", "the path of a file", "give the file's name too")
    folder = target.parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise InputError(f"'{folder}' is a file, so '{path}' cannot be written", "a folder", "give another path")
    try:
        # A try, not os.access: the answer of the latter is wrong for read-only and network file systems.
        with tempfile.TemporaryFile(dir=str(folder)):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"'{path}' cannot be written ({reason})",
            f"write access to '{folder}'",
            "give another path or change its permissions",
        ) from error


def _make_folder(folder: Path) -> List[Path]:
    """Make a folder and its parents; the ones that were made, innermost first."""
    made = []
    missing = folder
    while not missing.exists():
        made.append(missing)
        missing = missing.parent
    folder.mkdir(parents=True, exist_ok=True)
    return made


def _sync(path: Path) -> None:
    """Have the disk hold what was written, so that a power cut cannot leave an empty file under the final name."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def _sigterm_exits() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that ``finally`` runs; where signals can be set and nobody else handles it."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
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

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
