"""What all tests share."""

import inspect
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "fallback")]  # models.py and kernels.py

# Each registry of an old mmcv takes inspect.stack(), which reads the sources of all that is on it: a minute an import.
inspect.stack.__defaults__ = (0,)
