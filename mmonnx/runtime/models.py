"""Detectors, segmentors and classifiers, and whatever else an exported file that takes pictures is."""

import os
from typing import Any, Dict, List, Optional, Sequence, Tuple, Type, Union, get_args

import numpy as np

from ..support import InputError
from . import drawing, pipeline
from . import masks as masking
from .boxes import in_picture
from .editors import ImageEditor
from .engines import DEFAULT
from .estimators import BottomUpPoseEstimator, PoseEstimator
from .key_information import KeyInformationExtractor
from .model import Model, Picture, Ready, as_exported, description
from .opening import open_session
from .prompts import LABEL_TOKENS, find_tokenizer, names_in, text_inputs
from .recognizers import Recognizer
from .results import Detections, LabelMap, Scores
from .texts import TextDetector, TextRecognizer


class Detector(Model):
    """Finds objects in pictures, as mmdet's and mmrotate's ``inference_detector``."""

    tasks = ("detection", "segmentation")

    def ask(self, text: str, tokenizer: Any = None) -> None:
        """Say what to look for from now on, to a file that takes text; its classes are the names in it.

        Args:
            text: names with dots behind them, as ``"person . traffic light ."``.
            tokenizer: see ``text_inputs``; None for the folder that the file names.

        Raises:
            InputError: the file takes no text, or not so many names or tokens; or as of ``text_inputs``.
        """
        prompt = self.description.prompt
        if prompt is None:
            raise InputError(f"'{self._path}' takes no text", "a file that does", "leave the text out")
        if tokenizer is None:
            tokenizer = find_tokenizer(prompt, self._path)
        found = text_inputs(tokenizer, text, prompt)
        feeds = {name: value for name, value in found.items() if name in self._session.input_names}
        for name, value in feeds.items():
            shape: Sequence[Any] = self._session.input_shape(name)
            if any(isinstance(size, int) and size != given for size, given in zip(shape, value.shape)):
                labels, tokens = found[LABEL_TOKENS].shape
                raise InputError(
                    f"'{self._path}' takes {name} of {'x'.join(map(str, shape))}, and the text has {labels} names of "
                    f"{tokens} tokens together",
                    "as many as the file was exported for",
                    "export it with --dynamic-export, or ask for as many",
                )
        self._asked, self.classes = feeds, tuple(names_in(text))

    def __call__(self, picture: Picture) -> Detections:
        """Find what is in a picture.

        Args:
            picture: an image file; or BGR uint8 (H, W, 3), or what ``read`` gives of a file for other pictures.

        Returns:
            Boxes in pixels of the picture, the best one first, rotated ones of a detector of such; masks (n, H, W) bool
            of the picture's size.

        Raises:
            InputError: it cannot be read, or not be brought into the network's size.
        """
        return self.read_answer(*self._answer(picture))

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> Detections:
        """What ``run`` gave of a picture, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        with as_exported(self._path, "has outputs that cannot be read"):
            return self._found(ready.prepared, outputs)

    def _found(self, prepared: pipeline.Prepared, outputs: Dict[str, np.ndarray]) -> Detections:
        real = outputs["labels"] >= 0
        dets = outputs["dets"][real].astype(np.float32)
        if dets.ndim != 2 or dets.shape[1] not in (5, 6):
            raise ValueError(f"dets {outputs['dets'].shape}")
        limits, scale = self.description.box_limits, np.asarray(prepared.scale * 2, np.float32)
        boxes = in_picture(dets[:, :-1], limits, prepared.shape, scale, prepared.offset)
        found = None
        if "masks" in outputs:
            given = outputs["masks"][real]
            if self.description.mask_output == "roi":
                found = masking.paste(given, boxes, prepared.original, self.description.mask_thr)
            else:
                found = masking.resize(given, prepared.inner or prepared.shape, prepared.original)
        scores = outputs["mask_scores"][real] if "mask_scores" in outputs else None
        return Detections(np.concatenate([boxes, dets[:, -1:]], 1), outputs["labels"][real], found, scores)

    def draw(self, picture: Picture, found: Detections, score_thr: float = 0.3) -> np.ndarray:
        """The picture with what was found in it, BGR; detections below the threshold are left out."""
        canvas = drawing.viewable(self.read(picture)).copy()
        kept = found.scores >= score_thr
        shown = Detections(found.dets[kept], found.labels[kept], None if found.masks is None else found.masks[kept])
        drawing.draw_detections(canvas, shown, 1, self.classes, self.description.palette)
        return canvas


class Segmentor(Model):
    """Says what each pixel of a picture is, as mmseg's ``inference_segmentor``."""

    tasks = ("semantic segmentation",)
    stretches = True  # its answer is brought to the picture's size all the same

    def __call__(self, picture: Picture) -> LabelMap:
        """The class of each pixel.

        Args:
            picture: an image file; or BGR uint8 (H, W, 3), or what ``read`` gives of a file for other pictures.

        Returns:
            Labels (H, W) of the picture's size; and the probabilities, where the file gives them.

        Raises:
            InputError: it cannot be read, or not be brought into the network's size.
        """
        return self.read_answer(*self._answer(picture))

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> LabelMap:
        """What ``run`` gave of a picture, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        original = ready.prepared.original
        with as_exported(self._path, "has outputs that cannot be read"):
            labels = outputs["seg_map"].astype(np.int64)
            (_, _), probs = labels.shape, outputs.get("seg_probs")
            if labels.shape != original:  # a file that is not told the picture's size
                rows, columns = (np.arange(want) * have // want for have, want in zip(labels.shape, original))
                labels = labels[rows[:, None], columns]
                probs = None if probs is None else probs[:, rows[:, None], columns]
            return LabelMap(labels, probs)

    def draw(self, picture: Picture, found: LabelMap, score_thr: float = 0.0) -> np.ndarray:
        """The picture tinted with the colours of the classes, BGR; ``score_thr`` is for other models."""
        return drawing.draw_label_map(drawing.viewable(self.read(picture)), found.labels, self.description.palette)


class Classifier(Model):
    """Says what a picture shows, as mmcls's ``inference_model``."""

    tasks = ("classification",)

    def __call__(self, picture: Picture) -> Scores:
        """The scores of the classes, or of the best ones if the file gives those.

        Args:
            picture: an image file; or BGR uint8 (H, W, 3), or what ``read`` gives of a file for other pictures.

        Raises:
            InputError: it cannot be read, or not be brought into the network's size.
        """
        return self.read_answer(*self._answer(picture))

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> Scores:
        """What ``run`` gave of a picture, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        with as_exported(self._path, "has outputs that cannot be read"):
            if "labels" in outputs:
                scores, labels = outputs["scores"], outputs["labels"]
                return Scores(scores.astype(np.float32), labels.astype(np.int64).reshape(scores.shape))
            (scores,) = outputs.values()
            (_,) = scores.shape
            return Scores(scores.astype(np.float32))

    def top(self, found: Scores, count: int = 5) -> List[Tuple[int, str, float]]:
        """The best classes: index, name and score."""
        best = np.argsort(-found.probs, kind="stable")[:count]
        labels = (best if found.labels is None else found.labels[best]).tolist()
        return [(label, self.class_name(label), score) for label, score in zip(labels, found.probs[best].tolist())]

    def draw(self, picture: Picture, found: Scores, score_thr: float = 0.0) -> np.ndarray:
        """The picture above bars of the best classes, BGR; scores below the threshold are left out."""
        canvas = drawing.enlarged(self.read(picture))[0]
        kept = found.probs >= score_thr
        labels = np.arange(len(found.probs)) if found.labels is None else found.labels
        bars = drawing.bars(Scores(found.probs[kept], labels[kept]), canvas.shape[1], self.classes)
        return np.vstack([canvas, bars])


AnyModel = Union[
    Detector,
    Segmentor,
    PoseEstimator,
    BottomUpPoseEstimator,
    ImageEditor,
    TextDetector,
    TextRecognizer,
    KeyInformationExtractor,
    Classifier,
    Recognizer,
]


def open_model(
    path: Union[str, "os.PathLike[str]"],
    device: str = "auto",
    *,
    runtime: str = DEFAULT,
    threads: Optional[int] = None,
    providers: Sequence[str] = (),
    sharing: bool = False,
) -> AnyModel:
    """A model of the kind that the file says.

    Args:
        path: an ONNX file that mmonnx wrote.
        device: as all take it.
        runtime: as all take it.
        threads: of ONNX Runtime on the CPU; None for one per core.
        providers: ONNX Runtime's execution providers in the place of a device, see ``Session``.
        sharing: whether its threads leave the cores to others while they wait, see ``Session``.

    Raises:
        InputError: as all do.
    """
    session = open_session(os.fspath(path), device, runtime, threads, providers, sharing)
    task = description(session, os.fspath(path)).task
    kinds: Sequence[Type[AnyModel]] = get_args(AnyModel)
    kind = next((one for one in kinds if task in one.tasks), Detector)
    model = kind.__new__(kind)
    model._start(os.fspath(path), session)
    return model
