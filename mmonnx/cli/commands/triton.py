"""``mmonnx triton``."""

import argparse


def add_triton(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add = parser.add_argument
    add("file", help="ONNX file that mmonnx export wrote")
    add("--out", required=True, metavar="REPOSITORY", help="the server's model repository; other models in it stay")
    add("--name", help="the model's name in it; default: the file's")
    add("--model-version", type=int, default=1, metavar="N", help="default: 1")
    add("--max-batch-size", type=int, default=8, metavar="N", help="images in a batch, at most; default: 8")
    add("--delay", type=int, default=100, metavar="US", help="microseconds to wait for a fuller batch; default: 100")
    add("--instances", type=int, default=1, metavar="N", help="copies that run side by side; default: 1")
    add("--device", choices=("auto", "cpu", "gpu"), default="auto", help="default: auto, a GPU where there is one")
    add("--storage-uri", metavar="URI", help="write KServe's file too, for the repository at this address")
    add("--debug", action="store_true", help="show tracebacks of errors")
    parser.set_defaults(run=_triton)


def _triton(options: argparse.Namespace) -> int:
    from ...serving import TritonSettings, write_repository

    written = write_repository(
        TritonSettings(
            file=options.file,
            repository=options.out,
            name=options.name,
            version=options.model_version,
            max_batch_size=options.max_batch_size,
            delay_us=options.delay,
            instances=options.instances,
            device=options.device,
            storage_uri=options.storage_uri,
        )
    )
    for path in written:
        print(path)
    return 0
