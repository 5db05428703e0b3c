"""Parsing of the command line, and nothing else: of every command, and of ``tools/pytorch2onnx.py``."""

import argparse
import atexit
import contextlib
import gc
import os
import re
import sys
import warnings
from typing import Iterator, List, NoReturn, Optional, Sequence, Tuple

from ..support import (
    InputError,
    MmonnxError,
    __version__,
    check_images,
    dynamo_later,
    ending_signals_exit,
    is_out_of_memory,
    parse,
    type_and_line,
)
from .commands import (
    add_compare,
    add_inspect,
    add_precision,
    add_predict,
    add_quantize,
    add_test,
    add_triton,
    precision_of,
)

_EXPORTING = ("torch", "torchvision", "mmcv", "skimage")
_SIGPIPE = 13
_MOST_AXES = 6
"""Of an input: batch, clips, channels, frames, height and width."""
_WHOLE = re.compile("[0-9]{1,9}")


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument in one line, as every other error."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"command line: {message}", f"the arguments of {self.prog} --help", "fix the command")


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run a command; the exit status: 0 all that was asked for held, 1 it did not, 2 the input is wrong."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    _open_closed_streams()
    _print_anything()
    try:
        with ending_signals_exit(), _quiet(not debug), _old_objects_left_alone():
            options = _parser().parse_args(arguments)
            status = int(options.run(options))
            sys.stdout.flush()
            return status
    except KeyboardInterrupt:
        print("mmonnx: stopped; no file is half written", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output, such as `head`, has enough of it
        with contextlib.suppress(OSError, ValueError):  # Python itself would complain when it closes it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + _SIGPIPE
    except Exception as error:
        if debug:
            raise
        refusal = error if isinstance(error, MmonnxError) and not is_out_of_memory(error) else _refusal(error)
        print(f"mmonnx: error: {refusal}", file=sys.stderr)
        return refusal.status


@contextlib.contextmanager
def _old_objects_left_alone() -> Iterator[None]:
    """Look for garbage among old objects a tenth as often, and not at all when the process ends.

    A million of them are modules, functions and classes. Python goes through all of them some dozen times while PyTorch
    and a toolbox are imported, and once more at the end: a sixth of a short command.
    """
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, 10 * old)
    atexit.register(gc.freeze)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)


@contextlib.contextmanager
def _quiet(wanted: bool) -> Iterator[None]:
    """Hide what OpenMMLab's own code is warned of on a newer torch: a user can do nothing about it."""
    with warnings.catch_warnings():
        if wanted:
            warnings.filterwarnings(
                "ignore", module=r"(mmcv|mmengine|mmdet|mmcls|mmpretrain|mmpose|mmedit|mmocr|mmaction)\b"
            )
            warnings.filterwarnings("ignore", message="torch.meshgrid")
        yield


def _open_closed_streams() -> None:
    """Let what goes to a closed stream (``>&-`` in a shell) go nowhere.

    Python has None in its place, and its number would be that of the next file that is opened: what libraries in C
    print would then be in that file.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            try:
                os.fstat(number)
            except OSError:
                os.dup2(nowhere, number)
            setattr(sys, name, os.fdopen(nowhere, "w" if number else "r", encoding="utf-8"))


def _print_anything() -> None:
    """Let names be printed that the terminal's encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _refusal(error: Exception) -> MmonnxError:
    """What to say of an error that nobody turned into one of mmonnx's own."""
    if isinstance(error, ModuleNotFoundError) and error.name in _EXPORTING:
        return InputError(f"{error.name} is not installed", "what an export needs", "pip install 'mmonnx[export]'")
    if isinstance(error, ModuleNotFoundError) and error.name == "cv2":
        fix = "pip install 'mmonnx[run]', or opencv-python if windows are to be opened"
        return InputError("OpenCV (cv2) is not installed", "what reads and resizes pictures", fix)
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        reason = f"{error.strerror or error}{where}"
        return InputError(reason, "a file system that takes it", "make room, or give another path")
    if is_out_of_memory(error):
        return InputError("this machine does not have enough memory", "more", "give a smaller --shape or --batch")
    return InputError(
        f"internal error, {type_and_line(error)}", "none", "report it, with what --debug shows; nothing was written"
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="mmonnx",
        description="Export OpenMMLab and plain PyTorch models to ONNX files that give PyTorch's own answers.",
    )
    parser.add_argument("--version", action="version", version=f"mmonnx {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_export(commands.add_parser("export", help="export a model to ONNX"))
    _add_check(commands.add_parser("check", help="list what a runtime does not support in an ONNX file"))
    add_inspect(commands.add_parser("inspect", help="show what an ONNX file contains"))
    add_predict(commands.add_parser("predict", help="run an exported file on images (no PyTorch needed)"))
    add_test(commands.add_parser("test", help="evaluate an exported file on its config's test set"))
    add_compare(commands.add_parser("compare", help="compare a file in another runtime with ONNX Runtime"))
    add_quantize(commands.add_parser("quantize", help="make an int8 or float16 file of one, and measure what it loses"))
    add_triton(commands.add_parser("triton", help="make a model repository for a Triton server of an exported file"))
    _add_patch(commands.add_parser("patch", help="patch an installed mmdet, mmcls or mmcv, or a checkout of one"))
    return parser


def _add_export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "config",
        help="config file; mmdet::FOLDER/FILE.py, mmcls::..., mmseg::..., mmpose::..., mmrotate::..., mmedit::..., "
        "mmocr::..., mmaction::... for an installed package's; MODULE:CALLABLE",
    )
    add("checkpoint", nargs="?", help="checkpoint file; without one, weights are random (seeded)")
    add(
        "model_type",
        nargs="?",
        metavar="MODEL_TYPE",
        help="models of mmedit (restorer, inpainting, mattor, synthesizer) and of mmocr (recog, det), as their tools "
        "have it; the config says it too",
    )
    add("img_path", nargs="?", metavar="IMG_PATH", help="same as --input-img (as in mmedit's and mmocr's tools)")
    add(
        "--checkpoint",
        dest="checkpoint_option",
        metavar="FILE",
        help="same as the positional argument (as in mmcls's tool)",
    )
    add("--output-file", "--output_file", default="tmp.onnx", metavar="FILE", help="default: tmp.onnx")
    add(
        "--input-img",
        metavar="FILE",
        help="image, TIFF or .npy file to trace with; default: a photograph from scikit-image",
    )
    add("--trimap-path", metavar="FILE", help="mattors: trimap of --input-img to trace with; default: a drawn one")
    add("--test-img", metavar="FILE", help="image to verify on; default: --input-img, or photographs")
    add(
        "--shape",
        nargs="+",
        metavar="N",
        help="height and width, or one number for both; default: 800 1216 (detectors), the config's own (others). "
        "Pose estimators, as mmpose's tool has it: also batch, channels, height and width. Models of films, as "
        "mmaction2's has it: also batch, clips, channels, frames (of 3D), height and width; or all axes of features",
    )
    add("--batch", default=1, type=int, metavar="N", help="images in the sample input; default: 1")
    add("--target", default="onnxruntime", metavar="NAME", help=f"runtime to export for: {_targets()}")
    add(
        "--custom-ops",
        choices=("none", "mmcv"),
        help="keep mmcv's operators as custom nodes, or not; default: as the target needs",
    )
    add(
        "--ort-custom-op-library",
        metavar="FILE",
        help="with --custom-ops mmcv: also verify with this library; default: mmcv's own",
    )
    add(
        "--opset-version",
        type=int,
        metavar="N",
        help="11 or later; default: the target's best, or what an operator needs",
    )
    add("--no-check", action="store_true", help="write the file even if the target does not support all of it")
    add("--dynamic-export", action="store_true", help="make batch, height and width dynamic")
    add("--dynamic-batch", action="store_true", help="make only the batch dynamic")
    add("--simplify", action="store_true", help="simplify the graph, and check that it still gives the same answers")
    add("--verify", action="store_true", help="compare the file with PyTorch's own inference")
    add(
        "--verify-budget",
        type=float,
        metavar="X",
        help="time limit of --verify, as a multiple of the time that comparing the answers takes; default: 1.4",
    )
    add(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        default="fp32",
        help="fewer bits, with the loss measured on the config's test set, or on --images; default: fp32",
    )
    add_precision(parser)
    add(
        "--io-types",
        choices=("fp32", "fp16"),
        default="fp32",
        help="type of the inputs and outputs that are floats, whatever --precision says; default: fp32",
    )
    add(
        "--with-preprocess",
        nargs="?",
        const="resize",
        choices=("normalize", "resize"),
        help="take uint8 pictures (N, H, W, 3) as OpenCV reads them: of the network's size (normalize), or of any, and "
        "give results in their pixels (resize, the default)",
    )
    add(
        "--winograd",
        action="store_true",
        help="compute convolutions of 3x3 by Winograd's algorithm where that is faster on a processor: a larger file, "
        "whose last digits differ",
    )
    add("--strict", action="store_true", help="refuse a model whose code bakes values of the sample into the trace")
    add("--show", action="store_true", help="print the graph; with --verify, also draw both results")
    add("--show-dir", metavar="DIR", help="with --verify: write both results, side by side, as PNG files")
    add("--skip-postprocess", action="store_true", help="export the network's raw outputs")
    add(
        "--mask-output",
        choices=("image", "roi"),
        default="image",
        help="masks pasted into the image, or as the head predicts them",
    )
    add("--image-size-input", action="store_true", help="no effect: this input is there wherever answers depend on it")
    add(
        "--no-image-size-input",
        action="store_true",
        help="detectors: leave out the optional input that says where padding begins; padding then counts as image",
    )
    add("--topk", type=int, metavar="K", help="classifiers: output the K best scores and their labels, not all scores")
    add("--no-softmax", action="store_true", help="classifiers: output logits, not probabilities")
    add("--softmax", action="store_true", help="recognizers: output probabilities, where their test gives other scores")
    add("--is-localizer", action="store_true", help="localizers, as mmaction2's tool has it; the config says it too")
    add("--seg-logits", action="store_true", help="segmentors: output the classes' probabilities beside the label map")
    add(
        "--rescale-shape",
        "--rescale_shape",
        nargs="+",
        metavar="N",
        help="segmentors: height and width of the label map; default: the input's, or those that input ori_shape tells",
    )
    add(
        "--text",
        metavar="NAMES",
        help='detectors that take text: what to look for, fixed in the file: "person . car ."; '
        "default: text is an input of the file",
    )
    add("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="override settings of the config")
    add(
        "--codebase-root",
        metavar="DIR",
        help="use this source tree of mmdet, mmcls, mmseg, mmpose, mmrotate, mmedit, mmocr or mmaction, not what is "
        "installed",
    )
    add("--model-kwargs", nargs="+", default=[], metavar="KEY=VALUE", help="arguments for CALLABLE")
    add("--output-names", nargs="+", metavar="NAME", help="names of CALLABLE's outputs, in order")
    add("--device", default="cpu", help="cpu or cuda; default: cpu")
    add("--work-dir", metavar="DIR", help="folder for a relative --output-file and --show-dir")
    add("--trust-checkpoint", action="store_true", help="load a checkpoint that can run code while it is loaded")
    add(
        "--checkpoint-key",
        metavar="NAME",
        help="which of several sets of weights in the checkpoint to take, by entry or prefix, such as state_dict_ema",
    )
    add("--device-id", type=int, metavar="N", help="models of mmocr, as its tool has it: same as --device cuda:N")
    add("--verbose", action="store_true", help="models of mmocr, as its tool has it: print the graph")
    add("--dataset", help="deprecated, no effect: classes come from the checkpoint")
    add("--mean", nargs=3, type=float, metavar="X", help="deprecated, no effect: taken from the config")
    add("--std", nargs=3, type=float, metavar="X", help="deprecated, no effect: taken from the config")
    add("--debug", action="store_true", help="show tracebacks of errors")
    parser.set_defaults(run=_export)


def _add_check(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", help="ONNX file")
    add("--target", default="onnxruntime", metavar="NAME", help=f"{_targets()}; default: onnxruntime")
    add("--json", action="store_true", help="print findings as JSON")
    add("--debug", action="store_true", help="show tracebacks of errors")
    parser.set_defaults(run=_check)


def _targets() -> str:
    from ..targets import TARGETS

    return ", ".join(TARGETS)


def _check(options: argparse.Namespace) -> int:
    from ..graph import check_target, findings_json, read_model, show_findings
    from ..targets import find_target
    from ..terminal import Report

    target = find_target(options.target)
    findings = check_target(read_model(options.file), target)
    if options.json:
        print(findings_json(options.file, target.name, findings))
    else:
        show_findings(Report(), options.file, target.name, findings)
    return 1 if findings else 0


def _add_patch(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_mutually_exclusive_group(required=True)
    for name, text in (
        ("list", "list the patches for what is installed, and their state"),
        ("check", "check whether they apply; exit status 1 if not"),
        ("apply", "apply all of them or none; safe to repeat"),
        ("revert", "restore every file"),
    ):
        actions.add_argument(f"--{name}", dest="action", action="store_const", const=name, help=text)
    parser.add_argument("--root", metavar="DIR", help="a checkout to patch; default: the installed packages")
    parser.add_argument("--package", nargs="+", default=[], metavar="NAME", help="mmdet, mmcls, mmcv; default: all")
    parser.add_argument("--debug", action="store_true", help="show tracebacks of errors")
    parser.set_defaults(run=_patch)


def _patch(options: argparse.Namespace) -> int:
    from ..integration import PatchSettings, patch

    return 0 if patch(PatchSettings(options.action, options.root, tuple(options.package))) else 1


def _export(options: argparse.Namespace) -> int:
    if options.checkpoint and options.checkpoint_option:
        raise InputError("the checkpoint is given twice", "one of CHECKPOINT and --checkpoint", "leave one out")
    if options.img_path and options.input_img:
        raise InputError("the sample image is given twice", "one of IMG_PATH and --input-img", "leave one out")
    batch, channels, whole, sides = _sample(options.shape, options.batch)
    shape, rescaled = _shape(sides, "--shape"), _shape(options.rescale_shape, "--rescale_shape")
    if options.topk is not None and options.topk < 1:
        raise InputError(f"--topk {options.topk} is not a number of classes", "1 or more", "give a larger one")
    if batch < 1:
        raise InputError(f"--batch {batch} is not a number of images", "1 or more", "give a larger one")
    check_images(batch, shape or (1, 1))
    check_images(batch, rescaled or (1, 1))

    with dynamo_later():
        from ..loading import LoadOptions
    from ..pipeline import ExportSettings, export
    from ..terminal import Report

    report = Report()
    for name in ("dataset", "mean", "std"):
        if getattr(options, name) is not None:
            report.warn(f"--{name} is deprecated and has no effect: it is taken from the config or the checkpoint")
    output, show_dir = _paths(options)
    given = parse(options.cfg_options, "--cfg-options")
    settings = ExportSettings(
        config=options.config,
        checkpoint=options.checkpoint or options.checkpoint_option,
        output_file=output,
        load=LoadOptions(
            shape=shape,
            batch=batch,
            sample_channels=channels,
            sample_shape=whole,
            is_localizer=options.is_localizer,
            add_softmax=options.softmax,
            dynamic=options.dynamic_export,
            dynamic_batch=options.dynamic_batch,
            device=options.device if options.device_id is None else f"cuda:{options.device_id}",
            device_id=options.device_id,
            verbose=options.verbose,
            skip_postprocess=options.skip_postprocess,
            mask_output=options.mask_output,
            topk=options.topk,
            softmax=not options.no_softmax,
            seg_logits=options.seg_logits,
            rescale_shape=rescaled,
            cfg_options=given,
            codebase_root=options.codebase_root,
            model_kwargs=parse(options.model_kwargs, "--model-kwargs"),
            output_names=options.output_names,
            trust_checkpoint=options.trust_checkpoint,
            checkpoint_key=options.checkpoint_key,
            image=options.input_img or options.img_path,
            model_type=options.model_type,
            trimap=options.trimap_path,
            image_size=not options.no_image_size_input,
            text=options.text,
        ),
        target=options.target,
        opset=options.opset_version,
        custom_ops=options.custom_ops,
        custom_op_library=options.ort_custom_op_library,
        check=not options.no_check,
        simplify=options.simplify,
        winograd=options.winograd,
        verify=options.verify,
        verify_budget=_budget(options.verify_budget),
        strict=options.strict,
        test_image=options.test_img,
        show_graph=options.show or options.verbose,
        show_dir=show_dir,
        io_types=options.io_types,
        with_preprocess=options.with_preprocess or "",
        precision=precision_of(options, options.config, options.target, given, options.precision),
    )
    return 0 if export(settings, report).ok else 1


def _budget(value: Optional[float]) -> float:
    from ..verifying import BUDGET

    if value is not None and not 1.0 <= value < float("inf"):
        raise InputError(f"--verify-budget {value:g} is not a multiple of time", "1.0 or more", "for example 3")
    return BUDGET if value is None else value


def _paths(options: argparse.Namespace) -> Tuple[str, Optional[str]]:
    """The output file and the folder of the pictures."""
    folder = options.work_dir or ""
    output = os.path.join(folder, options.output_file)
    show_dir = options.show_dir
    if show_dir is None and options.show and options.verify:
        show_dir = os.path.splitext(options.output_file)[0] + "_show"
    return output, os.path.join(folder, show_dir) if show_dir else None


def _sample(
    values: Optional[List[str]], batch: int
) -> Tuple[int, Optional[int], Optional[Tuple[int, ...]], Optional[List[str]]]:
    """Batch, channels (None where they are not said), all axes of what is no picture, and sides of ``--shape``.

    mmpose's tool takes all four axes of pictures, and mmaction2's all of clips and of features.
    """
    if values is None or len(values) < 3 or not all(_WHOLE.fullmatch(value) for value in values):
        return batch, None, None, values
    number = int(values[0])
    if batch not in (1, number):
        raise InputError(
            f"--batch {batch} and --shape {' '.join(values)} say the same", f"--batch {number}", "leave one out"
        )
    if len(values) == 4:
        return number, int(values[1]), None, values[2:]
    if len(values) > _MOST_AXES or "0" in [value.lstrip("0") or "0" for value in values]:
        return batch, None, None, values
    return number, None, tuple(map(int, values)), None


def _shape(values: Optional[List[str]], flag: str) -> Optional[Tuple[int, int]]:
    if values is None:
        return None
    text = " ".join(values)
    expected = "one or two whole numbers of pixels, height before width"
    if len(values) > 2 or not all(_WHOLE.fullmatch(value) and int(value) > 0 for value in values):
        raise InputError(f"{flag} {text} is not an image size", expected, f"for example {flag} 800 1216")
    return int(values[0]), int(values[-1])
