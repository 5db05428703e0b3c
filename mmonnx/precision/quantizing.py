"""``mmonnx quantize``: a file in, the same one in fewer bits out."""

from dataclasses import dataclass, field
from pathlib import Path

import onnx

from ..graph import WINOGRAD, annotate, check_target, file_size, read_model, write_model
from ..runtime import PREFIX
from ..support import ExportError, InputError, __version__, alone, check_writable, command_line, path_word
from ..targets import find_target
from ..terminal import Report
from .reducing import is_described, properties, reduce, rows, show_layers
from .settings import PrecisionSettings, Reduced


@dataclass(frozen=True)
class QuantizeSettings:
    """What is asked for.

    Attributes:
        file: the ONNX file, in float32.
        output_file: the file to write; empty for one beside it, ``NAME.int8.onnx``.
        precision: how.
    """

    file: str
    output_file: str = ""
    precision: PrecisionSettings = field(default_factory=lambda: PrecisionSettings("int8"))

    @property
    def path(self) -> str:
        """The file to write."""
        return self.output_file or str(Path(self.file).with_suffix(f".{self.precision.precision}.onnx"))


@alone()
def quantize(settings: QuantizeSettings, report: Report) -> Reduced:
    """Reduce a file, and put the result in place.

    Raises:
        InputError: something that was given is wrong; nothing was written.
        ExportError: the file cannot be reduced, or loses more than is allowed; nothing was written.
    """
    asked = settings.precision
    asked.check()
    if not asked.reduces:
        raise InputError("--precision fp32 is what the file has", "int8 or fp16", "give one of these")
    target = find_target(asked.target)
    check_writable(settings.path)
    model = read_model(settings.file)
    check_whole(model, settings.file)
    _check_described(model, settings)
    found = reduce(model, asked, report)
    file = annotate(found.model, properties(found), __version__)
    findings = check_target(file, target)
    if findings:
        raise ExportError(f"{target.name} does not take the reduced file. {findings[0]}")
    write_model(file, settings.path)
    show_layers(found, report)
    report.table([("file", f"{settings.path}, {file_size(file)}"), *rows(found)])
    if asked.config:
        words = ["mmonnx", "test", path_word(asked.config), path_word(settings.path)]
        report.next_command(command_line(*words, "--eval", *(asked.metrics or ["METRIC"])))
    return found


def _check_described(model: onnx.ModelProto, settings: QuantizeSettings) -> None:
    """Refuse a file that has its pipeline inside, and one that only a config could say how to run.

    Raises:
        InputError: it is one.
    """
    if any(value.type.tensor_type.elem_type == onnx.TensorProto.UINT8 for value in model.graph.input):
        raise InputError(
            f"'{settings.file}' takes pictures as they are",
            "a file that takes prepared images",
            f"export it with --with-preprocess and --precision {settings.precision.precision} at once",
        )
    if settings.precision.config is None and not is_described(model):
        raise InputError(
            f"'{settings.file}' does not say how it is to be run",
            "a file with the metadata that mmonnx export writes, or --config beside it",
            "give its config",
        )


def check_whole(model: onnx.ModelProto, path: str) -> None:
    """Refuse a file that is reduced already, or has functions.

    Raises:
        InputError: it is, or has.
    """
    there = {node.op_type for node in model.graph.node}
    known = {entry.key for entry in model.metadata_props}
    halves = any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in model.graph.initializer)
    if f"{PREFIX}precision" in known or halves or there & {"QuantizeLinear", "DequantizeLinear", "QLinearConv"}:
        raise InputError(f"'{path}' is reduced already", "a file in float32", "give that one")
    if any(WINOGRAD in node.name for node in model.graph.node):
        raise InputError(
            f"'{path}' computes convolutions by Winograd's algorithm, which needs 32 bits",
            "convolutions",
            "export it without --winograd",
        )
    if model.functions:
        raise InputError(
            f"'{path}' holds functions of its own", "standard operators alone", "export it without --custom-ops"
        )
