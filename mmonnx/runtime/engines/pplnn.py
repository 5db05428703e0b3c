"""PPLNN on the CPU: ``pyppl``, which is built from OpenPPL's sources."""

from typing import Any, Dict, Sequence

import numpy as np


def version() -> str:
    """The installed version, empty where it does not say; ImportError without one."""
    from pyppl import nn

    return str(nn.GetVersionString()) if hasattr(nn, "GetVersionString") else ""


class Engine:
    """A file in PPLNN; arguments and errors are those of every engine, see ``engines.worker``."""

    def __init__(self, path: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        from pyppl import common, nn

        nn.SetLoggingLevel(common.LOG_LEVEL_ERROR)
        self._engine = nn.x86.EngineFactory.Create(nn.x86.EngineOptions())
        builder = nn.onnx.RuntimeBuilderFactory.Create()
        _checked(common, builder.LoadModelFromFile(path), "load the file")
        resources = nn.onnx.RuntimeBuilderResources()
        resources.engines = [self._engine]
        _checked(common, builder.SetResources(resources), "take its engine")
        _checked(common, builder.Preprocess(), "prepare the file")
        self._runtime = builder.CreateRuntime()
        if not self._runtime:
            raise RuntimeError("PPLNN cannot make a runtime of the file")
        self._common = common

    def run(self, feeds: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """The outputs by name."""
        for index in range(self._runtime.GetInputCount()):
            tensor = self._runtime.GetInputTensor(index)
            # it reads the buffer as it lies there
            array = np.ascontiguousarray(feeds[tensor.GetName()])
            _checked(self._common, tensor.ConvertFromHost(array), f"take input {tensor.GetName()!r}")
        _checked(self._common, self._runtime.Run(), "run the file")
        tensors = [self._runtime.GetOutputTensor(index) for index in range(self._runtime.GetOutputCount())]
        return {tensor.GetName(): _array(tensor) for tensor in tensors}


def _array(tensor: Any) -> np.ndarray:
    shape = tensor.GetShape()
    dims = [] if shape.IsScalar() else list(shape.GetDims())
    if 0 in dims:
        return np.zeros(dims, np.float32)
    return np.array(tensor.ConvertToHost(), copy=True).reshape(dims)


def _checked(common: Any, status: Any, what: str) -> None:
    if status != common.RC_SUCCESS:
        raise RuntimeError(f"PPLNN cannot {what}: {common.GetRetCodeStr(status)}")
