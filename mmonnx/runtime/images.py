"""Finding and reading pictures and videos."""

import contextlib
import glob
import logging
import os
import warnings
from typing import Any, Iterator, List, Optional, Sequence, cast

import cv2
import numpy as np

from ..support import InputError, first_line, quiet, shared

TIFFS = (".tif", ".tiff")
IMAGES = (".jpg", ".jpeg", ".png", ".bmp", *TIFFS, ".webp", ".ppm", ".pgm", ".npy")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
# Pillow's own limit against files of a few bytes that unpack to gigabytes.
MAX_PIXELS = 178956970
_MOST = 16
"""Channels of an image of that many pixels: a small file may unpack to any number of them."""

FLAGS = {
    "color": cv2.IMREAD_COLOR,
    "grayscale": cv2.IMREAD_GRAYSCALE,
    "unchanged": cv2.IMREAD_UNCHANGED,
    "color_ignore_orientation": cv2.IMREAD_IGNORE_ORIENTATION | cv2.IMREAD_COLOR,
    "grayscale_ignore_orientation": cv2.IMREAD_IGNORE_ORIENTATION | cv2.IMREAD_GRAYSCALE,
}
"""The ``color_type`` of a config's ``LoadImageFromFile``, and OpenCV's name of it."""
_OF_CHANNELS = {1: "grayscale", 3: "color"}
_NUMBERS = (np.uint8, np.uint16, np.float32)


def read_image(path: str) -> np.ndarray:
    """Read an image file as mmcv does: BGR uint8 (H, W, 3), turned as its EXIF data say, without an alpha channel.

    Raises:
        InputError: it does not exist, is not an image, or is too large.
    """
    return _decoded(path, cv2.IMREAD_COLOR)


def read_picture(path: str, channels: int, color: Optional[str] = None) -> np.ndarray:
    """Read what a model of so many channels takes: an image file, a TIFF of many channels, or a ``.npy`` file.

    Args:
        path: the file.
        channels: how many the model takes; the file may have others.
        color: see ``FLAGS``; None for what goes with the number of channels.

    Returns:
        uint8, uint16 or float32 (H, W), or (H, W, C), where three channels are BGR.

    Raises:
        InputError: it does not exist, is not an image, or is too large.
    """
    if path.lower().endswith(".npy"):
        return _array(path)
    color = color or _OF_CHANNELS.get(channels, "unchanged")
    if color == "unchanged" and path.lower().endswith(TIFFS):
        return _bands(path, channels)
    return _decoded(path, FLAGS[color])


def check_picture(path: str) -> None:
    """Refuse what ``read_picture`` cannot read, whatever the model takes; errors are the same."""
    try:
        read_picture(path, 3)
    except InputError:
        if not path.lower().endswith(TIFFS):
            raise
        _bands(path, 0)


def count_channels(image: np.ndarray) -> int:
    """The channels of (H, W) or (H, W, C)."""
    return int(image.shape[2]) if image.ndim == 3 else 1


def check_array(image: np.ndarray, what: str) -> np.ndarray:
    """A picture that is an array: one of a single channel is (H, W).

    Args:
        image: (H, W) or (H, W, C).
        what: what it is, for the message.

    Raises:
        InputError: it is none.
    """
    if image.ndim not in (2, 3) or image.dtype not in _NUMBERS or not image.size:
        raise InputError(
            f"{what} is {image.dtype} {image.shape}",
            "uint8, uint16 or float32, (height, width) or (height, width, channels)",
            "convert it before",
        )
    return image[..., 0] if image.shape[2:] == (1,) else image


def _array(path: str) -> np.ndarray:
    _check_there(path)
    try:
        image = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"image {path!r} cannot be read", "an array of numbers that numpy.save wrote", "write it again"
        ) from error
    if image.ndim > 1 and image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise _too_large(path, f"{image.shape[1]}x{image.shape[0]}")
    return np.ascontiguousarray(check_array(image, f"image {path!r}"))


def _bands(path: str, channels: int) -> np.ndarray:
    """A TIFF's channels, be they samples of a pixel, planes or pages.

    OpenCV reads pages of 1, 3 or 4 samples a pixel, as upstream does. Of others it drops some, or takes them for
    something else: tifffile reads these in the file's order, where it is installed.

    Args:
        path: the file.
        channels: how many there should be; where OpenCV's image has others, pages are the channels.
    """
    _check_there(path)
    if _has_odd_samples(path):
        return _samples(path)
    try:
        image = _decoded(path, cv2.IMREAD_UNCHANGED)
    except InputError:
        return _samples(path)
    return image if channels == count_channels(image) else _pages(path)


def _pages(path: str) -> np.ndarray:
    """All pages of a TIFF as the channels of one image; a single one as it is."""
    with quiet():
        _, pages = cv2.imreadmulti(path, flags=cv2.IMREAD_UNCHANGED)
    if len({page.shape[:2] for page in pages}) != 1:
        raise InputError(f"image {path!r} has pages of several sizes", "a page a channel, of one size", "convert it")
    return np.dstack(pages) if len(pages) > 1 else pages[0]


def _has_odd_samples(path: str) -> bool:
    """Whether OpenCV does not read a TIFF's samples; False where nobody can tell."""
    try:
        with _opened(path) as file:
            page = file.pages[0]
            apart = page.samplesperpixel > 1 and page.planarconfig == 2
            return apart or page.samplesperpixel not in (1, 3, 4)
    except Exception:  # whatever is wrong with it is told by who reads it
        return False


def _samples(path: str) -> np.ndarray:
    """What tifffile reads of a TIFF: of one page, or of pages of one size."""
    try:
        with _opened(path) as file:
            series = file.series[0]
            sides = [size for size, axis in zip(series.shape, series.axes) if axis in "YX"]
            if int(np.prod(sides)) > MAX_PIXELS or series.size > _MOST * MAX_PIXELS:
                raise _too_large(path, "x".join(map(str, series.shape)))
            image = np.moveaxis(series.asarray(), [series.axes.index(axis) for axis in "YX"], (0, 1))
    except InputError:
        raise
    except Exception as error:  # tifffile and its codecs have many, and it may not be there
        what = "one of 1, 3 or 4 samples a pixel, or a page a channel, or another that tifffile reads"
        raise InputError(f"image {path!r} cannot be read ({first_line(error)})", what, "convert it") from error
    return np.ascontiguousarray(check_array(image, f"image {path!r}"))


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
    """A ``tifffile.TiffFile``, which writes nothing about what is wrong with the file."""
    import tifffile

    with contextlib.ExitStack() as stack:
        for name in ("tifffile", "tifffile.tifffile"):  # the latter before 2024
            logger = logging.getLogger(name)
            stack.callback(setattr, logger, "disabled", logger.disabled)
            logger.disabled = True
        yield stack.enter_context(tifffile.TiffFile(path))


def _check_there(path: str) -> None:
    if not os.path.isfile(path):
        raise InputError(f"image {path!r} does not exist", "an image file", "check the path")


def _decoded(path: str, flag: int) -> np.ndarray:
    _check_there(path)
    _check_size(path)
    try:
        data = np.fromfile(path, np.uint8)
        with quiet():
            image = cv2.imdecode(data, flag) if data.size else None
    except (OSError, cv2.error):  # OpenCV has a limit of its own
        image = None
    if image is None or image.ndim not in (2, 3):
        raise _unreadable(path)
    return image


def _check_size(path: str) -> None:
    """Refuse what its header says is enormous, before memory is gone; without Pillow OpenCV's own limit has to do."""
    try:
        from PIL import Image
    except ImportError:
        return
    try:
        with _pillow_not_heard(), quiet(), Image.open(path) as image:
            width, height = image.size
    except Image.DecompressionBombError as error:
        raise _too_large(path, str(error)) from error
    except Exception as error:  # Pillow raises of everything; nobody knows then how large it becomes
        raise _unreadable(path) from error
    if width * height > MAX_PIXELS:
        raise _too_large(path, f"{width}x{height}")


@shared
@contextlib.contextmanager
def _pillow_not_heard() -> Iterator[None]:
    """Hide what Pillow warns of, such as large pictures and damaged EXIF data, while a thread reads a header.

    ``warnings.catch_warnings`` would put back all that was hidden when it began, by an export in another thread say.
    """
    warnings.filterwarnings("ignore", module=r"PIL\b")
    entry = warnings.filters[0]
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # somebody has reset all of them
            cast(List[Any], warnings.filters).remove(entry)


def _unreadable(path: str) -> InputError:
    return InputError(f"image {path!r} cannot be read", "a JPEG, PNG or another format of OpenCV", "give another one")


def _too_large(path: str, size: str) -> InputError:
    return InputError(f"image {path!r} is too large ({size})", f"at most {MAX_PIXELS} pixels", "make it smaller")


def find_sources(names: Sequence[str]) -> List[str]:
    """The pictures and videos that arguments mean: files, folders (what lies in them), and patterns with ``*``.

    Raises:
        InputError: one of them is, or holds, none.
    """
    found: List[str] = []
    for name in names:
        if os.path.isdir(name):
            paths = sorted(entry.path for entry in os.scandir(name) if entry.is_file() and is_known(entry.name))
        elif os.path.exists(name):
            paths = [name]
        else:
            paths = sorted(path for path in glob.glob(name, recursive=True) if os.path.isfile(path) and is_known(path))
        if not paths:
            problem = "holds no image" if os.path.isdir(name) else "does not exist"
            raise InputError(f"{name!r} {problem}", f"files such as {', '.join(IMAGES[:3])}", "check the path")
        found += [path for path in paths if path not in found]
    return found


def pictures_in(folder: str) -> List[str]:
    """The pictures that lie in a folder, in the order of their names.

    Raises:
        InputError: there are none.
    """
    found = [path for path in find_sources([folder]) if not is_video(path)]
    if not found:
        raise InputError(f"{folder!r} holds no picture", f"files such as {', '.join(IMAGES[:3])}", "check the path")
    return found


def is_known(path: str) -> bool:
    """Whether a name ends as those of pictures and videos do."""
    return path.lower().endswith(IMAGES + VIDEOS)


def is_video(path: str) -> bool:
    """Whether a name ends as those of videos do."""
    return path.lower().endswith(VIDEOS)


class Video:
    """A video's frames.

    Args:
        path: the file.

    Attributes:
        rate: frames a second.
        frames: how many there are, by the file's own count.

    Raises:
        InputError: OpenCV cannot read it, or it is too large.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        with quiet():
            self._capture = cv2.VideoCapture(path)
        if not self._capture.isOpened():
            raise InputError(f"video {path!r} cannot be read", "a format of OpenCV, such as MP4", "give another one")
        width, height = (int(self._capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAX_PIXELS:
            raise InputError(
                f"video {path!r} is too large ({width}x{height})", f"at most {MAX_PIXELS} pixels", "make it smaller"
            )
        self.rate = self._capture.get(cv2.CAP_PROP_FPS) or 25.0
        self.frames = max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Each frame, BGR uint8 (H, W, 3)."""
        try:
            while True:
                with quiet():
                    there, frame = self._capture.read()
                if not there:
                    return
                yield frame
        finally:
            self._capture.release()
