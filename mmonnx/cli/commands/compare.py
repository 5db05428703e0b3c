"""``mmonnx compare``."""

import argparse
import json


def add_compare(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add = parser.add_argument
    add("file", help="ONNX file")
    add(
        "--with",
        dest="runtime",
        required=True,
        metavar="NAME",
        help="the other runtime: openvino, mnn, opencv, onnxruntime-web, pplnn",
    )
    add("--image", metavar="IMAGE", help="image to run on; default: a random one and a blank one")
    add(
        "--shape",
        nargs=2,
        type=int,
        metavar=("HEIGHT", "WIDTH"),
        help="image size where the file leaves it open; default: as the file prepares --image, else 256 256",
    )
    add("--batch", type=int, default=1, metavar="N", help="images, where the file leaves that open; default: 1")
    add("--json", action="store_true", help="print as JSON")
    add("--debug", action="store_true", help="show tracebacks of errors")
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    from ...support import InputError, check_images

    if options.batch < 1:
        raise InputError(f"--batch {options.batch} is not a number of images", "1 or more", "give a larger one")
    if options.shape and min(options.shape) < 1:
        raise InputError(f"--shape {options.shape} is not an image size", "a height and a width", "give larger numbers")
    shape = (options.shape[0], options.shape[1]) if options.shape else None
    check_images(options.batch, shape or (1, 1))

    from ...comparing import CompareSettings, as_data, compare, show_comparison
    from ...terminal import Report

    found = compare(CompareSettings(options.file, options.runtime, options.image, shape, options.batch))
    if options.json:
        print(json.dumps(as_data(found), indent=2))
    else:
        show_comparison(Report(), found)
    return 0 if found.equal else 1
