"""Images of every kind are read as mmcv reads them, and enormous ones are refused before memory is gone."""

import json
import resource

import cv2
import mmcv
import numpy as np
import pytest
from fuzz_parts.corpus import png_header

from mmonnx.runtime.images import MAX_PIXELS, Video, read_image
from mmonnx.support.errors import InputError

pytestmark = pytest.mark.once

KINDS = ["colour.png", "grey.png", "alpha.png", "deep.png", "one.png", "colour.jpg", "turned.jpg", "colour.bmp"]


def commands(corpus, name):
    """Every way in which an image comes in."""
    export = ["export", "fuzz_model:make", str(corpus.folder / "good.pth"), "--shape", "16", "--verify"]
    detector, classifier = (str(corpus.folder / f"{kind}.onnx") for kind in ("detector", "classifier"))
    return [
        ["predict", detector, name, "--out", "drawn", "--json", "found.json"],
        ["predict", classifier, name, "--out", "drawn"],
        [*export, "--output-file", "made.onnx", "--input-img", name],
        [*export, "--output-file", "made.onnx", "--test-img", name],
    ]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_image_is_read_as_mmcv_reads_it(corpus, judged, tmp_path, name):
    (tmp_path / name).write_bytes(corpus.images[name])
    expected = mmcv.imread(str(tmp_path / name))
    found = read_image(str(tmp_path / name))
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint8 and found.shape[2] == 3
    assert (found.shape[:2] == (56, 40)) == (name == "turned.jpg")
    for command in commands(corpus, name):
        assert judged(command, lambda folder: (folder / name).write_bytes(corpus.images[name])).status == 0


@pytest.mark.parametrize("name, data", [("empty.png", b""), ("text.jpg", b"this is not an image"), ("half.png", None)])
def test_what_is_no_whole_image_is_refused(corpus, refused, name, data):
    data = corpus.images["colour.png"][:2000] if data is None else data
    for command in commands(corpus, name):
        line = refused(command, lambda folder: (folder / name).write_bytes(data))
        assert f"image '{name}' cannot be read" in line


@pytest.mark.parametrize("size", [(100000, 100000), (30000, 30000), (MAX_PIXELS // 1000 + 1, 1000), (2**31 - 1, 1)])
def test_an_enormous_image_is_refused_by_its_header(corpus, refused, size):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for command in commands(corpus, "huge.png"):
        line = refused(command, lambda folder: (folder / "huge.png").write_bytes(png_header(*size)))
        assert "image 'huge.png' " in line and ("is too large" in line or "cannot be read" in line)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 400 * 1024, "KiB; the image alone would take more"


def test_a_pipeline_that_would_make_an_enormous_image_is_refused(corpus, refused):
    import onnx

    model = onnx.load_model_from_string(corpus.models["detector"])
    for step in (
        {"type": "resize", "rule": "exact", "size": [10**6, 10**6], "backend": "cv2", "interpolation": "bilinear"},
        {"type": "resize", "rule": "factor", "factor": 1e9, "backend": "cv2", "interpolation": "bilinear"},
        {"type": "pad", "value": 0, "size": [10**6, 10**6]},
        {"type": "pad", "value": 0, "divisor": 10**6},
        {"type": "crop", "size": [10**6, 10**6], "padding": 1, "backend": "cv2", "interpolation": "bilinear"},
    ):
        for entry in model.metadata_props:
            if entry.key == "mmonnx.pipeline":
                entry.value = json.dumps([step])
        data = model.SerializeToString()

        def fill(folder, data=data):
            (folder / "x.onnx").write_bytes(data)
            (folder / "x.png").write_bytes(corpus.images["colour.png"])

        assert "pixels" in refused(["predict", "x.onnx", "x.png", "--json", "found.json"], fill)


def test_one_image_that_cannot_be_read_lets_nothing_be_written_where_that_is_to_stop(corpus, refused):
    def fill(folder):
        (folder / "in").mkdir()
        (folder / "in" / "a.png").write_bytes(corpus.images["colour.png"])
        (folder / "in" / "b.png").write_bytes(b"")

    detector = str(corpus.folder / "detector.onnx")
    outputs = ["--out", "new/drawn", "--json", "found.json", "--coco", "new/coco.json"]
    refused(["predict", detector, "in", *outputs, "--on-error", "stop"], fill)


def test_an_image_of_a_kind_that_only_opencv_knows_is_refused(tmp_path):
    """How large it becomes is not known before it is read."""
    picture = np.zeros((4, 4, 3), np.float32)
    assert cv2.imwrite(str(tmp_path / "x.hdr"), picture)
    with pytest.raises(InputError, match="cannot be read"):
        read_image(str(tmp_path / "x.hdr"))


def test_a_video_that_is_a_list_of_addresses_is_not_followed(tmp_path):
    import http.server
    import threading

    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *given):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/x.ts"
        lists = {
            "hls.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n",
            "concat.mp4": f"ffconcat version 1.0\nfile '{address}'\n",
        }
        for name, text in lists.items():
            (tmp_path / name).write_text(text)
            with pytest.raises(InputError, match="cannot be read"):
                list(Video(str(tmp_path / name)))
        server.shutdown()
    assert asked == []
