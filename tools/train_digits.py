"""Make the digits data, train the digit models with OpenMMLab's own train functions, and keep their weights.

    python tools/train_digits.py [MODEL] [--work-dir DIR] [--epochs N] [--eval-only]

With OpenMMLab 1.x the detector is a Faster R-CNN, the classifier a MobileNetV2, the segmentor a Semantic FPN, and
"rotated" a Rotated FCOS for turned digits; the last two begin with what the first has learnt. With 2.x there is a
detector alone, an RTMDet.

Everything is seeded. A checkpoint replaces the one in configs/digits/ only if it reaches its goal on held-out images;
logs and data stay in the work folder.
"""

import argparse
import contextlib
import io
import logging
import os
import sys
import time
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from mmonnx import fallback
from mmonnx.datasets import digits, scores
from mmonnx.environment import compat
from mmonnx.support.errors import InputError

CONFIGS = Path(__file__).resolve().parent.parent / "configs" / "digits"
MODELS = ("detector", "classifier", "segmentor", "rotated")
SEED = 0


class Job(NamedTuple):
    """One model: its config's name, how it is trained and measured, what it has to reach, and its classes' names."""

    name: str
    stem: str
    metric: str
    goal: float
    train: Callable[[Any, Path], Path]
    measure: Callable[[Path, Path], float]
    names: Dict[str, Any] = {"CLASSES": digits.CLASSES}


def main(argv: Optional[List[str]] = None) -> int:
    """Run the stages that the arguments ask for.

    Returns:
        0, or 1 if a model misses its goal.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="all", choices=(*MODELS, "all"))
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/digits"), help="data, logs (%(default)s)")
    parser.add_argument("--epochs", type=int, help="instead of the config's")
    parser.add_argument("--eval-only", action="store_true", help="measure the checkpoints in configs/digits/")
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    fallback.ensure()
    try:
        jobs = [job for job in JOBS[2 if compat.is_second_generation() else 1] if args.model in (job.name, "all")]
        if not jobs:
            raise InputError(f"no {args.model} of OpenMMLab 2.x", "detector", "use the stack of 1.x, or another model")
        good = [run(job, args) for job in jobs]
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.status
    return 0 if all(good) else 1


def run(job: Job, args: argparse.Namespace) -> bool:
    """Train (unless told not to) and measure one model; say whether it reaches its goal."""
    config, kept = CONFIGS / f"{job.stem}.py", CONFIGS / f"{job.stem}.pth"
    checkpoint = kept
    if not args.eval_only:
        cfg = compat.config_type().fromfile(str(config))
        epochs = cfg.train_cfg if compat.is_second_generation() else cfg.runner
        epochs.max_epochs = args.epochs or epochs.max_epochs
        # What mmdet's and mmcls's tools/train.py set before they call the train functions.
        cfg.work_dir, cfg.seed, cfg.gpu_ids, cfg.device = str(args.work_dir / job.name), SEED, [0], "cpu"
        cfg.load_from = cfg.load_from and str(CONFIGS / Path(cfg.load_from).name)
        started = time.time()
        with contextlib.redirect_stdout(io.StringIO()):
            last = job.train(cfg, args.work_dir)
        checkpoint = strip(last, args.work_dir / f"{job.stem}.pth", job.names)
        size = checkpoint.stat().st_size / 1e6
        say(job, f"trained {epochs.max_epochs} epochs, {size:.2f} MB", started)
    started = time.time()
    with contextlib.redirect_stdout(io.StringIO()):
        value = job.measure(config, checkpoint)
    good = value >= job.goal
    verdict = "reached" if good else "missed"
    say(job, f"{job.metric} {value:.4f} on held-out images (goal {job.goal:.2f} {verdict})", started)
    if checkpoint != kept and good:
        os.replace(checkpoint, kept)
        checkpoint = kept
    say(job, f"checkpoint: {checkpoint}")
    return good


def say(job: Job, text: str, started: Optional[float] = None) -> None:
    """Print one line, with the seconds since ``started``."""
    took = "" if started is None else f"  [{time.time() - started:.1f} s]"
    print(f"{job.name}: {text}{took}", flush=True)


def quiet_logger(name: str, folder: str) -> None:
    """Send the named OpenMMLab logger to a file in ``folder``; only errors reach the terminal."""
    from mmcv.utils import get_logger

    os.makedirs(folder, exist_ok=True)
    get_logger(name, log_file=os.path.join(folder, "train.log"))
    # mmcv's own logger prints how each weight was set.
    for logger in (logging.getLogger(name), get_logger("mmcv")):
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:
                handler.setLevel(logging.ERROR)


def train_detector(cfg: Any, work_dir: Path) -> Path:
    """Write the composites and train with ``mmdet.apis.train_detector``."""
    from mmdet.apis import set_random_seed, train_detector
    from mmdet.datasets import build_dataset
    from mmdet.models import build_detector

    root = str(work_dir / "detection")
    cfg.data.train.ann_file = digits.make_detection_set(root, "train", 4000, SEED)
    cfg.data.train.img_prefix = os.path.join(root, "train")
    quiet_logger("mmdet", cfg.work_dir)
    set_random_seed(SEED)
    model = build_detector(cfg.model)
    model.init_weights()
    train_detector(model, build_dataset(cfg.data.train), cfg, meta={})
    return Path(cfg.work_dir, "latest.pth")


def train_classifier(cfg: Any, work_dir: Path) -> Path:
    """Write the crops and train with ``mmcls.apis.train_model``."""
    from mmcls.apis import set_random_seed, train_model
    from mmcls.datasets import build_dataset
    from mmcls.models import build_classifier

    cfg.data.train.data_prefix = digits.make_classification_set(str(work_dir / "classification"), "train", 30000, SEED)
    quiet_logger("mmcls", cfg.work_dir)
    set_random_seed(SEED)
    model = build_classifier(cfg.model)
    model.init_weights()
    train_model(model, build_dataset(cfg.data.train), cfg, device="cpu", meta={})
    return Path(cfg.work_dir, "latest.pth")


def train_segmentor(cfg: Any, work_dir: Path) -> Path:
    """Write the composites and their label maps, and train with ``mmseg.apis.train_segmentor``."""
    from mmseg.apis import set_random_seed, train_segmentor
    from mmseg.datasets import build_dataset
    from mmseg.models import build_segmentor

    folder = Path(digits.make_segmentation_set(str(work_dir / "segmentation"), "train", 2500, SEED))
    cfg.data.train.img_dir, cfg.data.train.ann_dir = str(folder / "images"), str(folder / "labels")
    quiet_logger("mmseg", cfg.work_dir)
    set_random_seed(SEED)
    model = build_segmentor(cfg.model)
    model.init_weights()
    train_segmentor(model, build_dataset(cfg.data.train), cfg, meta={})
    return Path(cfg.work_dir, "latest.pth")


def train_rotated(cfg: Any, work_dir: Path) -> Path:
    """Write composites of turned digits and train with mmdet's function: mmrotate's own asks for a GPU."""
    from mmdet.apis import set_random_seed, train_detector
    from mmrotate.datasets import build_dataset
    from mmrotate.models import build_detector

    folder = digits.make_rotated_set(str(work_dir / "rotated"), "train", 4000, SEED)
    cfg.data.train.ann_file, cfg.data.train.img_prefix = f"{folder}/boxes/", f"{folder}/images/"
    quiet_logger("mmdet", cfg.work_dir)
    set_random_seed(SEED)
    model = build_detector(cfg.model)
    model.init_weights()
    dataset = build_dataset(cfg.data.train)
    train_detector(model, dataset, cfg, meta={})
    return Path(cfg.work_dir, "latest.pth")


def train_by_runner(cfg: Any, work_dir: Path) -> Path:
    """Write the composites and train a detector of 2.x with mmengine's ``Runner``; it is measured afterwards."""
    from mmengine.runner import Runner

    root = work_dir / "detection"
    digits.make_detection_set(str(root), "train", 4000, SEED)
    cfg.train_dataloader.dataset.data_root = f"{root}/"
    for kind in ("val", "test"):
        cfg.update({f"{kind}_{part}": None for part in ("dataloader", "evaluator", "cfg")})
    cfg.randomness = dict(seed=SEED)
    Runner.from_cfg(cfg).train()
    return Path(Path(cfg.work_dir, "last_checkpoint").read_text(encoding="utf-8"))


def measure_detector(config: Path, checkpoint: Path) -> float:
    """mAP@0.5 on 200 held-out composites."""
    detect = scores.pytorch_detector(str(config), str(checkpoint))
    samples = list(digits.detection_samples("test", 200))
    return digits.mean_average_precision([scores.by_class(detect(sample.image)) for sample in samples], samples)


def measure_classifier(config: Path, checkpoint: Path) -> float:
    """Share of 400 held-out crops that are named rightly."""
    classify = scores.pytorch_classifier(str(config), str(checkpoint))
    samples = list(digits.classification_samples("test", 400))
    right = sum(classify(sample.image)[0] == sample.label for sample in samples)
    return float(right / len(samples))


def measure_segmentor(config: Path, checkpoint: Path) -> float:
    """mIoU on 200 held-out composites."""
    segment = scores.pytorch_segmentor(str(config), str(checkpoint))
    samples = list(digits.segmentation_samples("test", 200))
    return digits.mean_intersection_over_union([segment(sample.image).labels for sample in samples], samples)


def measure_rotated(config: Path, checkpoint: Path) -> float:
    """mAP@0.5 on 200 held-out composites of turned digits."""
    detect = scores.pytorch_rotated_detector(str(config), str(checkpoint))
    samples = list(digits.rotated_samples("test", 200))
    found = [scores.by_class(detect(sample.image)) for sample in samples]
    return digits.rotated_mean_average_precision(found, samples)


def strip(source: Path, target: Path, names: Dict[str, Any]) -> Path:
    """Keep the weights and the classes' names of a checkpoint; the optimizer's state is two thirds of it."""
    import torch

    weights = compat.load_checkpoint_file(str(source), trust=True)["state_dict"]
    # Clones: a view would carry the storage that it was cut from. What layers share is there once.
    clones: Dict[Any, Any] = {}
    state = OrderedDict()
    for name, value in weights.items():
        place = value.data_ptr(), tuple(value.shape), value.stride()
        state[name] = clones.setdefault(place, value.detach().clone())
    torch.save({"meta": names, "state_dict": state}, str(target))
    return target


JOBS = {
    1: (
        Job("detector", "faster_rcnn_digits", "mAP@0.5", 0.85, train_detector, measure_detector),
        Job("classifier", "mobilenet_v2_digits", "accuracy", 0.95, train_classifier, measure_classifier),
        Job(
            "segmentor",
            "semantic_fpn_digits",
            "mIoU",
            0.78,
            train_segmentor,
            measure_segmentor,
            {"CLASSES": digits.PIXEL_CLASSES, "PALETTE": digits.PALETTE},
        ),
        Job("rotated", "rotated_fcos_digits", "mAP@0.5", 0.80, train_rotated, measure_rotated),
    ),
    2: (
        Job(
            "detector",
            "rtmdet_tiny_digits",
            "mAP@0.5",
            0.85,
            train_by_runner,
            measure_detector,
            {"dataset_meta": {"classes": digits.CLASSES}},
        ),
    ),
}
"""The models of each generation of OpenMMLab's."""

if __name__ == "__main__":
    sys.exit(main())
