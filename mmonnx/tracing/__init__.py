"""From a Task to an ONNX model: torch's tracer inside of the rewrites, and what else the model gives on the way.

In: a ``Task``, an opset, an ``ExportContext``. Out: a ``ModelProto``; the probes that a verification looks at. Touched:
the model's hooks while it is traced; mode, weights and random state are as before afterwards.
"""

from .probes import POOLED, REGIONS, Probe, Recorder, poolings, probes_of, unaltered
from .regions import FirstPooling, PoolingCall, draw_regions, pooling_calls
from .tracer import faults_of, find_probes, in_export_here_alone, quiet, trace

__all__ = [
    "FirstPooling",
    "POOLED",
    "PoolingCall",
    "Probe",
    "REGIONS",
    "Recorder",
    "draw_regions",
    "faults_of",
    "find_probes",
    "in_export_here_alone",
    "pooling_calls",
    "poolings",
    "probes_of",
    "quiet",
    "trace",
    "unaltered",
]
