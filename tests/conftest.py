"""What all tests share."""

import inspect
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))  # models.py

# Each registry of an old mmcv takes inspect.stack(), which reads the sources of all that is on it: a minute an import.
inspect.stack.__defaults__ = (0,)
