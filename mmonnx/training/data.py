"""What the data of a running training tell about the model's input."""

from typing import Any, Dict, Optional


def find_norm(source: Any) -> Optional[Dict[str, Any]]:
    """The ``Normalize`` transform of a data loader's or a dataset's pipeline as a config has it; None if there is none.

    Args:
        source: a data loader, mmcv's ``IterLoader``, or a dataset, whatever datasets it may wrap.
    """
    for step in getattr(getattr(source, "pipeline", None), "transforms", ()):
        if type(step).__name__ == "Normalize":
            return dict(type="Normalize", mean=step.mean, std=step.std, to_rgb=step.to_rgb)
    inner = [getattr(source, name, None) for name in ("_dataloader", "dataset")]
    for part in inner + list(getattr(source, "datasets", None) or ()):
        found = find_norm(part) if part is not None else None
        if found is not None:
            return found
    return None
