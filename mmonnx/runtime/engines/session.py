"""A file in one of the other runtimes, as ``runtime.Session`` has it in ONNX Runtime."""

import contextlib
import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, Sequence, Union

import numpy as np

from ...support import first_line
from .child import EngineError
from .registry import find_engine
from .signature import signature_of

if TYPE_CHECKING:  # who runs a file need not have it
    import onnx


class EngineSession:
    """One loaded model; what it has is what ``Session`` has.

    Args:
        model: the file's path, or the model itself.
        name: the runtime's.

    Attributes:
        title: the runtime and its version, for example ``OpenVINO 2026.4``.

    Raises:
        InputError: the runtime is unknown, not installed or too old.
        EngineError: it does not load the file.
    """

    def __init__(self, model: Union[str, "os.PathLike[str]", "onnx.ModelProto"], name: str) -> None:
        engine = find_engine(name)
        self.title = engine.titled()
        source = os.fspath(model) if isinstance(model, (str, os.PathLike)) else model
        self._signature = signature_of(source)
        self._defaults: Dict[str, np.ndarray] = {}
        self._files = contextlib.ExitStack()
        path = self._prepared(source)
        inputs = [*self._signature.inputs, *self._defaults]
        with self._told():
            self._engine = engine.load(path, inputs, list(self._signature.outputs))
        self.input_names = list(self._signature.inputs)
        self.output_names = list(self._signature.outputs)
        self.optional_names = list(self._defaults)

    def run(self, feeds: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Run once: the outputs by name, in the types that the file declares.

        Raises:
            EngineError: the runtime refuses the inputs, dies, or does not give all outputs.
        """
        with self._told():
            found = self._engine.run({**self._defaults, **feeds})
            missing = [name for name in self.output_names if name not in found]
            if missing:
                raise EngineError(f"does not give output {missing[0]!r}")
        kinds = self._signature.outputs
        return {name: found[name].astype(kinds[name] or found[name].dtype, copy=False) for name in self.output_names}

    is_gpu = False
    takes_calls_together = False
    """As ``Session`` has them: an engine is on the CPU, and takes one call at a time."""

    @property
    def properties(self) -> Dict[str, str]:
        """The file's ``metadata_props``."""
        return self._signature.properties

    def input_shape(self, name: str) -> Sequence[Any]:
        """The shape of an input: a number where an axis is fixed, its name or None where it is not."""
        return self._signature.inputs[name]

    def _prepared(self, model: Union[str, "onnx.ModelProto"]) -> str:
        """The path of what the runtime loads, whose inputs with defaults have to be given: not all take such inputs."""
        if isinstance(model, str) and not self._signature.optional:
            return model
        try:
            import onnx

            from .. import large
        except ImportError:  # the defaults stay what they are
            assert isinstance(model, str)
            return model
        whole = onnx.ModelProto()
        whole.CopyFrom(onnx.load(model) if isinstance(model, str) else model)
        for index, tensor in reversed(list(enumerate(whole.graph.initializer))):
            if tensor.name in self._signature.optional:
                self._defaults[tensor.name] = onnx.numpy_helper.to_array(tensor)
                del whole.graph.initializer[index]
        # in one file wherever an export writes one: not all of them read weights that are beside it
        return self._files.enter_context(large.on_disk(whole, large.LIMIT))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Say whose an error is."""
        try:
            yield
        except Exception as error:  # each runtime has its own
            raise EngineError(f"{self.title}: {first_line(error)}") from error

    def __del__(self) -> None:
        files: contextlib.ExitStack = getattr(self, "_files", contextlib.ExitStack())
        files.close()
