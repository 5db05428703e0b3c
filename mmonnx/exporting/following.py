"""How an export ends: with the command to type next, or why there is no file."""

from typing import Any, List, Optional

import onnx

from ..graph import walk_nodes
from ..rewriting import MMCV
from ..support import command_line, key_values, path_word
from ..terminal import Report
from ..verifying import NOTHING_COMPARED, Verification
from .settings import ExportSettings

_FIND_SOMETHING = "give a --test-img in which the model finds something"


def load_it(path: str) -> str:
    """The command that loads a file in ONNX Runtime."""
    return command_line("python", "-c", f"import onnxruntime as ort; ort.InferenceSession({path!r})")


def check_it(path: str, target: str) -> str:
    """The command that says what a target does not take of a file."""
    return command_line("mmonnx", "check", path_word(path), "--target", target)


def verify_it(settings: ExportSettings) -> str:
    """The command of the same export with a verification."""
    load, default = settings.load, type(settings.load)()
    words = ["mmonnx", "export", path_word(settings.config)]
    words += [path_word(settings.checkpoint)] if settings.checkpoint else []
    for option, path in (
        ("--codebase-root", load.codebase_root),
        ("--output-file", settings.output_file),
        ("--input-img", load.image),
        ("--test-img", settings.test_image),
        ("--ort-custom-op-library", settings.custom_op_library),
        ("--show-dir", settings.show_dir),
    ):
        words += [option, path_word(path)] if path else []
    words += _valued("--checkpoint-key", load.checkpoint_key)
    words += _valued("--shape", load.sample_shape or load.shape)
    words += [] if load.sample_shape else _valued("--batch", load.batch, default.batch)
    words += _valued("--target", settings.target, type(settings).target)
    words += _valued("--opset-version", settings.opset)
    words += _valued("--custom-ops", settings.custom_ops)
    words += _valued("--device", load.device, default.device)
    words += _valued("--mask-output", load.mask_output, default.mask_output)
    words += _valued("--topk", load.topk)
    words += _valued("--text", load.text)
    words += _valued("--io-types", settings.io_types, type(settings).io_types)
    words += _valued("--with-preprocess", settings.with_preprocess or None)
    words += _valued("--output-names", load.output_names)
    words += _valued("--cfg-options", key_values.texts(load.cfg_options) or None)
    words += _valued("--model-kwargs", key_values.texts(load.model_kwargs) or None)
    if settings.precision.reduces:
        words += _precision(settings)
    for option, asked in (
        ("--no-check", not settings.check),
        ("--simplify", settings.simplify),
        ("--winograd", settings.winograd),
        ("--strict", settings.strict),
        ("--dynamic-export", load.dynamic),
        ("--dynamic-batch", load.dynamic_batch),
        ("--skip-postprocess", load.skip_postprocess),
        ("--no-softmax", not load.softmax),
        ("--softmax", load.add_softmax),
        ("--is-localizer", load.is_localizer),
        ("--trust-checkpoint", load.trust_checkpoint),
        ("--no-image-size-input", not load.image_size),
    ):
        words += [option] if asked else []
    return command_line(*words, "--verify")


def _precision(settings: ExportSettings) -> List[str]:
    """The options of fewer bits."""
    asked, default = settings.precision, type(settings.precision)()
    words = ["--precision", asked.precision]
    words += ["--images", path_word(asked.images)] if asked.images else []
    words += _valued("--calibrate", asked.calibrate, default.calibrate)
    words += _valued("--measure", asked.measure, default.measure)
    words += _valued("--max-loss", asked.max_loss, default.max_loss)
    words += ["--report"] if asked.report else []
    return words + _valued("--eval", list(asked.metrics) or None)


def _valued(option: str, value: Any, default: Any = None) -> List[str]:
    """An option with its value or values, none for the default."""
    if value is None or value == default:
        return []
    return [option, *map(str, value if isinstance(value, (list, tuple)) else [value])]


def close(
    settings: ExportSettings,
    file: onnx.ModelProto,
    verified: Optional[Verification],
    held: bool,
    report: Report,
) -> None:
    """Say which command comes next, or why nothing was written.

    Args:
        settings: what was asked for.
        file: the model as it is, or would be, in the file.
        verified: None where it was not asked for.
        held: whether the file was written.
        report: where this is told.
    """
    if not held:
        assert verified is not None  # nothing else keeps a file from being written
        names = ", ".join(result.name for result in verified.results if not result.ok)
        reason = (
            f"the file does not agree with PyTorch on {names}" if names else f"{NOTHING_COMPARED}; {_FIND_SOMETHING}"
        )
        report.warn(f"{settings.output_file} was not written: {reason}")
    elif verified is None and settings.config:
        report.next_command(verify_it(settings))
    elif not file.functions and any(node.domain == MMCV for node in walk_nodes(file.graph)):
        # no other runtime loads it
        report.next_command(check_it(settings.output_file, settings.target))
    else:
        report.next_command(load_it(settings.output_file))
