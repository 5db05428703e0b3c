"""What one reduction is asked for, and what came of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

import onnx

from ..support import InputError
from .changes import Changes

PRECISIONS = ("fp32", "fp16", "int8")
MAX_LOSS = 0.5
CALIBRATE, MEASURE = 32, 200


@dataclass(frozen=True)
class PrecisionSettings:
    """What a file is to be computed in.

    Attributes:
        precision: ``fp32``, ``fp16`` or ``int8``.
        config: whose data set the images and the metric are of; None for pictures alone.
        cfg_options: overrides of the config.
        calibrate: images that ranges of int8 are taken of.
        measure: the greatest number of other images on which the loss is measured.
        images: a folder of pictures in the place of the config's training set; None for that.
        max_loss: the points of the metric that may be lost.
        metrics: the metrics, None or empty for those of the config.
        target: the runtime that the file is for.
        report: rank the layers by the noise that each brings, also where none has to stay in float32.
    """

    precision: str = "fp32"
    config: Optional[str] = None
    cfg_options: Dict[str, Any] = field(default_factory=dict)
    calibrate: int = CALIBRATE
    measure: int = MEASURE
    images: Optional[str] = None
    max_loss: float = MAX_LOSS
    metrics: Sequence[str] = ()
    target: str = "onnxruntime"
    report: bool = False

    @property
    def reduces(self) -> bool:
        """Whether there is anything to do."""
        return self.precision != "fp32"

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            InputError: a value is wrong.
        """
        if self.precision not in PRECISIONS:
            raise InputError(f"precision {self.precision!r} is unknown", ", ".join(PRECISIONS), "give one of these")
        for name, value in (("calibrate", self.calibrate), ("measure", self.measure)):
            if value < 2:
                raise InputError(f"--{name} {value} is not a number of images", "2 or more", "give a larger one")
        if not 0 <= self.max_loss < float("inf"):
            raise InputError(f"--max-loss {self.max_loss:g} is no loss", "points, 0 or more", "for example 0.5")
        if self.images is not None and not Path(self.images).is_dir():
            raise InputError(f"--images {self.images!r} is no folder", "a folder of pictures", "give another one")


@dataclass(frozen=True)
class Loss:
    """What a file loses against the float32 file.

    Attributes:
        figure: what was measured: a metric's name, or what both files agree on.
        before: the figure of the float32 file, in points.
        after: that of the reduced file.
        images: how many it was measured on.
        source: what these are of.
    """

    figure: str
    before: float
    after: float
    images: int
    source: str

    @property
    def points(self) -> float:
        """What is lost; negative where the reduced file is better."""
        return self.before - self.after

    def __str__(self) -> str:
        return f"{self.figure} {self.before:.2f} to {self.after:.2f}: {self.points:+.2f} points lost"


@dataclass(frozen=True)
class Calibrated:
    """What ranges were taken of.

    Attributes:
        images: how many.
        source: what they are of.
        digest: SHA-256 of the tensors that were fed.
        method: how ranges were chosen of the values.
    """

    images: int
    source: str
    digest: str
    method: str


@dataclass(frozen=True)
class Reduced:
    """What became of it.

    Attributes:
        model: the reduced model.
        precision: its precision.
        loss: what it loses.
        layers: how many layers are reduced.
        kept: the layers that stay in float32, the one that costs most first.
        calibrated: what ranges were taken of; None for fp16.
        size: bytes, as a share of the float32 file's.
        time: as a share of the float32 file's, on this machine.
        milliseconds: of the float32 file and of the reduced one.
        noise: by layer, the noise that it alone brings to what the model predicts, in dB of the signal; of int8, where
            layers were ranked.
        changes: what becomes of single answers; None where that is not known how to be told.
        runtime: where loss and time were measured.
    """

    model: onnx.ModelProto
    precision: str
    loss: Loss
    layers: int
    kept: Tuple[str, ...]
    calibrated: Optional[Calibrated]
    size: float
    time: float
    milliseconds: Tuple[float, float]
    noise: Dict[str, float] = field(default_factory=dict)
    changes: Optional[Changes] = None
    runtime: str = "ONNX Runtime"
