"""``mmonnx quantize``, and what it and ``mmonnx export`` take of precision."""

import argparse
from typing import Any, Dict, Optional


def add_quantize(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add = parser.add_argument
    add("file", help="ONNX file, in float32")
    add("--config", metavar="CONFIG", help="its config: the images of its data sets, and their metric")
    add("--output-file", default="", metavar="FILE", help="default: FILE.int8.onnx or FILE.fp16.onnx beside the file")
    add("--precision", choices=("int8", "fp16"), default="int8", help="default: int8")
    add("--target", default="onnxruntime", metavar="NAME", help="runtime that the file is for; default: onnxruntime")
    add_precision(parser)
    add("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="override settings of the config")
    add("--debug", action="store_true", help="show tracebacks of errors")
    parser.set_defaults(run=_quantize)


def add_precision(parser: argparse.ArgumentParser) -> None:
    """What a file in fewer bits is calibrated and judged by."""
    add = parser.add_argument
    add("--calibrate", type=int, metavar="N", help="images that ranges of int8 are taken of; default: 32")
    add("--images", metavar="DIR", help="take these pictures for it, not the training set of the config")
    add("--measure", type=int, metavar="N", help="images of the test set that the loss is measured on; default: 200")
    add("--max-loss", type=float, metavar="X", help="points of the metric that may be lost; default: 0.5")
    add("--report", action="store_true", help="int8: rank the layers by the noise that each brings; a chart in --html")
    add("--eval", dest="metrics", nargs="+", default=[], metavar="METRIC", help="default: the config's own")


def precision_of(
    options: argparse.Namespace, config: Optional[str], target: str, cfg_options: Dict[str, Any], precision: str
) -> Any:
    """The ``PrecisionSettings`` of these arguments."""
    from ...precision import CALIBRATE, MAX_LOSS, MEASURE, PrecisionSettings

    return PrecisionSettings(
        precision=precision,
        config=config,
        cfg_options=cfg_options,
        calibrate=CALIBRATE if options.calibrate is None else options.calibrate,
        measure=MEASURE if options.measure is None else options.measure,
        images=options.images,
        max_loss=MAX_LOSS if options.max_loss is None else options.max_loss,
        metrics=tuple(options.metrics),
        target=target,
        report=options.report,
    )


def _quantize(options: argparse.Namespace) -> int:
    from ...precision import QuantizeSettings, quantize
    from ...support import parse
    from ...terminal import Report

    given = parse(options.cfg_options, "--cfg-options")
    asked = precision_of(options, options.config, options.target, given, options.precision)
    quantize(QuantizeSettings(options.file, options.output_file, asked), Report())
    return 0
