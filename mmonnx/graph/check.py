"""Whether a model is whole: it passes ONNX's checker, loads and runs."""

from typing import Dict, Sequence

import numpy as np
import onnx

from ..errors import ExportError
from ..runtimes.onnxruntime import Session


def check_runs(model: onnx.ModelProto, feeds: Sequence[Dict[str, np.ndarray]]) -> None:
    """Load a model in ONNX Runtime and run it on every one of the feeds.

    Raises:
        ExportError: it is not valid, does not load or does not run.
    """
    try:
        onnx.checker.check_model(model)
        session = Session(model)
        for feed in feeds:
            session.run(feed)
    except Exception as error:  # the checker, protobuf and ONNX Runtime each have errors of their own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExportError(f"the traced model does not run in ONNX Runtime: {reason}") from error
