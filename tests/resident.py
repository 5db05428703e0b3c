"""Memory of this process, for tests of what is kept."""

import mmap
from pathlib import Path

import pytest

_STATM = Path("/proc/self/statm")

needs_resident = pytest.mark.skipif(not _STATM.exists(), reason="memory is read off /proc")


def resident() -> int:
    """Bytes of this process that lie in memory now."""
    return int(_STATM.read_text().split()[1]) * mmap.PAGESIZE
