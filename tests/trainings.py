"""Real short trainings of the digit models through mmdet's and mmcls's train APIs."""

import contextlib
import inspect
import json
import logging
import time
import types
from pathlib import Path
from typing import Any, ContextManager, Dict, List, NamedTuple, Optional, Type
from unittest import mock

import cv2
import pytest
import torch

from mmonnx import fallback
from mmonnx.codebases import to_detections
from mmonnx.datasets import digits
from mmonnx.environment import compat
from mmonnx.loading.config import find_config
from mmonnx.verifying.matching import match

SEED = 0


class Run(NamedTuple):
    """One training: its folder, the lines of its .log.json, and the text of its log."""

    folder: Path
    lines: List[Dict[str, Any]]
    log: str

    @property
    def curve(self) -> List[Dict[str, Any]]:
        """The lines of the training itself, without what a clock wrote."""
        clocks = ("time", "data_time", "eta", "memory")
        kept = [line for line in self.lines if line.get("mode") == "train"]
        return [{name: value for name, value in line.items() if name not in clocks} for line in kept]

    @property
    def exports(self) -> List[Dict[str, Any]]:
        """The lines that the export hook wrote."""
        return [line for line in self.lines if line.get("mode") == "onnx"]

    @property
    def weights(self) -> Dict[str, torch.Tensor]:
        """What the last checkpoint holds."""
        return load_weights(self.folder / "latest.pth")

    @property
    def files(self) -> List[str]:
        """The ONNX files in the folder."""
        return sorted(path.name for path in self.folder.glob("*.onnx"))


def load_weights(path: Path) -> Dict[str, torch.Tensor]:
    """What a checkpoint of mmcv's holds; mmcv writes more than weights into it."""
    return compat.load_checkpoint_file(str(path), trust=True)["state_dict"]


def make_data(folder: Path) -> Path:
    """A few images for both models."""
    digits.make_detection_set(str(folder / "detection"), "train", 4, SEED)
    digits.make_classification_set(str(folder / "classification"), "train", 64, SEED)
    return folder


def read_config(kind: str, data: Path, options: Dict[str, Any]) -> Any:
    """The digit config of the ``detector`` or the ``classifier``, for two short epochs on these data."""
    fallback.ensure()
    from mmcv import Config

    name = {"detector": "faster_rcnn_digits", "classifier": "mobilenet_v2_digits"}[kind]
    cfg = Config.fromfile(str(find_config(f"mmonnx::digits/{name}.py")))
    if kind == "detector":
        for part in (cfg.data.train, cfg.data.val):
            part.ann_file = str(data / "detection" / "train.json")
            part.img_prefix = str(data / "detection" / "train")
        cfg.data.samples_per_gpu, cfg.data.train.pipeline[2].img_scale = 2, (128, 128)
        # mmdet 2.14 distorts the colours of floats alone
        cfg.data.train.pipeline[0].to_float32 = True
    else:
        for part in (cfg.data.train, cfg.data.val):
            part.type, part.data_prefix = folder_dataset().__name__, str(data / "classification" / "train")
        cfg.data.samples_per_gpu = 16
    cfg.log_config.interval, cfg.lr_config.warmup_iters, cfg.runner.max_epochs = 1, 2, 2
    cfg.checkpoint_config.interval = 1
    cfg.merge_from_dict(options)
    return cfg


def folder_dataset() -> Type[Any]:
    """mmcls's dataset of a folder a class, which before 0.20 was ImageNet's alone."""
    from mmcls import datasets

    return getattr(datasets, "CustomDataset", datasets.ImageNet)


def train(
    kind: str,
    data: Path,
    folder: Path,
    hooks: List[Dict[str, Any]],
    options: Optional[Dict[str, Any]] = None,
    validate: bool = False,
    with_config: bool = True,
) -> Run:
    """Train as mmdet's and mmcls's ``tools/train.py`` do, with these ``custom_hooks``.

    Args:
        with_config: hand the config's text to the runner, as these tools do, and notebooks do not.
    """
    cfg = read_config(kind, data, options or {})
    folder.mkdir(parents=True)
    cfg.work_dir, cfg.seed, cfg.gpu_ids, cfg.device, cfg.custom_hooks = str(folder), SEED, [0], "cpu", hooks
    run = _train_detector if kind == "detector" else _train_classifier
    # the logger's handlers belong to one training
    logger = logging.getLogger("mmdet" if kind == "detector" else "mmcls")
    handler = logging.FileHandler(str(folder / "train.log"))
    logger.addHandler(handler)
    # mmcv's runners sleep two seconds an epoch, for data workers, of which there are none here
    clock = types.SimpleNamespace(time=time.time, sleep=lambda seconds: None)
    # mmdet before 2.16 moves a model to the GPU, wherever it is to be trained
    stay = mock.patch("torch.nn.Module.cuda", lambda module, device=None: module)
    try:
        with mock.patch("mmcv.runner.epoch_based_runner.time", clock), stay, _whole_batches():
            run(cfg, validate, {"config": cfg.pretty_text} if with_config else None)
    finally:
        logger.removeHandler(handler)
        handler.close()
    (path,) = folder.glob("*.log.json")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return Run(folder, lines, (folder / "train.log").read_text())


def check_upstreams_answer(kind: str, model: Any, runtime: Any, picture: str) -> None:
    """A file answers on a picture as upstream's inference of the model does, which has its config and class names."""
    from mmcls.apis import inference_model
    from mmdet.apis import inference_detector

    if kind == "classifier":
        expected = inference_model(model, picture)
        label, name, score = runtime.top(runtime(picture))[0]
        assert (label, name) == (expected["pred_label"], expected["pred_class"])
        assert score == pytest.approx(expected["pred_score"], rel=1e-3)
    else:
        size = cv2.imread(picture).shape[:2]
        expected = to_detections(inference_detector(model, picture), size)
        assert match(expected, runtime(picture), score_thr=0.05).ok


def _whole_batches() -> ContextManager[Any]:
    """mmcv 1.3 gives a batch one dimension more where there is no GPU: no detector can be trained so."""
    from mmcv.parallel import _functions

    scatter = _functions.scatter
    if "unsqueeze" not in inspect.getsource(scatter):
        return contextlib.nullcontext()

    def whole(input: Any, devices: List[int], streams: Optional[List[Any]] = None) -> Any:
        return input if isinstance(input, list) and devices == [-1] else scatter(input, devices, streams)

    return mock.patch.object(_functions, "scatter", whole)


def _train_detector(cfg: Any, validate: bool, meta: Optional[Dict[str, Any]]) -> None:
    from mmdet.apis import set_random_seed, train_detector
    from mmdet.datasets import build_dataset
    from mmdet.models import build_detector

    set_random_seed(SEED)
    model = build_detector(cfg.model)
    model.init_weights()
    train_detector(model, build_dataset(cfg.data.train), cfg, validate=validate, timestamp="run", meta=meta)


def _train_classifier(cfg: Any, validate: bool, meta: Optional[Dict[str, Any]]) -> None:
    from mmcls.apis import set_random_seed, train_model
    from mmcls.datasets import build_dataset
    from mmcls.models import build_classifier

    if "custom_hooks" not in inspect.getsource(train_model):
        pytest.skip("this mmcls reads no custom_hooks")
    set_random_seed(SEED)
    model = build_classifier(cfg.model)
    model.init_weights()
    dataset = build_dataset(cfg.data.train)
    with mock.patch("mmcls.datasets.builder.DataLoader", _loader):
        train_model(model, dataset, cfg, validate=validate, device="cpu", timestamp="run", meta=meta)


def _loader(*args: Any, persistent_workers: bool = False, **kwargs: Any) -> torch.utils.data.DataLoader:
    """torch's loader without workers to keep alive: mmcls 0.20 asks for that even where it has none."""
    return torch.utils.data.DataLoader(*args, **kwargs)
