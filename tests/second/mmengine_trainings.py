"""Real short trainings of the digit RTMDet by mmengine's Runner."""

import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import torch

from mmonnx import fallback
from mmonnx.datasets import digits
from mmonnx.environment import compat
from mmonnx.loading.config import find_config

SEED = 0


class Run(NamedTuple):
    """One training: its folder, the scalars that it logged, and the text of its log."""

    folder: Path
    lines: List[Dict[str, Any]]
    log: str

    @property
    def curve(self) -> List[Dict[str, Any]]:
        """The lines of the training itself, without what a clock wrote."""
        clocks = ("time", "data_time", "memory")
        kept = [line for line in self.lines if "loss" in line]
        return [{name: value for name, value in line.items() if name not in clocks} for line in kept]

    @property
    def files(self) -> List[str]:
        """The ONNX files in the folder."""
        return sorted(path.name for path in self.folder.glob("*.onnx"))

    def weights(self, name: str = "epoch_2.pth") -> Dict[str, torch.Tensor]:
        """What a checkpoint holds."""
        return compat.load_checkpoint_file(str(self.folder / name), trust=True)["state_dict"]


def make_data(folder: Path) -> Path:
    """A few pictures with digits."""
    digits.make_detection_set(str(folder), "train", 4, SEED)
    return folder


def read_config(data: Path, options: Optional[Dict[str, Any]] = None) -> Any:
    """The digit RTMDet's config, for two short epochs on these data."""
    from mmengine import Config

    fallback.ensure()
    cfg = Config.fromfile(str(find_config("mmonnx::digits/rtmdet_tiny_digits.py")))
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.update(data_root=f"{data}/", ann_file="train.json", data_prefix=dict(img="train/"))
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.ann_file = str(data / "train.json")
    cfg.train_dataloader.batch_size, cfg.train_pipeline[2].scale = 2, (96, 96)
    cfg.train_dataloader.dataset.pipeline[2].scale = (96, 96)
    cfg.train_cfg.max_epochs, cfg.default_hooks.logger.interval, cfg.default_hooks.checkpoint.interval = 2, 1, 1
    cfg.randomness, cfg.param_scheduler = dict(seed=SEED), None
    cfg.merge_from_dict(options or {})
    return cfg


def train(
    data: Path,
    folder: Path,
    hooks: List[Dict[str, Any]],
    options: Optional[Dict[str, Any]] = None,
    validate: bool = False,
) -> Run:
    """Train as mmdet 3's ``tools/train.py`` does, with these ``custom_hooks``; a name of its own for each folder."""
    from mmengine.runner import Runner

    cfg = read_config(data, options)
    cfg.work_dir, cfg.custom_hooks = str(folder), hooks
    # loggers, message hubs and visualizers are one a name in a process
    cfg.experiment_name = cfg.visualizer.name = str(folder).replace("/", "-")
    if not validate:
        cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    runner = Runner.from_cfg(cfg)
    runner.train()
    for handler in runner.logger.handlers:
        handler.flush()
    (log,) = folder.glob("*/*.log")
    (scalars,) = folder.glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    return Run(folder, lines, log.read_text())
