"""``mmonnx predict`` on many machines: Ray Data reads, shares out, starts again what died, and writes."""

from ...support import lazy
from .batches import BatchDetector

__all__ = ["BatchDetector", "predict_with_ray"]

# who has no Ray has the rest
__getattr__ = lazy(__name__, {"predict_with_ray": "run"})
