"""How a data preprocessor of OpenMMLab 2.x normalises, as a ``Normalize`` transform of 1.x says it."""

from typing import Any, Dict, Optional


def norm_of_preprocessor(module: Any) -> Optional[Dict[str, Any]]:
    """The ``Normalize`` transform of a built data preprocessor; None where it leaves the values as they are."""
    # what loads a model needs onnx, which is imported when the first export starts
    from ...loading import norm_of

    mean, std = (getattr(module, name, None) for name in ("mean", "std"))
    settings = {
        "mean": None if mean is None else mean.flatten().tolist(),
        "std": None if std is None else std.flatten().tolist(),
        # mmpretrain's has another name for it
        "to_rgb": bool(getattr(module, "_channel_conversion", False) or getattr(module, "to_rgb", False)),
    }
    return norm_of(settings)
