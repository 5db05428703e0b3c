"""OpenVINO, on the CPU and in float32, in this process."""

from typing import Any, Dict, Sequence

import numpy as np


def version() -> str:
    """The installed version; ImportError without one."""
    import openvino

    return str(openvino.__version__).split("-")[0]


class Engine:
    """A file in OpenVINO; arguments and errors are those of every engine, see ``engines.worker``."""

    def __init__(self, path: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        import openvino

        # Of itself it computes in bfloat16 where a processor can, which is no comparison of a file.
        hints = {"INFERENCE_PRECISION_HINT": "f32"}
        self._model = openvino.Core().compile_model(path, "CPU", hints)
        self._outputs = list(outputs)

    def run(self, feeds: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """The outputs by name."""
        found: Any = self._model(feeds)
        # copies: the arrays are the next run's as well
        return {name: np.array(found[name]) for name in self._outputs}
