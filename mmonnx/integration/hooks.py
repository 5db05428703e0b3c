"""The hook that exports a model while it is being trained. This module imports mmcv; ``mmonnx.enable`` registers it."""

import io
import re
import shutil
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from mmcv.parallel import is_module_wrapper
from mmcv.runner import Hook, IterBasedRunner, TextLoggerHook, master_only

from ..environment import ordinary
from ..support import ExportError, InputError, VerificationError, alone, replacing
from ..targets import TARGETS
from .training import Best, averages_of, config_of_tests, find_config, find_norm, names_of, random_state_kept, snapshot


class ONNXExportHook(Hook):
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

    def __init__(
        self,
        interval: int = 1,
        by_epoch: bool = True,
        shape: Tuple[int, int] = (800, 1216),
        dynamic: bool = True,
        simplify: bool = True,
        image_size_input: bool = True,
        verify: bool = True,
        out_dir: Optional[str] = None,
        save_best: Union[bool, str] = False,
        keep: int = 3,
        target: str = "onnxruntime",
        strict: bool = False,
    ) -> None:
        for name, value in (("interval", interval), ("keep", keep)):
            _check(name, value, _is_int(value) and (value > 0 or value == -1), "a positive integer, or -1")
        flags = dict(by_epoch=by_epoch, dynamic=dynamic, simplify=simplify, verify=verify, strict=strict)
        flags["image_size_input"] = image_size_input
        for name, value in flags.items():
            _check(name, value, isinstance(value, bool), "True or False")
        sizes = isinstance(shape, (tuple, list)) and len(shape) == 2 and all(_is_int(s) and s > 0 for s in shape)
        _check("shape", shape, sizes, "(height, width) in pixels")
        _check("out_dir", out_dir, out_dir is None or (isinstance(out_dir, str) and bool(out_dir)), "a folder, or None")
        named = isinstance(save_best, bool) or (isinstance(save_best, str) and bool(save_best))
        _check("save_best", save_best, named, "True, False or the name of a metric")
        _check("target", target, isinstance(target, str) and target in TARGETS, ", ".join(TARGETS))
        self.interval, self.by_epoch, self.shape, self.keep = interval, by_epoch, (shape[0], shape[1]), keep
        self.dynamic, self.simplify, self.verify, self.strict = dynamic, simplify, verify, strict
        self.out_dir, self.target, self.image_size_input = out_dir, target, image_size_input
        self.best = Best("auto" if save_best is True else save_best) if save_best else None

    def before_run(self, runner: Any) -> None:
        """Find the folder, and the place behind the evaluation.

        Raises:
            InputError: the hook's arguments do not go with the runner's.
        """
        if self.by_epoch and isinstance(runner, IterBasedRunner):
            raise InputError("by_epoch=True with an IterBasedRunner", "by_epoch=False", "count the interval in iters")
        self.folder = Path(runner.work_dir)
        if self.out_dir is not None:  # as mmcv's CheckpointHook
            self.folder = Path(self.out_dir) / Path(runner.work_dir).name
        if self.best is not None:
            self.best.follow_evaluation(runner, self)

    def after_train_epoch(self, runner: Any) -> None:
        """Export if it is time."""
        due = self.by_epoch and (self.every_n_epochs(runner, self.interval) or self.is_last_epoch(runner))
        self._export_due(runner, due, "epoch", runner.epoch + 1)

    def after_train_iter(self, runner: Any) -> None:
        """Export if it is time."""
        due = not self.by_epoch and (self.every_n_iters(runner, self.interval) or self.is_last_iter(runner))
        self._export_due(runner, due, "iter", runner.iter + 1)

    @master_only
    def _export_due(self, runner: Any, due: bool, unit: str, step: int) -> None:
        """Export what is to be exported now; a failure is reported, and raised where the hook is strict."""
        started, paths, best = time.perf_counter(), [], self.best
        try:
            improved = best.improved(runner) if best is not None else None
            paths = [self.folder / f"{unit}_{step}.onnx"] if due else []
            if improved is not None:
                paths.append(
                    self.folder / f"best_{re.sub(r'[^-.@+=()0-9A-Za-z]', '_', improved[0])}_{unit}_{step}.onnx"
                )
            if not paths:
                return
            verified = self._export(runner, paths, unit == "epoch")
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            name = paths[0].name if paths else "the best weights"
            runner.logger.warning(f"{name} was not exported: {reason}")
            _write_log(runner, unit, step, dict(onnx_file=None, onnx_time=_since(started), onnx_error=reason))
            if self.strict:
                raise
            return
        if best is not None and improved is not None:
            former = best.keep(runner, improved[1], str(paths[-1]))
            if former and former != str(paths[-1]):
                _remove(Path(former))
        for path in paths:
            runner.logger.info(f"Exported {path} in {_since(started)} s, {verified or 'not verified'}")
            _write_log(runner, unit, step, dict(onnx_file=str(path), onnx_time=_since(started), onnx_verified=verified))
        if due:
            self._remove_old(unit, step)

    @alone()
    @ordinary()
    def _export(self, runner: Any, paths: Sequence[Path], epoch_ended: bool) -> Optional[str]:
        """Export the weights to the first path, and copy the file to the others.

        Returns:
            How the verification went; None without one.

        Raises:
            VerificationError: the file does not agree with PyTorch; nothing was written.
        """
        # onnx and the runtime are imported when the first export starts
        from ..exporting import ExportSettings
        from ..loading import LoadOptions, codebases, owner_of, without_sync_bn
        from ..pipeline import export_task
        from ..terminal import Report

        with random_state_kept():
            source = runner.model.module if is_module_wrapper(runner.model) else runner.model
            model = without_sync_bn(snapshot(source, averages_of(runner, self, epoch_ended)))
            options = LoadOptions(shape=self.shape, dynamic=self.dynamic, image_size=self.image_size_input)
            codebase = owner_of(model)
            if codebase is None:
                known = " or ".join(codebase.makes for codebase in codebases() if codebase.package)
                raise ExportError(f"{type(model).__name__} is not {known}")
            task = codebase.task_of(model, type(model).__name__, find_norm(runner.data_loader), options)
            step = f"epoch {runner.epoch + 1}" if epoch_ended else f"iter {runner.iter + 1}"
            _describe(task, codebase, runner, model, f"a training, {step}")
            settings = ExportSettings(
                config=str((runner.meta or {}).get("exp_name") or task.title),
                output_file=str(paths[0]),
                load=options,
                target=self.target,
                simplify=self.simplify,
                verify=self.verify,
            )
            exported = export_task(task, settings, Report(io.StringIO()))
        if not exported.ok:
            raise VerificationError(exported.mismatch, exported=exported)
        for path in paths[1:]:
            with replacing(str(path)) as temporary:
                shutil.copyfile(str(paths[0]), str(temporary))
        return f"{len(exported.results)} of {len(exported.results)} cases agree" if exported.results else None

    def _remove_old(self, unit: str, step: int) -> None:
        """Remove the oldest files of the interval, up to this one, that are too many."""
        if self.keep < 0:
            return
        files: List[Tuple[int, Path]] = []
        for path in self.folder.glob(f"{unit}_*.onnx"):
            number = path.stem[len(unit) + 1 :]
            if number.isdigit() and int(number) <= step:
                files.append((int(number), path))
        for _, path in sorted(files)[: -self.keep]:
            _remove(path)


def _describe(task: Any, codebase: Any, runner: Any, model: Any, weights: str) -> None:
    """Let the task know what the training knows: its file then says of itself what one of a config's export says."""
    from ..loading import config_text

    config = find_config(runner)
    about = config or config_of_tests(runner)
    if config is None:  # what the model was built with tells the rest
        about.model.test_cfg = getattr(model, "test_cfg", None)
    codebase.describe(task, about, names_of(runner, model))
    task.weights, task.config_text = weights, config_text(config) if config is not None else ""


def _write_log(runner: Any, unit: str, step: int, entry: Dict[str, Any]) -> None:
    """Write a line of its own into the .log.json: the runner's next line may be far, or never come."""
    for hook in runner.hooks:
        if isinstance(hook, TextLoggerHook):
            # without the key `epoch`, so that upstream's tools, which plot curves of these lines, pass over it
            hook._dump_log({"mode": "onnx", "onnx_step": f"{unit} {step}", **entry}, runner)


def _remove(path: Path) -> None:
    if path.is_file():
        path.unlink()


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 2)


def _check(name: str, value: Any, good: bool, expected: str) -> None:
    if not good:
        raise InputError(f"ONNXExportHook got {name}={value!r}", expected, "fix custom_hooks in the config")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
