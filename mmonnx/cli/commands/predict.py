"""``mmonnx predict``."""

import argparse

# not asked of ``runtime``: that imports OpenCV, for which --help should not wait
RUNTIMES = "onnxruntime (default), openvino, mnn, opencv, onnxruntime-web, pplnn"


def add_predict(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add = parser.add_argument
    add("file", help="ONNX file that mmonnx export wrote")
    add("images", nargs="+", metavar="IMAGE", help="images, videos, folders, and patterns such as 'photos/*.jpg'")
    add("--out", metavar="DIR", help="write annotated images to this folder")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (with onnxruntime-gpu); default: auto")
    add("--runtime", default="onnxruntime", metavar="NAME", help=f"what runs the file: {RUNTIMES}")
    add(
        "--score-thr",
        type=float,
        default=0.3,
        metavar="X",
        help="draw detections with at least this score; default: 0.3",
    )
    add("--json", metavar="FILE", help="write all answers to this file")
    add("--coco", metavar="FILE", help="write all detections to this file, in COCO format")
    add("--debug", action="store_true", help="show tracebacks of errors")
    parser.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> int:
    from ...runtime import PredictSettings, predict
    from ...support import InputError

    if not (options.out or options.json or options.coco):
        raise InputError("there is nothing to write", "--out DIR, --json FILE or --coco FILE", "give one of them")
    count = predict(
        PredictSettings(
            file=options.file,
            sources=options.images,
            out=options.out,
            device=options.device,
            score_thr=options.score_thr,
            json=options.json,
            coco=options.coco,
            runtime=options.runtime,
        )
    )
    where = ", ".join(path for path in (options.out, options.json, options.coco) if path)
    print(f"{count} image{'' if count == 1 else 's'}: {where}")
    return 0
