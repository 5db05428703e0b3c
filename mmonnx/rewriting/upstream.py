"""Whose code the rewrites answer for."""

from typing import Set

PACKAGES: Set[str] = {
    "mmaction",
    "mmcls",
    "mmcv",
    "mmdet",
    "mmedit",
    "mmengine",
    "mmocr",
    "mmpose",
    "mmpretrain",
    "mmrotate",
    "mmseg",
}
"""Packages of upstream's: what their own code takes out of a trace, the stand-ins know."""


def trust(package: str) -> None:
    """Count one more package among them: a codebase with stand-ins of its own brings it."""
    PACKAGES.add(package)
