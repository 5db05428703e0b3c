"""Compare the ONNX files that different exporters make of one model: speed, answers, size.

    python tools/benchmark.py CONFIG [CKPT] --shapes 800x1216 320x480 [--out DIR]

CONFIG is of mmdet, mmcls, mmseg, mmpose, mmrotate, mmedit or mmocr. From one set of weights it exports `mmonnx` and,
where it is installed, `mmdeploy` (see requirements/bench.txt, and bench2.txt for OpenMMLab 2.x); with a detector of
mmdet 2.x also `upstream`, its own form. Of a detector of two stages that is called `mask`, and is beside `scatter`
(with the NonZero forward of PPLNN's guide) and `gather` (the same, put back with one Gather). It simplifies them with
onnxsim, runs them in turn in ONNX Runtime, and `openvino`, mmonnx's file, in OpenVINO where that is installed, and
compares what they find with PyTorch.

    python tools/benchmark.py --models [CONFIG ...] [--shapes 800x1216 320x480] [--out DIR]

does that for ten models, or for these, and tells how mmonnx's file does beside the best of the others.

    python tools/benchmark.py FILE --predict [N] [--top K] [--out DIR]

measures `mmonnx predict` with an exported file on N pictures of mixed sizes, beside one picture at a time and beside
ONNX Runtime alone on arrays that are ready, in turn and each in a process of its own.

    python tools/benchmark.py FILE --precision [--shapes 320x480] [--threads 1]

quantizes an exported file on photographs, as mmonnx does it and by the defaults of ONNX Runtime's tools, and times both
beside the file; the loss is `mmonnx quantize`'s to measure.

Exit status: 0 done, 1 mmonnx's file is missing or has not PyTorch's answers, 2 wrong use.
"""

import argparse
import re
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, List, NoReturn, Optional, Sequence, Tuple

from benchmark_parts.chart import draw
from benchmark_parts.measuring import Row, measure
from benchmark_parts.models import ENTRIES, Entry, Line, entry_of, lines_of, models_dict, models_table
from benchmark_parts.precisions import measure_precision, precision_table
from benchmark_parts.predicting import make_pictures, measure_predict, predict_table
from benchmark_parts.report import as_dict, files_table, legend, rows_table, write_json
from benchmark_parts.variants import (
    OURS,
    WINOGRAD,
    Model,
    Variant,
    build_variant,
    has_openvino,
    in_openvino,
    names,
    other_files,
    prepare,
)

from mmonnx.loading.images import photographs
from mmonnx.support.atomic import check_writable
from mmonnx.support.errors import InputError, MmonnxError
from mmonnx.terminal.report import Report

PROPOSALS_HELP = """leave about N proposals of the up to 1000 (max_per_img) that there are: the RPN gets a score limit
(test_cfg.rpn.nms.score_threshold) that N pass, on average over the shapes. PyTorch and every exporter get the same
limit, each by the name that it reads; max_per_img stays, so that a form that pads to it computes all of its rows, of
which about N are real. As scores differ from picture to picture, only the first photograph is run. Default: no limit"""
_FEW = 2
"""Photographs, where several models are measured: PyTorch's further answers, where a peer differs, take longest."""
_SLOWER = ("scatter", "gather")
"""Forms that nobody's tool writes of itself."""
Results = List[Tuple[Tuple[int, int], List[Row]]]


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument in one line, as every other error."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"command line: {message}", "the arguments of --help", "fix the command")


def main(argv: Optional[List[str]] = None) -> int:
    """Run the benchmark; returns the exit status."""
    warnings.simplefilter("ignore")
    try:
        options = _parser().parse_args(argv)
        if options.models is not None:
            return run_models(options)
        if options.config is None:
            raise InputError("command line: no config", "CONFIG, or --models", "see --help")
        if options.precision:
            return run_precision(options)
        return run_predict(options) if options.predict else run(options)
    except MmonnxError as error:
        print(f"benchmark: error: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("benchmark: stopped", file=sys.stderr)
        return 130


def run(options: argparse.Namespace) -> int:
    """Build, measure and report; returns the exit status."""
    others = other_files(options.also)
    pictures = photographs()[: 1 if options.proposals else None]
    if options.out:
        check_writable(options.out / "benchmark.json")
    report = Report()
    with tempfile.TemporaryDirectory(prefix="mmonnx-") as name:
        folder = Path(name)
        with report.stage("load") as stage:
            given = (options.config, options.checkpoint)
            model = prepare(*given, pictures, options.shapes, options.proposals, folder)
            stage.note(f"{model.task.title}, {options.checkpoint or 'seeded random weights'}")
        if model.limit is not None:
            report.text(f"proposals below a score of {model.limit:.4f} are dropped, in PyTorch and in every file")
        variants = build(model, options, folder, report) + others
        report.text("\n" + files_table(variants) + "\n")
        results = measure_all(model, variants, pictures, options.shapes, options, report)
    report.text("\n" + "\n\n".join(rows_table(rows, shape) for shape, rows in results) + f"\n\n{legend(variants)}")
    if options.out:
        write(options, model, variants, results)
        report.text(f"benchmark.json and benchmark.png: {options.out}")
    ours = [row for _, rows in results for row in rows if row.variant in (OURS, WINOGRAD)]
    return 0 if all(row.ok and not row.error for row in ours) else 1


def run_models(options: argparse.Namespace) -> int:
    """Measure several models, and sum up; returns the exit status."""
    if options.config:
        raise InputError(f"--models beside the config {options.config!r}", "one of them", "name it behind --models")
    if options.out:
        check_writable(options.out / "models.json")
    report, lines = Report(), []
    entries = [entry_of(config) for config in options.models] or list(ENTRIES)
    for entry in entries:
        report.text(f"\n{entry.title}: {entry.config}")
        lines += _lines(entry, options, report)
        if options.out:  # what is measured stays, whatever becomes of the rest
            write_json(models_dict(lines, options.rounds, options.threads), options.out / "models.json")
    report.text("\n" + models_table(lines))
    return 0 if all(line.ok for line in lines) else 1


def _lines(entry: Entry, options: argparse.Namespace, report: Report) -> List[Line]:
    """What one model comes to at each of its sizes."""
    shapes = list(entry.shapes or options.shapes)
    pictures = photographs()[:_FEW]
    with tempfile.TemporaryDirectory(prefix="mmonnx-") as name:
        try:
            with report.stage("load"):
                model = prepare(entry.config, None, pictures, shapes, None, Path(name))
            variants = build(model, options, Path(name), report, without=_SLOWER)
            results = measure_all(model, variants, pictures, shapes, options, report, profiled=False)
        except MmonnxError as error:
            return [Line(entry.title, shape, error=str(error)) for shape in shapes]
    report.text("\n" + "\n\n".join(rows_table(rows, shape) for shape, rows in results))
    return [line for shape, rows in results for line in lines_of(entry.title, shape, rows)]


def run_predict(options: argparse.Namespace) -> int:
    """Measure ``mmonnx predict``; returns the exit status."""
    if not options.config.endswith(".onnx"):
        raise InputError(f"--predict runs no {options.config!r}", "a file that mmonnx export wrote", "export it first")
    if options.out:
        check_writable(options.out / "predict.json")
    report = Report()
    with tempfile.TemporaryDirectory(prefix="mmonnx-") as name:
        folder = Path(name) / "pictures"
        folder.mkdir()
        make_pictures(photographs(), folder, options.predict)
        with report.stage("measure") as stage:
            ways = measure_predict(options.config, folder, options.rounds, options.top)
            stage.note(f"{options.predict} pictures, {options.rounds} rounds")
    report.text("\n" + predict_table(ways))
    if options.out:
        given = {"file": options.config, "pictures": options.predict, "rounds": options.rounds, "top": options.top}
        write_json({"settings": given, "ways": [way._asdict() for way in ways]}, options.out / "predict.json")
    return 0


def run_precision(options: argparse.Namespace) -> int:
    """Time a file in int8; returns the exit status."""
    if not options.config.endswith(".onnx"):
        raise InputError(
            f"--precision takes no {options.config!r}", "a file that mmonnx export wrote", "export it first"
        )
    if options.out:
        check_writable(options.out / "precision.json")
    report, results = Report(), []
    for shape in options.shapes:
        with tempfile.TemporaryDirectory(prefix="mmonnx-") as name, report.stage("measure") as stage:
            how = (options.rounds, options.threads, Path(name))
            forms = measure_precision(options.config, photographs(), shape, *how)
            stage.note(f"{shape[0]}x{shape[1]}, {options.rounds} rounds")
        report.text(f"\n{precision_table(forms)}\n")
        results.append({"shape": list(shape), "forms": [form._asdict() for form in forms]})
    if options.out:
        write_json({"file": options.config, "results": results}, options.out / "precision.json")
    return 1 if any(form["error"] for result in results for form in result["forms"] if form["name"] == OURS) else 0


def build(
    model: Model, options: argparse.Namespace, folder: Path, report: Report, without: Sequence[str] = ()
) -> List[Variant]:
    """Export every variant, but for some; one that fails does not stop the others."""
    variants = []
    for name in (one for one in names(model.task) if one not in without):
        python = options.mmdeploy_python if name == "mmdeploy" else None
        with report.stage(name) as stage:
            variants.append(build_variant(name, model, folder, python))
            stage.note(variants[-1].error or "exported")
    ours = next(variant for variant in variants if variant.name == OURS)
    return [*variants, in_openvino(ours)] if has_openvino() else variants


def measure_all(
    model: Model,
    variants: List[Variant],
    pictures: Sequence[Any],
    shapes: Sequence[Tuple[int, int]],
    options: argparse.Namespace,
    report: Report,
    profiled: bool = True,
) -> Results:
    """The rows of each shape."""
    results: Results = []
    for shape in shapes:
        with report.stage("measure") as stage:
            rows = measure(model.task, variants, pictures, shape, options.rounds, options.threads, profiled)
            stage.note(f"{shape[0]}x{shape[1]}, {options.rounds} rounds")
        results.append((shape, rows))
    return results


def write(options: argparse.Namespace, model: Model, variants: List[Variant], results: Results) -> None:
    """Put ``benchmark.json`` and ``benchmark.png`` into the folder."""
    settings = {
        "config": options.config,
        "checkpoint": options.checkpoint,
        "rounds": options.rounds,
        "threads": options.threads,
        "proposals": options.proposals,
        "score_limit": model.limit,
    }
    write_json(as_dict(settings, variants, results), options.out / "benchmark.json")
    draw(results, f"{model.task.title}, ONNX Runtime", options.out / "benchmark.png")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="benchmark", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("config", nargs="?", help="config of a model, or mmdet::FOLDER/FILE.py for one inside the package")
    add("checkpoint", nargs="?", help="its weights; without them they are random (seeded)")
    add(
        "--predict",
        type=_number,
        nargs="?",
        const=2000,
        metavar="N",
        help="measure mmonnx predict with an exported file in the place of CONFIG, on N pictures; default: 2000",
    )
    add("--models", nargs="*", metavar="CONFIG", help="measure ten models, or these, and sum up")
    add("--top", type=_number, metavar="N", help="with --predict: classes in a classifier's answers; default: all")
    add("--precision", action="store_true", help="time an exported file in the place of CONFIG, and its int8 forms")
    add("--shapes", nargs="+", type=_shape, default=[(800, 1216)], metavar="HxW", help="default: 800x1216")
    add("--also", nargs="+", default=[], metavar="FILE", help="ONNX files to run as well, with dets and labels")
    add("--rounds", type=_number, default=8, metavar="N", help="runs of every file that count; default: 8")
    add("--proposals", type=_number, metavar="N", help=PROPOSALS_HELP)
    add("--threads", type=_number, metavar="N", help="threads of ONNX Runtime; default: one per core")
    add("--out", type=Path, metavar="DIR", help="folder for benchmark.json and benchmark.png")
    add("--mmdeploy-python", metavar="EXE", help="Python that has mmdeploy; default: this one")
    return parser


def _shape(text: str) -> Tuple[int, int]:
    match = re.match(r"([1-9]\d{1,3})x([1-9]\d{1,3})$", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no shape: height and width in pixels, such as 320x480")
    return int(match.group(1)), int(match.group(2))


def _number(text: str) -> Any:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
