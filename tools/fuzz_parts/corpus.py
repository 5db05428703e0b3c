"""What the inputs are made from: small files that are right, in one folder."""

import io
import os
import random
import sys
from pathlib import Path
from typing import Dict, List

import cv2
import numpy as np
import torch

from mmonnx import cli
from mmonnx.loading.config import base_config

MODULE = """
from torch import nn

def make(width=4):
    norm = nn.BatchNorm2d(width)
    return nn.Sequential(nn.Conv2d(3, width, 3), norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""
_PACKAGE = {"mmdet/__init__.py": "", "mmdet/version.py": "__version__ = '2.25.3'\n", "setup.py": ""}


class Corpus:
    """The right files.

    Args:
        folder: where they are made.

    Attributes:
        models: ONNX files by name: of a plain model, a classifier and a detector.
        checkpoints: of ``fuzz_model:make``, by name: as torch saves today, and as it did before 1.6.
        images: image files by name, as bytes.
        video: a short video.
        configs: config files by name, as text.
        expected: the plain model's outputs for ones, with the weights of the checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "fuzz_model.py").write_text(MODULE)
        sys.path.insert(0, str(folder))
        self.checkpoints = self._checkpoints()
        self.models = {name: self._model(name, *arguments) for name, arguments in _models(folder).items()}
        self.images = _images()
        self.video = _video(folder / "sound.avi")
        self.configs = {
            name: Path(base_config(f"mmonnx::digits/{name}.py")).read_text() for name in ("mobilenet_v2_digits",)
        }
        self.configs["lenet5"] = _LENET
        (folder / "colour.png").write_bytes(self.images["colour.png"])

    @staticmethod
    def weights(name: str) -> str:
        """The checkpoint of a digit model, ``faster_rcnn`` or ``mobilenet_v2``."""
        return str(Path(base_config(f"mmonnx::digits/{name}_digits.py")).with_suffix(".pth"))

    def _checkpoints(self) -> Dict[str, bytes]:
        import fuzz_model

        torch.manual_seed(0)
        model = fuzz_model.make().eval()
        with torch.no_grad():
            self.expected = model(torch.ones(1, 3, 8, 8)).numpy()
        found = {}
        for name, new in (("zip", True), ("legacy", False)):
            buffer = io.BytesIO()
            content = {"state_dict": model.state_dict(), "meta": {"CLASSES": ("a", "b", "c", "d"), "epoch": 1}}
            torch.save(content, buffer, _use_new_zipfile_serialization=new)
            found[name] = buffer.getvalue()
        (self.folder / "good.pth").write_bytes(found["zip"])
        return found

    def _model(self, name: str, *arguments: str) -> bytes:
        path = self.folder / f"{name}.onnx"
        if cli.main(["export", *arguments, "--output-file", str(path)]):
            raise RuntimeError(f"the sound file {name} cannot be made")
        return path.read_bytes()


def _models(folder: Path) -> Dict[str, List[str]]:
    digits, shape = Corpus.weights("faster_rcnn"), ["--shape", "96", "128"]
    return {
        "plain": ["fuzz_model:make", str(folder / "good.pth"), "--shape", "16"],
        "classifier": [_written(folder / "lenet5.py", _LENET), "--dynamic-batch"],
        "detector": ["mmonnx::digits/faster_rcnn_digits.py", digits, *shape, "--dynamic-export"],
    }


_LENET = """
model = dict(
    type="ImageClassifier",
    backbone=dict(type="LeNet5", num_classes=10),
    neck=None,
    head=dict(type="ClsHead", loss=dict(type="CrossEntropyLoss", loss_weight=1.0)),
)
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", size=(32, 32)),
    dict(type="Normalize", mean=[33.46], std=[78.87], to_rgb=False),
    dict(type="ImageToTensor", keys=["img"]),
    dict(type="Collect", keys=["img"]),
]
data = dict(test=dict(type="MNIST", pipeline=test_pipeline))
"""


def _written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def _images() -> Dict[str, bytes]:
    """One of every kind, as bytes: grey, colour with and without an alpha channel, 16 bits, 1x1, turned by EXIF."""
    rng = np.random.RandomState(0)
    kinds = {
        "colour.png": rng.randint(0, 255, (40, 56, 3), np.uint8),
        "grey.png": rng.randint(0, 255, (40, 56), np.uint8),
        "alpha.png": rng.randint(0, 255, (40, 56, 4), np.uint8),
        "deep.png": rng.randint(0, 65535, (40, 56, 3)).astype(np.uint16),
        "one.png": np.full((1, 1, 3), 7, np.uint8),
        "colour.jpg": rng.randint(0, 255, (40, 56, 3), np.uint8),
        "colour.bmp": rng.randint(0, 255, (40, 56, 3), np.uint8),
        "colour.webp": rng.randint(0, 255, (40, 56, 3), np.uint8),
        "colour.tiff": rng.randint(0, 255, (40, 56, 3), np.uint8),
        "colour.ppm": rng.randint(0, 255, (40, 56, 3), np.uint8),
    }
    found = {name: cv2.imencode(os.path.splitext(name)[1], image)[1].tobytes() for name, image in kinds.items()}
    found["turned.jpg"] = _turned(found["colour.jpg"])
    return found


def _video(path: Path) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (56, 40))
    for shade in (0, 100, 200):
        writer.write(np.full((40, 56, 3), shade, np.uint8))
    writer.release()
    return path.read_bytes()


def _turned(jpeg: bytes) -> bytes:
    """A JPEG whose EXIF data say that it lies on its side."""
    entry = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    return jpeg[:2] + b"\xff\xe1" + (len(entry) + 2).to_bytes(2, "big") + entry + jpeg[2:]


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says that it is as large as this."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def package_tree(rng: random.Random, folder: Path) -> None:
    """A small checkout of mmdet."""
    for name, text in _PACKAGE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
