"""Upstream's ``tools/deployment/pytorch2onnx.py``, of mmdet and of mmcls, in one: see ``mmonnx export --help``."""

import sys

from mmonnx.cli import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
