"""``python -m mmonnx`` is the command ``mmonnx``."""

import sys

from .cli import main

sys.exit(main())
