"""The hook that exports a model while mmcv 1.x trains it. This module imports mmcv; ``mmonnx.enable`` registers it."""

import time
from functools import partial
from pathlib import Path
from typing import Any, Dict, Union

from mmcv.parallel import is_module_wrapper
from mmcv.runner import Hook, IterBasedRunner, TextLoggerHook, master_only

from ..support import InputError
from .training import (
    Best,
    Training,
    TrainingExport,
    averages_of,
    best_name,
    config_of_tests,
    find_config,
    find_norm,
    names_of,
    remove,
)


class ONNXExportHook(TrainingExport, Hook):
    """Exports the weights as they are at the end of an interval and of the run, and after the best evaluation.

    The averaged weights are taken where an ``EMAHook`` averages them. The export works on a copy on the CPU: the model
    that is trained keeps its mode, gradients, hooks and device, and the process its random state. Only rank 0 exports.
    Files are ``epoch_N.onnx`` or ``iter_N.onnx``, and ``best_METRIC_epoch_N.onnx``, next to the checkpoints.

    Args:
        interval (int): epochs or iterations between two exports; -1 for the end of the run only.
        by_epoch (bool): whether the interval counts epochs.
        shape (tuple[int, int]): height and width of the sample input, in pixels.
        dynamic (bool): batch, height and width of the file are dynamic.
        simplify (bool): simplify the graph.
        image_size_input (bool): of a detector, an input that says where padding begins, and may be left out, as far as
            its answers depend on it; without, padding is taken for a part of the image.
        verify (bool): compare the file with PyTorch; one that differs is not written, and the export has failed.
        out_dir (str, optional): the files go into its subfolder of the work folder's name; None for the work folder.
        save_best (bool | str): also export after each evaluation that is better than all before, by this metric; True
            (as ``auto``) takes the first metric that the evaluation gives.
        keep (int): files of the interval that are kept, the newest; -1 for all.
        target (str): the runtime that the files are for.
        strict (bool): a failed export stops the training; else it is a warning.

    Raises:
        InputError: a value is not one of these.
    """

    best: Union[Best, None] = None

    def before_run(self, runner: Any) -> None:
        """Find the folder, and the place behind the evaluation.

        Raises:
            InputError: the hook's arguments do not go with the runner's.
        """
        if self.by_epoch and isinstance(runner, IterBasedRunner):
            raise InputError("by_epoch=True with an IterBasedRunner", "by_epoch=False", "count the interval in iters")
        self.find_folder(runner.work_dir)
        if self.metric is not None:
            self.best = Best(self.metric)
            self.best.follow_evaluation(runner, self)

    def after_train_epoch(self, runner: Any) -> None:
        """Export if it is time."""
        due = self.by_epoch and (self.every_n_epochs(runner, self.interval) or self.is_last_epoch(runner))
        self._export_what_is_due(runner, due, "epoch", runner.epoch + 1)

    def after_train_iter(self, runner: Any) -> None:
        """Export if it is time."""
        due = not self.by_epoch and (self.every_n_iters(runner, self.interval) or self.is_last_iter(runner))
        self._export_what_is_due(runner, due, "iter", runner.iter + 1)

    @master_only
    def _export_what_is_due(self, runner: Any, due: bool, unit: str, step: int) -> None:
        """Export what is to be exported now: the weights of the interval, and those of the best evaluation."""
        started, tell = time.perf_counter(), partial(_write_log, runner, unit, step)
        try:
            improved = self.best.improved(runner) if self.best is not None else None
        except Exception as error:
            self.failed(runner, "the best weights", started, error, tell)
            return
        names = [f"{unit}_{step}"] if due else []
        names += [best_name(improved[0], unit, step)] if improved is not None else []
        paths = self.export_due(runner, lambda: self._training(runner, unit), names, tell) if names else []
        if paths and self.best is not None and improved is not None:
            former = self.best.keep(runner, improved[1], paths[-1])
            if former and former != paths[-1]:
                remove(Path(former))
        if paths and due:
            self.remove_old(unit, step)

    def _training(self, runner: Any, unit: str) -> Training:
        source = runner.model.module if is_module_wrapper(runner.model) else runner.model
        return Training(
            model=source,
            averages=averages_of(runner, self, unit == "epoch"),
            norm=find_norm(runner.data_loader),
            name=str((runner.meta or {}).get("exp_name") or ""),
            step=f"{unit} {(runner.epoch if unit == 'epoch' else runner.iter) + 1}",
            describe=partial(_describe, runner),
        )


def _describe(runner: Any, task: Any, codebase: Any, model: Any) -> None:
    """Let the task know what the training knows: its file then says of itself what one of a config's export says."""
    from ..loading import config_text

    config = find_config(runner)
    about = config or config_of_tests(runner)
    if config is None:  # what the model was built with tells the rest
        about.model.test_cfg = getattr(model, "test_cfg", None)
    codebase.describe(task, about, names_of(runner, model))
    task.config_text = config_text(config) if config is not None else ""


def _write_log(runner: Any, unit: str, step: int, entry: Dict[str, Any]) -> None:
    """Write a line of its own into the .log.json: the runner's next line may be far, or never come."""
    for hook in runner.hooks:
        if isinstance(hook, TextLoggerHook):
            # without the key `epoch`, so that upstream's tools, which plot curves of these lines, pass over it
            hook._dump_log({"mode": "onnx", "onnx_step": f"{unit} {step}", **entry}, runner)
