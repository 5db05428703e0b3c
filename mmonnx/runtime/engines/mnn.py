"""MNN: the file is converted when it is loaded, as ``mnnconvert -f ONNX`` does it."""

import contextlib
import os
import tempfile
from typing import Any, Dict, Iterator, List, Sequence

import numpy as np

_TYPES = {"int64": np.int32, "uint64": np.int32, "uint32": np.int32, "bool": np.int32, "float64": np.float32}
"""What MNN makes of the types that it does not have."""
_WINOGRAD = 3
"""Its hint of how much memory Winograd convolutions may take (WINOGRAD_MEMORY_LEVEL); its Python has no name for it."""


def version() -> str:
    """The installed version; ImportError without one."""
    import MNN

    return str(MNN.version())


class Engine:
    """A file in MNN; arguments and errors are those of every engine, see ``engines.worker``."""

    def __init__(self, path: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        import MNN.nn

        self._inputs, self._outputs = list(inputs), list(outputs)
        options: Dict[str, Any] = {"shape_mutable": True, "runtime_manager": _exact_manager()}
        with _converted(path) as converted:
            self._module = MNN.nn.load_module_from_file(converted, self._inputs, self._outputs, **options)

    def run(self, feeds: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """The outputs by name, integers of 32 bits."""
        found: List[Any] = self._module.forward([_variable(feeds[name]) for name in self._inputs])
        return {name: _array(value) for name, value in zip(self._outputs, found)}


def _exact_manager() -> Any:
    """The processor, one thread, and convolutions as exact as any other runtime's.

    Of itself it takes Winograd's way for kernels of 3x3 in units as large as are fast: that is up to 1e-3 of the range
    off, which is no comparison of a file. Without it 1e-6 are left (3.6.1).
    """
    import MNN.nn

    manager = MNN.nn.create_runtime_manager(({"backend": "CPU", "precision": "high", "numThread": 1},))
    manager.set_hint(_WINOGRAD, 0)
    return manager


@contextlib.contextmanager
def _converted(path: str) -> Iterator[str]:
    """The path of the file that MNN loads, for as long as it is needed."""
    import _tools  # the compiled part of MNN.tools, whose own function asks for words in sys.argv

    with tempfile.TemporaryDirectory(prefix="mmonnx-") as folder:
        target = os.path.join(folder, "model.mnn")
        words = ["mnnconvert", "-f", "ONNX", "--modelFile", path, "--MNNModel", target, "--bizCode", "mmonnx"]
        _tools.mnnconvert(words)
        if not os.path.exists(target):
            raise RuntimeError("MNN cannot convert the file")
        yield target


def _variable(array: np.ndarray) -> Any:
    import MNN.expr

    array = np.ascontiguousarray(array, _TYPES.get(array.dtype.name, array.dtype))
    kinds = {"float32": MNN.expr.float, "int32": MNN.expr.int, "uint8": MNN.expr.uint8, "int8": MNN.expr.int8}
    return MNN.expr.const(array, list(array.shape), MNN.expr.NCHW, kinds[array.dtype.name])


def _array(value: Any) -> np.ndarray:
    import MNN.expr

    if value.data_format == MNN.expr.NC4HW4:  # its own order of channels
        value = MNN.expr.convert(value, MNN.expr.NCHW)
    if 0 in value.shape:
        return np.zeros(value.shape, np.float32)
    return np.array(value.read()).reshape(value.shape)
