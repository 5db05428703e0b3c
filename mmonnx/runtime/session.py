"""Running an ONNX model in ONNX Runtime."""

import contextlib
import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Union

import numpy as np

from ..support import InputError, first_line
from .providers import PROVIDERS, known_provider, parse_providers

if TYPE_CHECKING:  # who runs a file need not have it
    import onnx

# Only what ends the process: ONNX Runtime raises its errors as well, and its warnings (an initializer it removed) say
# nothing to someone who exports a model.
_LOG_FATAL = 4
_RECORD = "session.record_ep_graph_assignment_info"
"""Asks ONNX Runtime, from 1.24 on, to keep which provider got which nodes."""


class Session:
    """One loaded model.

    Args:
        model: the file's path, or the model itself.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        num_threads: threads within an operator; None leaves it to ONNX Runtime (one per core).
        custom_op_library: path of a library of custom operators, whose kernels come before a model's own functions.
        providers: execution providers in the place of a device, the preferred one first, each ``NAME`` or
            ``NAME:KEY=VALUE:...``, see ``providers``.
        sharing: threads sleep while there is nothing to do, where they spin otherwise, as the cores have other work.
        arena: keep what memory a run has used for the next one, which is then quicker where it is of the same size; of
            runs of several sizes each adds its own, up to twice.

    Raises:
        InputError: the device or a provider is unknown, or this ONNX Runtime cannot use it; or it cannot load the
            library.
        Exception: ONNX Runtime's own, for a model that it does not load.
    """

    def __init__(
        self,
        model: Union[str, "os.PathLike[str]", "onnx.ModelProto"],
        device: str = "cpu",
        num_threads: Optional[int] = None,
        custom_op_library: Optional[str] = None,
        providers: Sequence[str] = (),
        sharing: bool = False,
        arena: bool = True,
    ) -> None:
        # Imported here: it takes most of a second, and `mmonnx --help` or a mistyped path should not wait for it.
        import onnxruntime

        onnxruntime.set_default_logger_severity(_LOG_FATAL)
        onnxruntime.disable_telemetry_events()  # builds for Windows have some
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_FATAL
        options.enable_cpu_mem_arena = arena
        if num_threads is not None:
            options.intra_op_num_threads = num_threads
        if custom_op_library is not None:
            _register(options, custom_op_library, onnxruntime)
        if sharing:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry(_RECORD, "1")
        asked = _asked(providers, onnxruntime, options) if providers else _providers(device, onnxruntime)
        with _loadable(model) as source:
            self._session = onnxruntime.InferenceSession(source, options, providers=asked)
        # ONNX Runtime falls back to the CPU in silence when a provider's libraries do not load.
        first = asked[0] if isinstance(asked[0], str) else asked[0][0]
        if first not in self._session.get_providers():
            where = f"provider {providers[0]!r}" if providers else f"device {device!r}"
            raise InputError(
                f"ONNX Runtime could not start on {where}",
                f"the libraries of {first} that onnxruntime {onnxruntime.__version__} can load",
                "install them or use the CPU",
            )
        self.input_names: List[str] = [value.name for value in self._session.get_inputs()]
        self.output_names: List[str] = [value.name for value in self._session.get_outputs()]
        self._halves = {value.name for value in self._session.get_inputs() if value.type == "tensor(float16)"}
        self.optional_names: List[str] = [value.name for value in self._session.get_overridable_initializers()]

    def run(self, feeds: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Run once: the outputs by name. Whatever ONNX Runtime raises goes through.

        A file with inputs and outputs of float16 gets and gives float32 all the same.
        """
        if self._halves:
            feeds = {name: value.astype(np.float16) if name in self._halves else value for name, value in feeds.items()}
        found = dict(zip(self.output_names, self._session.run(None, feeds)))
        return {name: _whole(value) for name, value in found.items()} if self._halves else found

    @property
    def is_gpu(self) -> bool:
        """Whether it runs on a device with memory of its own."""
        return known_provider(self._session.get_providers()[0]).gpu

    @property
    def takes_calls_together(self) -> bool:
        """Whether ``run`` may be called while another call goes on, and gains by it."""
        return not any(known_provider(name).alone for name in self._session.get_providers())

    @property
    def title(self) -> str:
        """ONNX Runtime and its version, and the providers that run nodes of the model, with how many each."""
        import onnxruntime

        placed = self._placed()
        total = sum(placed.values())
        parts = [f"{name} ({count} of {total} nodes)" if total else name for name, count in placed.items()]
        return f"ONNX Runtime {onnxruntime.__version__} on {', '.join(parts)}"

    def _placed(self) -> Dict[str, int]:
        """How many nodes each provider has, the one with most first; the preferred one with 0 where nobody tells."""
        try:
            parts = self._session.get_provider_graph_assignment_info()
        except Exception:  # before ONNX Runtime 1.24
            return {self._session.get_providers()[0]: 0}
        counts: Dict[str, int] = {}
        for one in parts:
            counts[one.ep_name] = counts.get(one.ep_name, 0) + len(one.get_nodes())
        return dict(sorted(counts.items(), key=lambda pair: -pair[1]))

    @property
    def properties(self) -> Dict[str, str]:
        """The file's ``metadata_props``."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def input_shape(self, name: str) -> Sequence[Any]:
        """The shape of an input: a number where an axis is fixed, its name or None where it is not."""
        return next(value.shape for value in self._session.get_inputs() if value.name == name)

    def output_shape(self, name: str) -> Sequence[Any]:
        """The shape of an output, as ``input_shape``."""
        return next(value.shape for value in self._session.get_outputs() if value.name == name)

    def input_type(self, name: str) -> str:
        """The type of an input in ONNX Runtime's words, such as ``tensor(float)``."""
        return str(next(value.type for value in self._session.get_inputs() if value.name == name))

    def output_type(self, name: str) -> str:
        """The type of an output, as ``input_type``."""
        return str(next(value.type for value in self._session.get_outputs() if value.name == name))


def _whole(value: Any) -> Any:
    is_half = isinstance(value, np.ndarray) and value.dtype == np.float16
    return value.astype(np.float32) if is_half else value


@contextlib.contextmanager
def _loadable(model: Union[str, "os.PathLike[str]", "onnx.ModelProto"]) -> Iterator[Union[str, bytes]]:
    """What ONNX Runtime loads: a path, or a model's bytes; of one over 2 GiB the path of a temporary file."""
    if isinstance(model, (str, os.PathLike)):
        yield os.fspath(model)
        return
    from . import large  # who runs a file need not have onnx

    if large.is_over_limit(model):
        with large.on_disk(model) as path:
            yield path
    else:
        yield model.SerializeToString()


def has_cuda() -> bool:
    """Whether this ONNX Runtime was built for CUDA; its libraries may be missing all the same."""
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def mmcv_operator_library() -> Optional[str]:
    """The library of operators for ONNX Runtime that an installed mmcv-full was built with, if it was."""
    try:
        from mmcv.ops import get_onnxruntime_op_path
    except ImportError:  # other releases have none
        return None
    return get_onnxruntime_op_path() or None


def check_operator_library(path: str) -> None:
    """Refuse a library of operators that ONNX Runtime cannot load, with an ``InputError``, before time goes into it."""
    import onnxruntime

    if not os.path.isfile(path):
        raise InputError(f"operator library '{path}' is not a file", "a shared library", "give another path")
    _register(onnxruntime.SessionOptions(), path, onnxruntime)


def _register(options: Any, path: str, onnxruntime: Any) -> None:
    try:
        options.register_custom_ops_library(os.path.abspath(path))
    except Exception as error:  # ONNX Runtime has many
        raise InputError(
            f"onnxruntime {onnxruntime.__version__} cannot load the operator library '{path}' ({first_line(error)})",
            "a shared library of custom operators for this version, such as mmcv-full's _ext_ort",
            "give another path, or leave it out",
        ) from error


def _asked(providers: Sequence[str], onnxruntime: Any, options: Any) -> List[Any]:
    """The execution providers that were named, in ONNX Runtime's form; what they want of a session is set."""
    found = parse_providers(providers, onnxruntime.get_available_providers())
    if any(provider is PROVIDERS["directml"] for provider, _ in found):
        options.enable_mem_pattern = False
    if any(provider.package == "onnxruntime-gpu" for provider, _ in found):
        getattr(onnxruntime, "preload_dlls", lambda: None)()
    return [(provider.title, given) for provider, given in found]


def _providers(device: str, onnxruntime: Any) -> List[Any]:
    """The execution providers for a device, in ONNX Runtime's form."""
    kind, _, index = device.partition(":")
    if kind == "cpu" and not index:
        return ["CPUExecutionProvider"]
    if kind != "cuda" or (index and not index.isdigit()) or device.endswith(":"):
        raise InputError(f"device '{device}' is unknown", "cpu, cuda or cuda:N", "give one of these")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise InputError(
            f"device '{device}' is not available in onnxruntime {onnxruntime.__version__}",
            "a build with CUDA",
            "install onnxruntime-gpu in place of onnxruntime, or use --device cpu",
        )
    # Newer versions find the CUDA libraries that pip installed with torch, if asked.
    getattr(onnxruntime, "preload_dlls", lambda: None)()
    return [("CUDAExecutionProvider", {"device_id": int(index or 0)}), "CPUExecutionProvider"]
