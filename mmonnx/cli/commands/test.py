"""``mmonnx test``."""

import argparse


def add_test(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command; upstream's two tools of that name have some of them by other names."""
    add = parser.add_argument
    add("config", help="config file, or mmdet::FOLDER/FILE.py or mmcls::... for one in the installed package")
    add("file", help="ONNX file")
    add("--eval", "--metrics", dest="metrics", nargs="+", default=[], metavar="METRIC", help=_EVAL)
    add("--eval-options", "--metric-options", nargs="+", default=[], metavar="KEY=VALUE", help=_OPTIONS)
    add("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="override settings of the config")
    add("--batch-size", type=int, metavar="N", help="batch size; default: the config's own")
    add("--workers", type=int, metavar="N", help="data-loading processes; default: the config's own")
    add("--compare-with", metavar="CKPT", help="also evaluate PyTorch with this checkpoint, and show both scores")
    add("--trust-checkpoint", action="store_true", help="load a checkpoint that can run code while it is loaded")
    add("--checkpoint-key", metavar="NAME", help="which of several sets of weights in it to take, by entry or prefix")
    add("--out", metavar="FILE", help="write results to this pickle file, as upstream's tools do")
    add("--format-only", action="store_true", help="write results in a test server's format, without evaluating them")
    add("--show-dir", metavar="DIR", help="write annotated pictures to this folder")
    add(
        "--show-score-thr",
        type=float,
        default=0.3,
        metavar="X",
        help="draw detections with at least this score; default: 0.3",
    )
    add("--launcher", choices=("none", "pytorch", "slurm"), default="none", help="launcher of a multi-process run")
    add("--device", default="cpu", help="cpu, cuda or cuda:N; default: cpu")
    add("--backend", choices=("onnxruntime",), help="accepted for compatibility with upstream's tools")
    add("--local_rank", "--local-rank", help=argparse.SUPPRESS)  # torch.distributed.launch without --use_env gives it
    add("--debug", action="store_true", help="show tracebacks of errors")
    parser.set_defaults(run=_test)


_EVAL = "metrics: bbox, segm, ... (mmdet); accuracy, precision, ... (mmcls); default in 2.x: the config's"
_OPTIONS = "arguments for the dataset's evaluate(), in 2.x the metrics, such as classwise=True or topk=1"


def _test(options: argparse.Namespace) -> int:
    from ...evaluation import EvaluationSettings, evaluate
    from ...support import InputError, parse

    for name, value, least in (("batch-size", options.batch_size, 1), ("workers", options.workers, 0)):
        if value is not None and value < least:
            raise InputError(f"--{name} {value} is too small", f"{least} or more", "give a larger one")
    evaluate(
        EvaluationSettings(
            config=options.config,
            file=options.file,
            metrics=options.metrics,
            options=parse(options.eval_options, "--eval-options"),
            cfg_options=parse(options.cfg_options, "--cfg-options"),
            batch_size=options.batch_size,
            workers=options.workers,
            launcher=options.launcher,
            compare_with=options.compare_with,
            trust_checkpoint=options.trust_checkpoint,
            checkpoint_key=options.checkpoint_key,
            out=options.out,
            format_only=options.format_only,
            show_dir=options.show_dir,
            show_score_thr=options.show_score_thr,
            device=options.device,
        )
    )
    return 0
