"""How much memory there is, and refusing what would take more."""

from pathlib import Path
from typing import Iterator, Optional, Tuple

from .errors import InputError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

MAX_PIXELS = 1 << 26
"""Of an image that a network gets."""
_BYTES = 200
"""That a pixel of the input takes, about: itself, its copies, and the network's maps (60 to 400 were measured)."""
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def check_images(batch: int, shape: Tuple[int, int]) -> None:
    """Refuse a network's input that is enormous.

    Args:
        batch: images.
        shape: (height, width) in pixels.

    Raises:
        InputError: an image is too large, or there is no memory for all of them.
    """
    pixels, size = shape[0] * shape[1], f"{shape[0]}x{shape[1]}"
    if pixels > MAX_PIXELS:
        raise InputError(f"a --shape of {size} is too large", f"at most {MAX_PIXELS} pixels", "give a smaller one")
    what = f"a --batch of {batch} images of {size}"
    check_memory(_BYTES * batch * pixels, what, "give a smaller --batch or --shape")


def check_memory(needed: int, what: str, fix: str) -> None:
    """Refuse what needs more memory than there is, before the machine has none left.

    Args:
        needed: bytes, about.
        what: what needs them.
        fix: what to do, as an imperative.

    Raises:
        InputError: there are fewer.
    """
    there = available_memory()
    if there is not None and needed > there:
        least, most = (f"{size / 2**30:.1f} GiB" for size in (needed, there))
        raise InputError(f"{what} needs about {least} of memory", f"at most the {most} that are free", fix)


def available_memory() -> Optional[int]:
    """Bytes that can be had without swapping, and by the limits of a container or a shell; None if nobody says."""
    return min(_available(), default=None)


def _available() -> Iterator[int]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        yield next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):  # not Linux
        pass
    for path in _LIMITS:
        try:
            yield int(Path(path).read_text())
        except (OSError, ValueError):  # no such group, or it has no limit
            continue
    limit = resource.getrlimit(resource.RLIMIT_AS)[0] if resource else -1
    if resource and limit != resource.RLIM_INFINITY:
        yield max(limit - _own_size(), 0)


def _own_size() -> int:
    """Bytes of this process's address space; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
