"""``mmonnx predict``."""

import argparse
import functools
from typing import Any, Dict, List

# not asked of ``runtime``: that imports OpenCV, for which --help should not wait
RUNTIMES = "onnxruntime (default), openvino, mnn, opencv, onnxruntime-web, pplnn"
PROVIDERS = "cpu, cuda, tensorrt, openvino, coreml, directml"


def add_predict(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add = parser.add_argument
    add("file", help="ONNX file that mmonnx export wrote")
    add("images", nargs="+", metavar="IMAGE", help="images, videos, folders, and patterns such as 'photos/*.jpg'")
    add("--out", metavar="DIR", help="write annotated images to this folder")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (with onnxruntime-gpu); default: auto")
    add("--runtime", default="onnxruntime", metavar="NAME", help=f"what runs the file: {RUNTIMES}")
    add(
        "--providers",
        metavar="NAMES",
        help="ONNX Runtime's execution providers instead of a device, the preferred one first, with commas between, "
        f"each with options as in cuda:device_id=1: {PROVIDERS}",
    )
    add("--threads", type=int, metavar="N", help="threads for pictures and network; default: one per core")
    add(
        "--batch-size",
        type=int,
        metavar="N",
        help="images in a batch, at most; default: by file, device and image size",
    )
    add(
        "--score-thr",
        type=float,
        default=0.3,
        metavar="X",
        help="draw detections with at least this score; default: 0.3",
    )
    add(
        "--boxes",
        metavar="FILE",
        help="pose estimators: boxes, as --json of a detector's file on these images has them",
    )
    add("--box-class", metavar="NAME", help="with --boxes: of this class alone, for example person")
    add(
        "--with",
        nargs="+",
        default=[],
        dest="beside",
        metavar="NAME=PATH",
        help="image editors: what the file takes beside an image, as mask=FILE, trimap=FILE, or a folder of such files",
    )
    add(
        "--annotations",
        metavar="FILE",
        help="files that say what texts are (SDMGR): texts and boxes of the images, lines of JSON as mmocr has them",
    )
    add("--top", type=int, metavar="N", help="classifiers: write the N best classes of each image; default: all")
    add("--text", metavar="TEXT", help='files that take text: what to look for: "person . car ."')
    add("--tokenizer", metavar="DIR", help="with --text: the tokenizer's folder; default: the one that the file names")
    add("--json", metavar="FILE", help="write all answers to this file")
    add("--coco", metavar="FILE", help="write all detections to this file, in COCO format")
    add("--jsonl", metavar="FILE", help="add a line to this file as soon as an image is done")
    add("--resume", action="store_true", help="with --jsonl: go on where the lines of an earlier run end")
    add(
        "--on-error",
        choices=("skip", "stop"),
        default="skip",
        help="go on behind an image that cannot be read, with exit status 1 in the end, or stop; default: skip",
    )
    add("--engine", choices=("threads", "ray"), default="threads", help="ray: on all machines of a cluster, in parts")
    add("--address", metavar="ADDRESS", help="with --engine ray: the cluster, such as auto; default: start one here")
    add("--parquet", metavar="DIR", help="with --engine ray: write the answers to this folder, in Parquet")
    add("--debug", action="store_true", help="show tracebacks of errors")
    parser.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> int:
    from ...runtime import PredictSettings, predict
    from ...support import InputError

    written = (options.out, options.json, options.coco, options.jsonl, options.parquet)
    if not any(written):
        raise InputError(
            "there is nothing to write", "--out DIR, --json FILE, --coco FILE or --jsonl FILE", "give one of them"
        )
    settings = PredictSettings(
        file=options.file,
        sources=options.images,
        out=options.out,
        device=options.device,
        score_thr=options.score_thr,
        json=options.json,
        coco=options.coco,
        runtime=options.runtime,
        jsonl=options.jsonl,
        resume=options.resume,
        boxes=options.boxes,
        box_class=options.box_class,
        on_error=options.on_error,
        batch_size=options.batch_size,
        threads=options.threads,
        beside=_beside(options.beside),
        text=options.text,
        tokenizer=options.tokenizer,
        top=options.top,
        annotations=options.annotations,
        providers=options.providers.split(",") if options.providers else (),
    )
    tell = functools.partial(print, flush=True)
    if options.engine == "ray":
        from ...runtime import predict_with_ray

        done = predict_with_ray(settings, options.address, options.parquet, tell)
    elif options.address or options.parquet:
        raise InputError("--address and --parquet are Ray's", "--engine ray beside them", "give it")
    else:
        done = predict(settings, tell)
    _print_table(done, ", ".join(path for path in written if path))
    return 1 if done.skipped else 0


def _beside(items: List[str]) -> Dict[str, str]:
    """Paths by what they are; a path may have anything in it."""
    from ...support import InputError

    found = {}
    for item in items:
        name, _, path = item.partition("=")
        if not name or not path:
            raise InputError(f"--with {item!r} is no NAME=PATH", "for example mask=masks/", "fix it")
        found[name] = path
    return found


def _print_table(done: Any, where: str) -> None:
    """How many there were, and those without an answer, each with the reason."""
    from ...support import printable

    print(f"{done.count} image{'' if done.count == 1 else 's'}: {where}")
    if not done.skipped:
        return
    print(f"{done.skipped} skipped:")
    for name, reason in done.reasons:
        print(f"  {printable(name)}  {printable(reason)}")
    if done.skipped > len(done.reasons):
        print(f"  and {done.skipped - len(done.reasons)} more, which are in the answers")
