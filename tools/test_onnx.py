"""Upstream's ``tools/deployment/test.py``, of mmdet and of mmcls, in one: see ``mmonnx test --help``."""

import sys

from mmonnx.cli import main

if __name__ == "__main__":
    sys.exit(main(["test", *sys.argv[1:]]))
