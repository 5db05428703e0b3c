"""What to type after an export."""

from typing import TYPE_CHECKING, Any, List

from . import key_values
from .shell import command_line, path_word

if TYPE_CHECKING:
    from .pipeline import ExportSettings


def load_it(path: str) -> str:
    """The command that loads a file in ONNX Runtime."""
    return command_line("python", "-c", f"import onnxruntime as ort; ort.InferenceSession({path!r})")


def check_it(path: str, target: str) -> str:
    """The command that says what a target does not take of a file."""
    return command_line("mmonnx", "check", path_word(path), "--target", target)


def verify_it(settings: "ExportSettings") -> str:
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
    words += _valued("--shape", load.shape)
    words += _valued("--batch", load.batch, default.batch)
    words += _valued("--target", settings.target, type(settings).target)
    words += _valued("--opset-version", settings.opset)
    words += _valued("--custom-ops", settings.custom_ops)
    words += _valued("--device", load.device, default.device)
    words += _valued("--mask-output", load.mask_output, default.mask_output)
    words += _valued("--topk", load.topk)
    words += _valued("--output-names", load.output_names)
    words += _valued("--cfg-options", key_values.texts(load.cfg_options) or None)
    words += _valued("--model-kwargs", key_values.texts(load.model_kwargs) or None)
    for option, asked in (
        ("--no-check", not settings.check),
        ("--simplify", settings.simplify),
        ("--strict", settings.strict),
        ("--dynamic-export", load.dynamic),
        ("--dynamic-batch", load.dynamic_batch),
        ("--skip-postprocess", load.skip_postprocess),
        ("--no-softmax", not load.softmax),
        ("--trust-checkpoint", load.trust_checkpoint),
        ("--no-image-size-input", not load.image_size),
    ):
        words += [option] if asked else []
    return command_line(*words, "--verify")


def _valued(option: str, value: Any, default: Any = None) -> List[str]:
    """An option with its value or values, none for the default."""
    if value is None or value == default:
        return []
    return [option, *map(str, value if isinstance(value, (list, tuple)) else [value])]
