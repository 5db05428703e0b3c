"""Whether an imported package of OpenMMLab's is a release that the plugin may touch.

What asks for versions imports torch, which every one of these packages has imported by then.
"""

from typing import Optional


def problem(package: str) -> Optional[str]:
    """Why a package that is imported is left as it is, with the releases that are not; None if it is one of these."""
    from ...environment import compat

    wrong = compat.unsupported(package)
    if wrong is None:
        return None
    wanted = compat.MEMBERS.get(package) or compat.SUPPORTED[package]
    return f"{wrong}, {package}{wanted}: importing mmonnx changes nothing in it"
