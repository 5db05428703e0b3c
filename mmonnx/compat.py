"""Everything that asks for a version, and nothing else."""

import importlib
import inspect
import io
import pickle
import re
import sys
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib import metadata
from typing import Any, Callable, Collection, ContextManager, Dict, Iterator, List, NamedTuple, Optional, Tuple

import torch

from .errors import ExportError, InputError
from .shell import command_line


def version_tuple(version: str) -> Tuple[int, ...]:
    """The leading numbers of a version, ``1.13.1+cpu`` -> (1, 13, 1)."""
    numbers = []
    for part in version.split("+")[0].split("."):
        digits = "".join(ch for ch in part if ch.isdigit())
        if not part[:1].isdigit():
            break
        numbers.append(int(digits))
    return tuple(numbers)


TORCH = version_tuple(torch.__version__)


class Range(NamedTuple):
    """The releases of a package that mmonnx works with: from ``oldest`` on, up to and without ``end`` if there is one.

    Attributes:
        names: the distributions that install the package.
    """

    oldest: Tuple[int, ...]
    end: Optional[Tuple[int, ...]]
    names: Tuple[str, ...]

    def __str__(self) -> str:
        end = "" if self.end is None else f",<{_dotted(self.end)}"
        return f">={_dotted(self.oldest)}{end}"


SUPPORTED = {
    "torch": Range((1, 8), None, ("torch",)),
    "mmcv": Range((1, 3, 8), (2,), ("mmcv-full", "mmcv")),
    "mmdet": Range((2, 14), (3,), ("mmdet",)),
    "mmcls": Range((0, 12), (1,), ("mmcls",)),
}


def _dotted(version: Tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def installed_version(package: str) -> Optional[str]:
    """The version of a package of ``SUPPORTED``, without importing it; None if it is not installed."""
    if package in sys.modules:
        return getattr(sys.modules[package], "__version__", None)
    for name in SUPPORTED[package].names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def check_versions() -> None:
    """Refuse packages that are too old or too new; one that is not installed is no matter here.

    Raises:
        InputError: a version lies outside of its range.
    """
    for package, wanted in SUPPORTED.items():
        version = installed_version(package)
        if version is None:
            continue
        numbers = version_tuple(version)
        if numbers < wanted.oldest or (wanted.end is not None and numbers >= wanted.end):
            command = command_line("pip", "install", f"{wanted.names[0]}{wanted}")
            raise InputError(
                f"{package} {version} is outside of what mmonnx works with",
                f"{package}{wanted}",
                f"{command} in an environment of its own (whole sets: requirements/)",
            )


def keeps_proposals_of_the_minimum() -> bool:
    """Whether the RPN keeps proposals as small as ``min_bbox_size``, and filters none if that is 0 (mmdet 2.14)."""
    version = installed_version("mmdet")
    return version is not None and version_tuple(version) < (2, 15)


def export_kwargs(large: bool = False) -> Dict[str, Any]:
    """Arguments of ``torch.onnx.export`` that this torch needs beside the ordinary ones.

    Args:
        large: the model is over 2 GiB: its weights are to be beside the file.
    """
    parameters = inspect.signature(torch.onnx.export).parameters
    kwargs: Dict[str, Any] = {}
    if "dynamo" in parameters:  # from 2.9 on the default is the exporter that does not trace
        kwargs["dynamo"] = False
    if "enable_onnx_checker" in parameters and TORCH < (1, 10):  # refuses operators of custom domains
        kwargs["enable_onnx_checker"] = False
    if large and "use_external_data_format" in parameters and TORCH < (1, 11):  # later ones know it by themselves
        kwargs["use_external_data_format"] = True
    return kwargs


def max_opset() -> int:
    """The newest opset that this torch's tracing exporter writes."""
    try:
        from torch.onnx._constants import ONNX_TORCHSCRIPT_EXPORTER_MAX_OPSET as newest  # torch >= 2.7
    except ImportError:
        try:
            from torch.onnx._constants import ONNX_MAX_OPSET as newest  # torch >= 1.13
        except ImportError:
            from torch.onnx import symbolic_helper

            newest = max(symbolic_helper._onnx_stable_opsets + [symbolic_helper._onnx_main_opset])
    return int(newest)


_FIRST_OPSET = re.compile(r"(?:added in|try opset) version (\d+)")


def first_opset(error: BaseException) -> Optional[int]:
    """The first opset at which torch's exporter has the operator that it fails on; None if it does not say."""
    found = _FIRST_OPSET.search(str(error))
    return int(found.group(1)) if found else None


@contextmanager
def no_graph_dump() -> Iterator[None]:
    """Keep the exporter from printing the whole graph when an operator cannot be exported (1.12 and later do).

    Its log is silenced at the one function that writes it: torch 2.x switches it on by itself.
    """
    write = getattr(torch._C, "_jit_onnx_log", None)
    if write is None:
        yield
        return
    torch._C._jit_onnx_log = lambda *args: None
    try:
        yield
    finally:
        torch._C._jit_onnx_log = write


@contextmanager
def no_attention_fast_path() -> Iterator[None]:
    """Keep ``nn.MultiheadAttention`` and ``nn.TransformerEncoderLayer`` from operators that cannot be exported.

    In this thread: another one that uses such a model goes on as before.
    """
    from .stand_ins import StandIn, standing_in

    switch = getattr(torch.backends, "mha", None)
    if switch is not None:
        with standing_in([StandIn([switch], "get_fastpath_enabled", lambda original: False)]):
            yield
        return
    # Before `torch.backends.mha` these modules ask it of all their tensors at once, and take the ordinary path if the
    # answer is yes. `torch._assert` asks by the same name, of its one condition, and must have the true answer.
    asked = StandIn(
        [torch.overrides],
        "has_torch_function",
        lambda original, arguments: len(tuple(arguments)) > 1 or original(arguments),
    )
    with standing_in([asked]):
        yield


@contextmanager
def no_autocast() -> Iterator[None]:
    """Switch this thread's automatic mixed precision off, on the CPU and on the GPU."""
    switches: List[Tuple[Callable[[], bool], Callable[[bool], None]]]
    if TORCH >= (2, 4):
        switches = [
            (partial(torch.is_autocast_enabled, device), partial(torch.set_autocast_enabled, device))
            for device in ("cpu", "cuda")
        ]
    else:
        switches = [(torch.is_autocast_enabled, torch.set_autocast_enabled)]
        if hasattr(torch, "is_autocast_cpu_enabled"):  # 1.10 and later
            switches.append((torch.is_autocast_cpu_enabled, torch.set_autocast_cpu_enabled))
    on = [switch for enabled, switch in switches if enabled()]
    for switch in on:
        switch(False)
    try:
        yield
    finally:
        for switch in on:
            switch(True)


def version_of(tensor: torch.Tensor) -> Optional[int]:
    """How often a tensor was written into; None for one that was made in inference mode (1.9 and later)."""
    return None if hasattr(tensor, "is_inference") and tensor.is_inference() else tensor._version


def nodes_behind(graph: Any, last: Any, count: int) -> List[Any]:
    """The nodes of a traced graph, or of a block of one, behind a node, in order.

    Args:
        graph: the graph or block, which grows at its end.
        last: the node; None for all nodes.
        count: how many nodes there are up to it.
    """
    if not hasattr(torch._C.Node, "prev"):  # 1.8
        return list(graph.nodes())[count:]
    end = graph.return_node() if hasattr(graph, "return_node") else graph.returnNode()
    found, node = [], end.prev()
    while node.kind() not in ("prim::Param", "prim::Return") and node != last:
        found.append(node)
        node = node.prev()
    return found[::-1]


def no_inference_mode() -> ContextManager[Any]:
    """Leave this thread's inference mode (1.9 and later), in which no tensor has a version, for a while."""
    if hasattr(torch, "inference_mode") and torch.is_inference_mode_enabled():
        return torch.inference_mode(False)
    return nullcontext()


@contextmanager
def no_default_device(kept: Collection[str]) -> Iterator[None]:
    """Make this thread's new tensors on the CPU, whatever its default device is (2.0 and later).

    Args:
        kept: the types of devices that stay the default ones.
    """
    if TORCH < (2, 0):
        yield
        return
    from torch._C import _len_torch_function_stack
    from torch.overrides import _pop_mode, _push_mode
    from torch.utils._device import DeviceContext

    # under any mode torch's functions take other ways, so that the device's is taken out and not answered by a further
    modes = [_pop_mode() for _ in range(_len_torch_function_stack())][::-1]
    left = [mode for mode in modes if not isinstance(mode, DeviceContext) or mode.device.type in kept]
    for mode in left:
        _push_mode(mode)
    try:
        yield
    finally:
        for _ in left:
            _pop_mode()
        for mode in modes:
            _push_mode(mode)


NOT_DETERMINISTIC = (False, False)


def determinism() -> Tuple[bool, bool]:
    """Whether this process's operators have to be deterministic, and are only warned about (1.11 and later)."""
    warns = getattr(torch, "is_deterministic_algorithms_warn_only_enabled", bool)
    return torch.are_deterministic_algorithms_enabled(), warns()


def set_determinism(value: Tuple[bool, bool]) -> None:
    """Set what ``determinism`` tells."""
    kwargs = {"warn_only": value[1]} if TORCH >= (1, 11) else {}
    torch.use_deterministic_algorithms(value[0], **kwargs)


@contextmanager
def torch_symbolics() -> Iterator[None]:
    """Set aside what ``mmcv.onnx.register_extra_symbolics`` put in the place of torch's own symbolics.

    From torch 1.13 on torch exports all of these operators itself, and mmcv's functions call helpers that changed.
    """
    aside = []
    for group in _symbolic_registry().values():
        functions = group._functions
        for opset, function in list(functions._overrides.items()):
            if function.__module__.startswith("mmcv.") and any(base <= opset for base in functions._base):
                aside.append((functions, opset, function))
    for functions, opset, _ in aside:
        functions.remove_override(opset)
    try:
        yield
    finally:
        for functions, opset, function in aside:
            functions.override(opset, function)


def _symbolic_registry() -> Dict[str, Any]:
    """The groups of torch's symbolic functions by operator; empty before torch 1.13, where mmcv's work."""
    for path in ("torch.onnx._internal.torchscript_exporter.registration", "torch.onnx._internal.registration"):
        try:
            return importlib.import_module(path).registry._registry  # the first from torch 2.9 on
        except (ImportError, AttributeError):
            continue
    return {}


def legacy_symbolic_registry(opset: int) -> Optional[Dict[str, Callable[..., Any]]]:
    """The exporter's functions by operator for an opset, where it lacks some of ``symbolics.legacy`` (before 1.9)."""
    if TORCH >= (1, 9):
        return None
    from torch.onnx import symbolic_registry

    symbolic_registry.register_version("", opset)
    return symbolic_registry._registry[("", opset)]


def tensor_type(dtype: torch.dtype, rank: Optional[int]) -> Any:
    """The type that a value of a traced graph gets: of a rank, None for an unknown one, and of no known size."""
    unknown = torch._C.TensorType.get()
    if hasattr(unknown, "with_dtype"):  # torch 1.12 and later
        known = unknown.with_dtype(dtype)
        return known if rank is None else known.with_sizes([None] * rank)
    if not rank:
        return unknown
    name = {torch.bool: "Bool", torch.int64: "Long", torch.float32: "Float"}[dtype]
    graph = torch._C.parse_ir(f"graph(%x : {name}({', '.join('*' * rank)})):\n  return (%x)")
    return next(graph.inputs()).type()


def has_stable_sort() -> bool:
    """Whether ``torch.sort`` can keep the order of equal values (1.9 and later)."""
    return TORCH >= (1, 9)


def script_builtins() -> Dict[int, str]:
    """TorchScript's own table of the operators that functions are compiled to, by the functions' ids."""
    table: Dict[int, str] = torch.jit._builtins._get_builtin_table()
    return table


def frozen_graph(method: Any) -> Tuple[Any, List[torch.Tensor]]:
    """The graph of a compiled module's method, of a module in eval mode.

    Args:
        method: a ``torch._C.ScriptMethod``.

    Returns:
        The graph, whose inputs are the method's arguments, and the weights behind them; these weights, the module's
        own.

    Raises:
        ExportError: the method writes an attribute of its module; or this torch does not tell of a method whose it is.
    """
    if not hasattr(method, "owner"):  # torch 1.8 has none, 1.13 has
        raise ExportError(
            f"{method.name} of a compiled module cannot be traced with torch {torch.__version__}",
            "torch 1.13 or later, or modules that torch.jit.script or torch.jit.trace have not compiled",
            "export it with a later torch, or give the model before it is compiled",
        )
    # what is no weight becomes a constant
    frozen = torch._C._freeze_module(_with_interpolation(method), [method.name], preserveParameters=True)
    graph = frozen._get_method(method.name).graph
    for node in graph.findAllNodes("prim::SetAttr"):
        raise ExportError(
            f"{method.name} of a compiled module keeps {node.s('name')!r} for the next call",
            "a compiled module whose answers hang on its inputs alone",
            "give what is kept as an input and an output",
        )
    graph, weights = torch._C._jit_pass_lower_graph(graph, frozen)
    return graph, weights


def _with_interpolation(method: Any) -> Any:
    """A compiled method's module with ``interpolate`` as one operator, as torch's exporter has it of a compiled model.

    What freezing makes of it otherwise, a branch for each rank and mode, it cannot export. The exporter changes the
    user's module; here it is a copy that has the module's own weights.
    """
    if "aten::upsample_" not in str(method.inlined_graph):
        return method.owner
    copied = torch.jit.load(io.BytesIO(method.owner.save_to_buffer()))._c
    _share_weights(method.owner, copied)
    torch._C._jit_pass_onnx_function_substitution(copied._get_method(method.name).graph)
    return copied


def _share_weights(module: Any, copied: Any) -> None:
    """Give a copy of a ``torch._C.ScriptModule`` the tensors of the module."""
    for kind in (torch._C.ParameterDict, torch._C.BufferDict):
        for name, tensor in kind(module).items():
            copied.setattr(name, tensor)
    for name, part in torch._C.ModuleDict(module).items():
        _share_weights(part, copied.getattr(name))


def know_constructors() -> None:
    """Let torch (2.0 and later) list the functions that a default device is for while they are its own.

    It does so once, at their first use under such a device.
    """
    if TORCH >= (2, 0):
        importlib.import_module("torch.utils._device")._device_constructors()


def reads_weights_alone() -> bool:
    """Whether ``torch.load`` can be told to run no code (1.13 and later)."""
    return "weights_only" in inspect.signature(torch.load).parameters


class _WeightsAlone:
    """What stands in for ``pickle`` in a torch before 1.13: it makes tensors and plain containers, and nothing else."""

    UnpicklingError = pickle.UnpicklingError

    class Unpickler(pickle.Unpickler):
        """Knows by name what a tensor is made with."""

        def find_class(self, module: str, name: str) -> Any:
            known = (module, name) in _OF_TENSORS or (module == "torch" and name.endswith("Storage"))
            if not known:
                raise pickle.UnpicklingError(f"Unsupported global: {module}.{name}")
            return super().find_class(module, name)

    @staticmethod
    def load(file: Any, **kwargs: Any) -> Any:
        """As ``pickle.load``."""
        return _WeightsAlone.Unpickler(file, **kwargs).load()


_OF_TENSORS = {
    ("collections", "OrderedDict"),
    ("torch", "Size"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
}


def load_checkpoint_file(path: str, trust: bool = False) -> Any:
    """Read a checkpoint without running code from it.

    Args:
        path: the file.
        trust: read it with the ordinary unpickler, which runs what the file tells it to.

    Raises:
        pickle.UnpicklingError: the file needs more than tensors and plain containers, and ``trust`` is false.
        Exception: what torch raises on a file that is no checkpoint.
    """
    kwargs: Dict[str, Any] = {"weights_only": False} if TORCH >= (2, 6) else {}
    if trust:
        return torch.load(path, map_location="cpu", **kwargs)
    if not reads_weights_alone():
        return torch.load(path, map_location="cpu", pickle_module=_WeightsAlone, **kwargs)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except RuntimeError as error:
        if "weights_only" in str(error) or "Unsupported" in str(error):  # torch 1.13 wraps the unpickler's error
            raise pickle.UnpicklingError(str(error)) from error
        raise
