"""What ``mmonnx predict`` is asked for, and what came of it."""

from dataclasses import dataclass, field
from typing import Mapping, Optional, Sequence, Tuple

from ...support import InputError
from ..engines import DEFAULT

ON_ERROR = ("skip", "stop")
_MOST = 1024
REASONS = 20
"""That are kept to be shown in the end; the answers have all."""


@dataclass(frozen=True)
class PredictSettings:
    """What is asked for.

    Attributes:
        file: the ONNX file.
        sources: pictures, videos, folders and patterns.
        out: folder for drawn pictures, None for none.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        score_thr: the score from which on something is drawn; the answers hold all.
        json: file for the answers, None for none.
        coco: file for the answers in COCO's format, None for none.
        runtime: what runs the file.
        jsonl: file that grows by a line for each picture that is done, None for none.
        resume: go on where the lines of ``jsonl`` end.
        on_error: ``skip`` goes on behind what cannot be read or run, and tells of it in the answers; ``stop`` ends.
        batch_size: the greatest number of pictures in a batch, None for what suits the file and the device.
        threads: that read pictures and run the network on the CPU, None for one per core.
        boxes: the answers of a detector, for whose boxes a pose estimator is to find key points; None for a box around
            each picture.
        box_class: the name of the class whose boxes count, None for all.
        beside: what the file takes beside each picture, such as ``{"mask": PATH}``: a file for all of them, or a folder
            with one of the picture's name each, whatever it ends in.
        text: what a file that takes text is to look for, as ``"person . car ."``; None for other files.
        tokenizer: the folder of its tokenizer, None for the one that the file names.
        providers: ONNX Runtime's execution providers in the place of a device, see ``Session``.
        annotations: the texts of the pictures, of a file that says what these are: lines of JSON as mmocr's datasets
            have them; None for other files.
        top: classes of a picture in the answers of a classifier, the best ones; None for all.
    """

    file: str
    sources: Sequence[str]
    out: Optional[str] = None
    device: str = "auto"
    score_thr: float = 0.3
    json: Optional[str] = None
    coco: Optional[str] = None
    runtime: str = DEFAULT
    jsonl: Optional[str] = None
    resume: bool = False
    on_error: str = "skip"
    batch_size: Optional[int] = None
    threads: Optional[int] = None
    boxes: Optional[str] = None
    box_class: Optional[str] = None
    beside: Mapping[str, str] = field(default_factory=dict)
    text: Optional[str] = None
    tokenizer: Optional[str] = None
    providers: Sequence[str] = ()
    top: Optional[int] = None
    annotations: Optional[str] = None

    def check(self) -> None:
        """Refuse what does not go together.

        Raises:
            InputError: it does not.
        """
        if self.on_error not in ON_ERROR:
            raise InputError(f"--on-error {self.on_error!r} is unknown", " or ".join(ON_ERROR), "give one of these")
        if self.resume and not self.jsonl:
            raise InputError("--resume has no lines to go on behind", "--jsonl FILE beside it", "give it")
        if self.box_class is not None and not self.boxes:
            raise InputError("--box-class has no boxes to choose from", "--boxes FILE beside it", "give it")
        if self.tokenizer is not None and self.text is None:
            raise InputError("--tokenizer has nothing to read", "--text beside it", "give it")
        for name, value in (("--batch-size", self.batch_size), ("--threads", self.threads), ("--top", self.top)):
            if value is not None and not 1 <= value <= _MOST:
                raise InputError(f"{name} {value} is out of range", f"1 to {_MOST}", "give such a number")
        if self.providers and self.device != "auto":
            raise InputError("--device and --providers say the same", "one of them", "leave one out")


@dataclass(frozen=True)
class Predicted:
    """What came of a run, with what an earlier one had done that it went on behind.

    Attributes:
        count: the pictures and frames with an answer.
        skipped: how many have none.
        reasons: the first of those, as (name, why it has none).
    """

    count: int
    skipped: int
    reasons: Sequence[Tuple[str, str]]
