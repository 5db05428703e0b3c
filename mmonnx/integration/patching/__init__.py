"""``mmonnx patch``: the diffs of ``patches/``, applied to an installed package or a checkout, and taken back.

The way of the data: ``series`` and ``diff`` read the patches, ``target`` finds the package, ``plan`` works out in
memory what each file becomes, and ``transaction`` writes all of it or nothing. ``record`` is what stays in the package.
"""

from .command import PatchSettings, patch

__all__ = ["PatchSettings", "patch"]
