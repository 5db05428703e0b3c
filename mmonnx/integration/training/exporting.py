"""What the export hooks of both generations have in common: their arguments, the export of a snapshot, their files."""

import io
import re
import shutil
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import torch
from torch import nn

from ...environment import ordinary
from ...support import ExportError, InputError, VerificationError, alone, replacing
from ...targets import TARGETS
from .snapshot import random_state_kept, snapshot


class Training(NamedTuple):
    """A moment of a training.

    Attributes:
        model: the model, without a parallel wrapper.
        averages: the averaged weights by the names of those in whose place the file has them; empty for none.
        norm: the ``Normalize`` transform of the model's pictures, None for none.
        name: what the training is called, empty for nothing.
        step: the moment, as ``epoch 3``.
        describe: lets a task know what the training knows, from (task, codebase, snapshot).
    """

    model: nn.Module
    averages: Mapping[str, torch.Tensor]
    norm: Optional[Dict[str, Any]]
    name: str
    step: str
    describe: Callable[[Any, Any, nn.Module], None]


class TrainingExport:
    """The arguments of an export hook, and what it does whenever an export is due; each generation's hook inherits.

    Args:
        interval: and all others, see the hook.

    Raises:
        InputError: a value is not one of these.
    """

    folder: Path

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
        self.metric = ("auto" if save_best is True else save_best) or None

    def find_folder(self, work_dir: str) -> None:
        """Find the folder of the files, by a runner's ``work_dir``, as upstream's hook of checkpoints does."""
        self.folder = Path(work_dir) if self.out_dir is None else Path(self.out_dir) / Path(work_dir).name

    def export_due(
        self,
        runner: Any,
        training: Callable[[], Training],
        names: Sequence[str],
        tell: Callable[[Dict[str, Any]], None],
    ) -> List[str]:
        """Export to files of these names in the folder; a failure is reported, and raised where the hook is strict.

        Args:
            runner: whose ``logger`` is told.
            training: what is exported.
            names: without ``.onnx``.
            tell: writes an entry into the training's log.

        Returns:
            The paths of the files; empty where none could be written.
        """
        started, paths = time.perf_counter(), [self.folder / f"{name}.onnx" for name in names]
        try:
            verified = self._export(training(), paths)
        except Exception as error:
            self.failed(runner, paths[0].name, started, error, tell)
            return []
        for path in paths:
            runner.logger.info(f"Exported {path} in {_since(started)} s, {verified or 'not verified'}")
            tell(dict(onnx_file=str(path), onnx_time=_since(started), onnx_verified=verified))
        return [str(path) for path in paths]

    def failed(
        self, runner: Any, what: str, started: float, error: Exception, tell: Callable[[Dict[str, Any]], None]
    ) -> None:
        """Report an export that failed; inside of the block that caught its error.

        Raises:
            Exception: the error itself, where the hook is strict.
        """
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        runner.logger.warning(f"{what} was not exported: {reason}")
        tell(dict(onnx_file=None, onnx_time=_since(started), onnx_error=reason))
        if self.strict:
            raise error

    @alone()
    @ordinary()
    def _export(self, training: Training, paths: Sequence[Path]) -> Optional[str]:
        """Export the weights to the first path, and copy the file to the others.

        Returns:
            How the verification went; None without one.

        Raises:
            VerificationError: the file does not agree with PyTorch; nothing was written.
        """
        # onnx and the runtime are imported when the first export starts
        from ...exporting import ExportSettings
        from ...loading import LoadOptions, codebases, owner_of, without_sync_bn
        from ...pipeline import export_task
        from ...terminal import Report

        with random_state_kept():
            model = without_sync_bn(snapshot(training.model, training.averages))
            options = LoadOptions(shape=self.shape, dynamic=self.dynamic, image_size=self.image_size_input)
            codebase = owner_of(model)
            if codebase is None:
                known = " or ".join(codebase.makes for codebase in codebases() if codebase.package)
                raise ExportError(f"{type(model).__name__} is not {known}")
            task = codebase.task_of(model, type(model).__name__, training.norm, options)
            training.describe(task, codebase, model)
            task.weights = f"a training, {training.step}"
            settings = ExportSettings(
                config=training.name or task.title,
                output_file=str(paths[0]),
                load=options,
                target=self.target,
                simplify=self.simplify,
                verify=self.verify,
                show_dir=self.pictures,
            )
            exported = export_task(task, settings, Report(io.StringIO()))
        if not exported.ok:
            raise VerificationError(exported.mismatch, exported=exported)
        for path in paths[1:]:
            with replacing(str(path)) as temporary:
                shutil.copyfile(str(paths[0]), str(temporary))
        return f"{len(exported.results)} of {len(exported.results)} cases agree" if exported.results else None

    pictures: Optional[str] = None
    """Folder for the pictures of both results, None for none."""

    def remove_old(self, unit: str, step: int) -> None:
        """Remove the oldest files of the interval, up to this one, that are too many."""
        if self.keep < 0:
            return
        files: List[Tuple[int, Path]] = []
        for path in self.folder.glob(f"{unit}_*.onnx"):
            number = path.stem[len(unit) + 1 :]
            if number.isdigit() and int(number) <= step:
                files.append((int(number), path))
        for _, path in sorted(files)[: -self.keep]:
            remove(path)


def best_name(metric: str, unit: str, step: int) -> str:
    """The name of the file of the best evaluation so far."""
    return f"best_{re.sub(r'[^-.@+=()0-9A-Za-z]', '_', metric)}_{unit}_{step}"


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    if path.is_file():
        path.unlink()


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 2)


def _check(name: str, value: Any, good: bool, expected: str) -> None:
    if not good:
        raise InputError(f"ONNXExportHook got {name}={value!r}", expected, "fix custom_hooks in the config")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
