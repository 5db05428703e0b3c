"""The hook that exports a model while mmengine trains it. This module imports mmengine; ``enable`` registers it."""

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

import torch
from mmengine.dist import master_only
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop

from ..support import InputError
from .training import Training, TrainingExport, best_name, norm_of_preprocessor, remove

_PICTURES = 4
"""How many pictures of a verification a visualizer is given."""


class ONNXExportHook(TrainingExport, Hook):
    """Exports the weights as they are at the end of an interval and of the run, and after the best evaluation.

    The averaged weights are taken where an ``EMAHook`` averages them. The export works on a copy on the CPU: the model
    that is trained keeps its mode, gradients, hooks and device, and the process its random state. Only rank 0 exports.
    Files are ``epoch_N.onnx`` or ``iter_N.onnx``, and ``best_METRIC_epoch_N.onnx``, next to the checkpoints. Where the
    visualizer has a backend, it is given pictures of the verification, and what the export says in numbers.

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

    # behind the hook that puts the averages back where they were during the evaluation
    priority = "VERY_LOW"

    def before_run(self, runner: Any) -> None:
        """Find the folder.

        Raises:
            InputError: the hook's arguments do not go with the runner's.
        """
        self.find_folder(runner.work_dir)

    def before_train(self, runner: Any) -> None:
        """See that the arguments go with the loop.

        Raises:
            InputError: they do not.
        """
        if self.by_epoch and isinstance(runner.train_loop, IterBasedTrainLoop):
            raise InputError(
                "by_epoch=True with an IterBasedTrainLoop", "by_epoch=False", "count the interval in iters"
            )
        if self.metric is not None and runner.val_loop is None:
            what = f"save_best={self.metric!r} without an evaluation"
            raise InputError(what, "a val_dataloader, a val_evaluator and a val_cfg", "set save_best=False")
        if self.metric not in (None, "auto"):
            _judge(runner, str(self.metric))

    def after_train_epoch(self, runner: Any) -> None:
        """Export if it is time."""
        if self.by_epoch and (self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner)):
            self._export_interval(runner, "epoch", runner.epoch + 1)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Export if it is time."""
        if not self.by_epoch and (self.every_n_train_iters(runner, self.interval) or self.is_last_train_iter(runner)):
            self._export_interval(runner, "iter", runner.iter + 1)

    @master_only
    def after_val_epoch(self, runner: Any, metrics: Optional[Dict[str, float]] = None) -> None:
        """Export if this evaluation, of a training, is better than all before."""
        if self.metric is None or not getattr(runner, "_train_loop", None):
            return
        # mmengine counts an epoch, or an iteration, before it evaluates
        unit, step = ("epoch", runner.epoch) if self.by_epoch else ("iter", runner.iter)
        started, tell = time.perf_counter(), partial(_tell, runner, step)
        try:
            improved = self._improved(runner, metrics or {})
        except Exception as error:
            self.failed(runner, "the best weights", started, error, tell)
            return
        if improved is None:
            return
        paths = self.export_due(
            runner, lambda: self._training(runner, unit, step), [best_name(improved[0], unit, step)], tell
        )
        if paths:
            former = runner.message_hub.runtime_info.get("best_onnx")
            if former and former != paths[0]:
                remove(Path(former))
            # where mmengine keeps its own, and so in the checkpoints
            runner.message_hub.update_info_dict({"best_onnx": paths[0], "best_onnx_score": improved[1]})

    @master_only
    def _export_interval(self, runner: Any, unit: str, step: int) -> None:
        if not runner.visualizer._vis_backends or not self.verify:
            paths = self._export_now(runner, unit, step)
        else:
            with tempfile.TemporaryDirectory(prefix="mmonnx-") as folder:
                self.pictures = folder
                try:
                    paths = self._export_now(runner, unit, step)
                finally:
                    self.pictures = None
                _show(runner, Path(folder), step)
        if paths:
            self.remove_old(unit, step)

    def _export_now(self, runner: Any, unit: str, step: int) -> Any:
        names, tell = [f"{unit}_{step}"], partial(_tell, runner, step)
        return self.export_due(runner, lambda: self._training(runner, unit, step), names, tell)

    def _training(self, runner: Any, unit: str, step: int) -> Training:
        source = runner.model.module if is_model_wrapper(runner.model) else runner.model
        return Training(
            model=source,
            averages=_averages(runner),
            norm=norm_of_preprocessor(getattr(source, "data_preprocessor", None)),
            name=str(runner.experiment_name or ""),
            step=f"{unit} {step}",
            describe=partial(_describe, runner),
        )

    def _improved(self, runner: Any, metrics: Mapping[str, Any]) -> Optional[Tuple[str, float]]:
        """The metric's name and value if the evaluation that just took place is the best so far, else None.

        Raises:
            InputError: the evaluation has no such metric, or nobody knows whether more of it is better.
        """
        key = next(iter(metrics), None) if self.metric == "auto" else self.metric
        if key is None:  # nothing was evaluated
            return None
        if key not in metrics:
            raise InputError(f"save_best={key!r}", f"a metric of the evaluation: {', '.join(metrics)}", "take one")
        best = runner.message_hub.runtime_info.get("best_onnx_score")
        better = _judge(runner, key)
        return (key, metrics[key]) if best is None or better(metrics[key], best) else None


def _judge(runner: Any, key: str) -> Any:
    """Whether one value of a metric is better than another, by mmengine's own rules.

    Raises:
        InputError: mmengine knows none.
    """
    saving = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
    rules = dict(zip(getattr(saving, "key_indicators", None) or (), getattr(saving, "rules", None) or ()))
    try:
        judge = CheckpointHook(save_best=key, rule=rules.get(key))
    except ValueError as error:
        known = "a metric of which mmengine knows whether more is better"
        raise InputError(f"save_best={key!r}", known, "name another one") from error
    return judge.rule_map[judge.rules[0]]


def _averages(runner: Any) -> Dict[str, torch.Tensor]:
    """The averaged weights, if the runner has a hook that averages them; it has them in a model of its own."""
    averaging = next((hook for hook in runner.hooks if isinstance(hook, EMAHook)), None)
    if averaging is None:
        return {}
    model, average = averaging.src_model, averaging.ema_model.module
    if averaging.ema_model.update_buffers:
        return dict(average.state_dict())
    names = {name for name, _ in model.named_parameters()}
    return {name: value for name, value in average.named_parameters() if name in names}


def _describe(runner: Any, task: Any, codebase: Any, model: Any) -> None:
    """Let the task know what the training knows: its file then says of itself what one of a config's export says."""
    from mmengine import Config

    from ..loading import config_text

    whole = bool(runner.cfg.get("model"))
    config = runner.cfg if whole else Config(dict(model=dict(test_cfg=getattr(model, "test_cfg", None))))
    loader = runner.train_dataloader
    metainfo = getattr(getattr(loader, "dataset", None), "metainfo", None) or {}
    codebase.describe(task, config, {"dataset_meta": metainfo})
    task.config_text = config_text(config) if whole else ""


def _tell(runner: Any, step: int, entry: Mapping[str, Any]) -> None:
    """Give the visualizer what an export says in numbers: how long it took, and whether there is a file."""
    scalars = {"onnx/seconds": entry["onnx_time"], "onnx/written": float(entry["onnx_file"] is not None)}
    for backend in runner.visualizer._vis_backends.values():
        backend.add_scalars(scalars, step)


def _show(runner: Any, folder: Path, step: int) -> None:
    """Give the visualizer the pictures of PyTorch's answers beside the file's."""
    import cv2

    for path in sorted(folder.glob("*.png"))[:_PICTURES]:
        picture = cv2.imread(str(path))
        if picture is not None:
            # no slash: the local backend makes a file's name of it
            runner.visualizer.add_image(f"onnx_{path.stem}", picture[..., ::-1], step)
