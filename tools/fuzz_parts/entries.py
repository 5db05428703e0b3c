"""One hostile input for an entry point: files in a folder, and a command line."""

import os
import random
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple

from fuzz_parts import mutations
from fuzz_parts.corpus import Corpus, package_tree, png_header

Maker = Callable[[random.Random, Corpus, Path], List[str]]
INTACT = "sound.pth"
"""A checkpoint that is as it was, or refused: it has checksums."""
SECRET = b"what nobody may read" * 100


class Entry(NamedTuple):
    """An entry point.

    Attributes:
        make: writes the files into an empty folder, which is the current one afterwards; the command line.
        share: how many of 100 inputs are for it.
    """

    make: Maker
    share: int


def _model_file(rng: random.Random, corpus: Corpus, folder: Path) -> str:
    """A damaged ONNX file, and beside it what it may point to."""
    name = rng.choice(("plain", "plain", "classifier", "detector"))
    (folder / "x.onnx").write_bytes(mutations.model_damaged(rng, corpus.models[name]))
    (folder / "beside.bin").write_bytes(bytes(4096))
    (folder.parent / "secret.bin").write_bytes(SECRET)
    os.symlink(str(folder.parent / "secret.bin"), str(folder / "link.bin"))
    os.symlink(str(folder.parent), str(folder / "linked"))
    (folder / "a").mkdir()
    return "x.onnx"


def _image_file(rng: random.Random, corpus: Corpus, folder: Path) -> str:
    if rng.random() < 0.1:
        sides = (1, 7, 30000, 65536, 100000, 2**31 - 1)
        (folder / "bomb.png").write_bytes(png_header(rng.choice(sides), rng.choice(sides)))
        return "bomb.png"
    name = rng.choice(sorted(corpus.images))
    data = corpus.images[name]
    for _ in range(rng.choice((0, 1, 1, 2))):
        data = mutations.bytes_damaged(rng, data)
    (folder / name).write_bytes(data)
    return name


def _check(rng: random.Random, corpus: Corpus, folder: Path) -> List[str]:
    target = rng.choice(("onnxruntime", "pplnn", "onnxruntime-mmcv"))
    return ["check", _model_file(rng, corpus, folder), "--target", target, *_json(rng)]


def _inspect(rng: random.Random, corpus: Corpus, folder: Path) -> List[str]:
    shape = [str(rng.choice((32, 64, 800, *mutations.HOSTILE_NUMBERS))) for _ in range(2)]
    more = ["--shape", *shape] if rng.random() < 0.4 else []
    return ["inspect", _model_file(rng, corpus, folder), *more, *_json(rng)]


def _json(rng: random.Random) -> List[str]:
    return ["--json"] if rng.random() < 0.5 else []


def _predict_model(rng: random.Random, corpus: Corpus, folder: Path) -> List[str]:
    (folder / "colour.png").write_bytes(corpus.images["colour.png"])
    return ["predict", _model_file(rng, corpus, folder), "colour.png", "--json", "out/found.json"]


def _predict_image(rng: random.Random, corpus: Corpus, folder: Path) -> List[str]:
    model = str(corpus.folder / f"{rng.choice(('classifier', 'detector'))}.onnx")
    more = rng.choice((["--out", "drawn"], ["--json", "found.json"], ["--out", "drawn", "--json", "found.json"]))
    return ["predict", model, _image_file(rng, corpus, folder), *more]


def _predict_video(rng: random.Random, corpus: Corpus, folder: Path) -> List[str]:
    (folder / "x.avi").write_bytes(mutations.bytes_damaged(rng, corpus.video))
    return ["predict", str(corpus.folder / "classifier.onnx"), "x.avi", "--json", "found.json"]


def _export_checkpoint(rng: random.Random, corpus: Corpus, folder: Path) -> List[str]:
    kind, name = rng.choice((("zip", INTACT), ("zip", INTACT), ("legacy", "old.pth")))
    (folder / name).write_bytes(mutations.bytes_damaged(rng, corpus.checkpoints[kind]))
    return ["export", "fuzz_model:make", name, "--shape", "16", "--output-file", "made/x.onnx"]


def _export_weights(rng: random.Random, corpus: Corpus, folder: Path) -> List[str]:
    """A sound file with wrong content."""
    import torch

    content = torch.load(str(corpus.folder / "good.pth"))
    state = content["state_dict"]
    name = rng.choice([key for key in state if "tracked" not in key])
    kind = rng.randrange(6)
    if kind == 0:
        state[name].view(-1)[0] = rng.choice((float("nan"), float("inf"), -float("inf")))
    elif kind == 1:
        state[name] = torch.zeros([rng.choice((0, 1, 2, 5)) for _ in range(rng.randrange(5))])
    elif kind == 2:
        state[name] = state[name].to(rng.choice((torch.float16, torch.int64, torch.bool, torch.complex64)))
    elif kind == 3:
        state[name] = rng.choice((None, 3, "text", [1.0], state[name].to_sparse()))
    elif kind == 4:
        content = rng.choice((state, [state], state[name], None, {}, {"state_dict": None}, {"state_dict": content}))
    else:
        content["meta"] = rng.choice((None, 3, {"CLASSES": 3}, {"CLASSES": [None]}, {3: 4}, {"CLASSES": "\x1b[31m"}))
    torch.save(content, str(folder / "x.pth"))
    return ["export", "fuzz_model:make", "x.pth", "--shape", "16", "--output-file", "made/x.onnx", "--verify"]


def _export_config(rng: random.Random, corpus: Corpus, folder: Path) -> List[str]:
    name = rng.choice(("lenet5", "lenet5", "mobilenet_v2_digits"))
    text = mutations.text_damaged(rng, corpus.configs[name])
    (folder / "x.py").write_bytes(text.encode(errors="surrogatepass"))
    more = ["--shape", "32"] if rng.random() < 0.5 else []
    return ["export", "x.py", "--output-file", "x.onnx", *more]


def _export_image(rng: random.Random, corpus: Corpus, folder: Path) -> List[str]:
    option = rng.choice(("--input-img", "--test-img"))
    image = _image_file(rng, corpus, folder)
    return ["export", "fuzz_model:make", "--shape", "16", option, image, "--output-file", "x.onnx", "--verify"]


def _export_arguments(rng: random.Random, corpus: Corpus, folder: Path) -> List[str]:
    """The plain model, or LeNet-5, with one to three options that may be wrong."""
    plain = rng.random() < 0.5
    arguments = ["fuzz_model:make"] if plain else [str(corpus.folder / "lenet5.py")]
    if plain and rng.random() < 0.3:
        arguments = [rng.choice(("fuzz_model:", ":", "fuzz_model:make.x", "os:getcwd", "a.b:c", "torch.nn:Linear"))]
    for _ in range(rng.choice((1, 1, 2, 3))):
        arguments += rng.choice(_OPTIONS)(rng)
    return ["export", *arguments, "--output-file", rng.choice(("x.onnx", "x.onnx", "new/folder/x.onnx", "."))]


def _number(rng: random.Random) -> str:
    return rng.choice(("1", "2", "16", "33", "224", mutations.hostile_word(rng)))


_OPTIONS: List[Callable[[random.Random], List[str]]] = [
    lambda rng: ["--shape", *(_number(rng) for _ in range(rng.choice((1, 2, 2, 2, 3))))],
    lambda rng: ["--shape", rng.choice(("16", "32", "512")), "--batch", _number(rng)],
    lambda rng: ["--opset-version", rng.choice(("11", "13", "16", _number(rng)))],
    lambda rng: ["--cfg-options", f"{rng.choice(('model.backbone.num_classes', 'a.b', '', 'model'))}={_number(rng)}"],
    lambda rng: ["--model-kwargs", f"{rng.choice(('width', 'x', ''))}={_number(rng)}"],
    lambda rng: ["--topk", _number(rng)],
    lambda rng: ["--target", rng.choice(("pplnn", "onnxruntime-mmcv", mutations.hostile_word(rng)))],
    lambda rng: ["--device", rng.choice(("cpu", "cuda", mutations.hostile_word(rng)))],
    lambda rng: ["--output-names", *rng.choice((["a"], ["a", "b"], ["input"], [""], ["a\n"]))],
    lambda rng: [rng.choice(("--dynamic-export", "--dynamic-batch", "--verify", "--no-softmax", "--skip-postprocess"))],
    lambda rng: ["--checkpoint", rng.choice(("http://127.0.0.1:9/x.pth", "s3://x/y", "open-mmlab://resnet50", "."))],
    lambda rng: ["--input-img", rng.choice(("http://127.0.0.1:9/x.png", ".", "none.png"))],
]


def _patch(rng: random.Random, corpus: Corpus, folder: Path) -> List[str]:
    package_tree(rng, folder / "tree")
    victim = rng.choice(("mmdet/version.py", "mmdet/mmonnx-patches.json", "mmdet/__init__.py", "mmdet"))
    path = folder / "tree" / victim
    if path.is_file() or not path.exists():
        path.write_bytes(mutations.bytes_damaged(rng, b'__version__ = \'2.25.3\'\n{"files": {"../x": "1"}}'))
    root = rng.choice(("tree", "tree", "none", "tree/mmdet/version.py", "."))
    return ["patch", rng.choice(("--list", "--check", "--revert", "--apply")), "--root", root]


def _tool(rng: random.Random, corpus: Corpus, folder: Path) -> List[str]:
    """``tools/pytorch2onnx.py``, which is called with the arguments behind its name."""
    return ["pytorch2onnx.py", *_export_arguments(rng, corpus, folder)[1:]]


ENTRIES: Dict[str, Entry] = {
    "check": Entry(_check, 22),
    "inspect": Entry(_inspect, 18),
    "predict-model": Entry(_predict_model, 16),
    "predict-image": Entry(_predict_image, 12),
    "predict-video": Entry(_predict_video, 2),
    "export-checkpoint": Entry(_export_checkpoint, 8),
    "export-weights": Entry(_export_weights, 4),
    "export-config": Entry(_export_config, 7),
    "export-image": Entry(_export_image, 3),
    "export-arguments": Entry(_export_arguments, 5),
    "patch": Entry(_patch, 2),
    "tool": Entry(_tool, 1),
}


def entry_of(rng: random.Random) -> str:
    """The name of an entry, by their shares."""
    return rng.choices(list(ENTRIES), [entry.share for entry in ENTRIES.values()])[0]
