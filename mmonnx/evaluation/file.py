"""An ONNX file that takes any number of images, whatever batch and size it was exported for."""

from types import MappingProxyType
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from ..runtime import (
    DEFAULT_RUNTIME,
    DEFAULTS,
    GRAPH_INPUTS,
    ORIGINAL_SIZE,
    PREFIX,
    AnySession,
    Description,
    load_session,
    open_session,
    placing,
)
from ..support import InputError, first_line

Outputs = Dict[str, np.ndarray]
_OF_PICTURES = 4
_RANKS = (3, _OF_PICTURES, 5, 6)
"""The axes of features (N, C, T), of pictures (N, C, H, W), and of clips, (N, M, C, H, W) and (N, M, C, T, H, W)."""


class OnnxFile:
    """A loaded file.

    Args:
        path: the file; what upstream's own tools export is taken as well.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        num_threads: see ``Session``.
        watch: gets what the file takes, each time that it is run; None for nobody.
        runtime: the runtime that it is run in, see ``open_model``.

    Attributes:
        path: as given.
        outputs: their names.
        description: what the file says of itself; the defaults where it says nothing.
        size: the (height, width) that it was exported for, None where they are dynamic.
        described: whether it says anything.
        is_told: whether it can be told where the picture lies in its input.

    Raises:
        InputError: it does not exist, does not load, or takes something other than images.
    """

    def __init__(
        self,
        path: str,
        device: str = "cpu",
        num_threads: Optional[int] = None,
        watch: Optional[Callable[[Outputs], Any]] = None,
        runtime: str = DEFAULT_RUNTIME,
    ) -> None:
        self.path = path
        self._watch = watch
        self._session = load_session(path, device, num_threads)
        self._runner: AnySession = self._session
        if runtime != DEFAULT_RUNTIME:
            self._runner = open_session(path, device, runtime)
        properties = self._session.properties
        self.described = f"{PREFIX}task" in properties
        self.description = Description.from_properties(properties, path) if self.described else Description()
        self.outputs = tuple(self._session.output_names)
        self.is_told = any(name in DEFAULTS for name in self._session.optional_names)
        self._batch, self.size = self._fixed()

    def _fixed(self) -> Tuple[Optional[int], Optional[Tuple[int, int]]]:
        """The batch and the (height, width) that the file was exported for, None where they are dynamic."""
        names = self._session.input_names
        if "input" in names and self._session.input_type("input") == "tensor(uint8)":
            raise InputError(
                f"'{self.path}' prepares pictures itself",
                "a file that takes what the config's test pipeline makes",
                "score the same export without --with-preprocess; its answers are the same",
            )
        if self.description.prompt is not None:
            raise InputError(
                f"'{self.path}' takes text beside a picture",
                "a file for the names of the test set's classes",
                'export it with --text "person . car ."',
            )
        known = set(names) <= {"input", *self.description.companions}
        if self.description.annotations is not None:  # of a picture that it looks at, if it does
            if "input" not in names:
                return None, None
            known = True
        if self.description.texts is not None and self.description.texts["how"] == "drrg":
            known = set(names) == {"input", *GRAPH_INPUTS}
        shape: Sequence[Any] = self._session.input_shape("input") if known and "input" in names else ()
        if len(shape) not in _RANKS:
            raise InputError(
                f"'{self.path}' takes {', '.join(names)}", "one input of images, named input", "give another file"
            )
        size = [side if isinstance(side, int) else None for side in shape]
        return size[0], None if None in size[-2:] else (int(size[-2] or 0), int(size[-1] or 0))

    @property
    def batch(self) -> Optional[int]:
        """How many images it takes at a time, None for any number."""
        return self._batch

    def input_shape(self, name: str) -> Sequence[Any]:
        """The shape of an input: numbers where it is fixed."""
        return self._session.input_shape(name)

    def last_axis(self, name: str) -> Optional[int]:
        """How long an output's last axis is, None where that is dynamic: of scores, how many classes there are."""
        length = self._session.output_shape(name)[-1]
        return length if isinstance(length, int) else None

    def check_classes(self, known: Optional[int], num_classes: int) -> None:
        """Refuse a test set of other classes.

        Args:
            known: how many the file has; None where it does not say.
            num_classes: how many the test set has.

        Raises:
            InputError: these are not as many.
        """
        if known is not None and known != num_classes:
            raise InputError(
                f"'{self.path}' has {known} classes, the test set {num_classes}",
                "a test set with the file's classes",
                "give the file's own config, or the classes: --cfg-options data.test.classes=...",
            )

    def __call__(
        self,
        images: np.ndarray,
        size: Tuple[int, int],
        offset: Tuple[float, float] = (0.0, 0.0),
        original: Tuple[float, float] = DEFAULTS[ORIGINAL_SIZE],
        beside: Mapping[str, np.ndarray] = MappingProxyType({}),
    ) -> List[Outputs]:
        """Run on images of one size.

        Args:
            images: (n, C, H, W) float32; a file of a fixed size gets them padded with zeros, right and below. Clips,
                (n, M, C, H, W) or (n, M, C, T, H, W), are not padded.
            size: (height, width) of their part that is no padding.
            offset: (left, top) of that part.
            original: (height, width) of the pictures before they were resized, for files that bring answers to it.
            beside: what the file takes beside the images, (n, c, h, w) float32 by the inputs' names.

        Returns:
            Each image's outputs by name, without the batch's axis.

        Raises:
            InputError: the file does not take images of this size.
        """
        # an image in the middle goes as far as the input does
        feed = self._padded(images, (images.shape[-2], images.shape[-1]) if any(offset) else size)
        found: List[Outputs] = []
        more = {name: list(self._chunks(value)) for name, value in beside.items()}
        for number, chunk in enumerate(self._chunks(feed)):
            feeds = {"input": chunk, **{name: chunks[number] for name, chunks in more.items()}}
            feeds = {**feeds, **placing(self._session.optional_names, size, offset, original)}
            if self._watch is not None:
                self._watch(feeds)
            try:
                outputs = self._runner.run(feeds)
            except Exception as error:  # each runtime has many
                raise InputError(
                    f"'{self.path}' does not run on {'x'.join(map(str, chunk.shape))} ({first_line(error)[:300]})",
                    "a file for the images that the config's test pipeline makes",
                    "export it with --dynamic-export, or change the pipeline with --cfg-options",
                ) from error
            answers = max(map(len, outputs.values()))
            if answers > len(chunk):
                raise InputError(
                    f"'{self.path}' gives {answers} answers for {len(chunk)}, as the clips of a film are not averaged",
                    "one for each",
                    "export it with --cfg-options model.test_cfg.average_clips=prob",
                )
            found += [{name: value[row] for name, value in outputs.items()} for row in range(len(chunk))]
        return found[: len(images)]

    def once(self, feeds: Mapping[str, np.ndarray]) -> Outputs:
        """Run on one sample, of which the file has no batches.

        Args:
            feeds: by the inputs' names; what the file does not take is left out. ``input`` (1, C, H, W) is padded as
                images are.

        Raises:
            InputError: the file does not take these.
        """
        taken = {name: feeds[name] for name in self._session.input_names if name in feeds}
        if "input" in taken:
            taken["input"] = self._padded(taken["input"], (taken["input"].shape[-2], taken["input"].shape[-1]))
        if self._watch is not None:
            self._watch(taken)
        try:
            found: Outputs = self._runner.run(taken)
        except Exception as error:  # each runtime has many
            shapes = ", ".join(f"{name} of {'x'.join(map(str, value.shape))}" for name, value in taken.items())
            raise InputError(
                f"'{self.path}' does not run on {shapes} ({first_line(error)[:300]})",
                "a file for what the config's test pipeline makes",
                "export it with --dynamic-export",
            ) from error
        return found

    def _padded(self, images: np.ndarray, size: Tuple[int, int]) -> np.ndarray:
        """The images at the file's own size: with more padding, or less."""
        if self.size is None or self.size == images.shape[-2:]:
            return images
        if images.ndim != _OF_PICTURES or size[0] > self.size[0] or size[1] > self.size[1]:
            raise InputError(
                f"'{self.path}' takes images of {self.size[0]}x{self.size[1]}, and the config's test pipeline makes "
                f"one of {size[0]}x{size[1]}",
                "images that fit",
                "export it with --dynamic-export, or change the pipeline with --cfg-options",
            )
        images = images[:, :, : self.size[0], : self.size[1]]
        below, right = self.size[0] - images.shape[2], self.size[1] - images.shape[3]
        return np.pad(images, ((0, 0), (0, 0), (0, below), (0, right)))

    def _chunks(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """Batches that the file takes: a last one that is too small repeats its last image."""
        step = self._batch or len(images)
        for start in range(0, len(images), step):
            chunk = images[start : start + step]
            missing = step - len(chunk)
            yield np.ascontiguousarray(np.concatenate([chunk, np.repeat(chunk[-1:], missing, axis=0)]))
