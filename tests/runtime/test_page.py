"""The page of ``mmonnx inspect --html``: what is on it, that no file breaks out of it, and how a browser shows it."""

import html.parser
import json
import re
import shutil
import subprocess

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from mmonnx import cli
from mmonnx.runtime.pages.write import _POLICY
from mmonnx.support.resources import config_root

pytestmark = pytest.mark.once

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
CONFIG = config_root() / "digits" / "mobilenet_v2_digits.py"
SCRIPT = "<script>window.hit=1</script>"
IMAGE = "\"><img src=x onerror='window.hit=1'>"
MEASURE = """<script>addEventListener("load", () => { document.title =
    [document.documentElement.scrollWidth, innerWidth, document.scripts.length, window.hit].join(" ") })</script>"""


class Reader(html.parser.HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.words = [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)


def check_that_it_is_alone(reader):
    """No script, and nothing that a browser would fetch."""
    assert not {"script", "iframe", "object", "embed", "link", "base", "form"} & {tag for tag, _ in reader.elements}
    for tag, attributes in reader.elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "href", "srcset", "style", "action"):
            assert attributes.get(name, "data:").startswith("data:image/jpeg;base64,") or name not in attributes
    assert [one for _, one in reader.elements if one.get("http-equiv") == "Content-Security-Policy"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An exported digit classifier, its page, and what is on the page."""
    folder = tmp_path_factory.mktemp("page")
    image = np.random.RandomState(0).randint(0, 255, (90, 120, 3), np.uint8)
    cv2.imwrite(str(folder / "photo.png"), image)
    arguments = ["--shape", "64", "--dynamic-export", "--verify", "--show-dir", str(folder / "shown")]
    command = ["export", str(CONFIG), str(CONFIG.with_suffix(".pth")), "--output-file", str(folder / "m.onnx")]
    assert cli.main([*command, *arguments]) == 0
    command = ["inspect", str(folder / "m.onnx"), "--shape", "64", "96", "--html", str(folder / "page.html")]
    assert cli.main([*command, "--image", str(folder / "photo.png"), "--show-dir", str(folder / "shown")]) == 0
    return folder


def test_it_shows_the_file_its_verification_its_answers_and_its_times(folder):
    reader = Reader((folder / "page.html").read_text(encoding="utf-8"))
    check_that_it_is_alone(reader)
    agree = re.search(r"(\d+) of \1 cases agree", reader.text)
    assert agree and int(agree[1]) >= 7
    for words in (
        "photograph 32x64 batch 2",
        "photo.png: ",
        "batch x 3 x height x width",
        "(batch, num_classes): probabilities",
        "mean: [123.675, 116.28, 103.53]",
        "10 classes 0 1 2 3 4 5 6 7 8 9",
        "52 Clip",
        "backbone.layer2",
        "Median time at 64x96",
        "CPU, 1 thread",
        "onnxruntime: supports every node",
        "mmonnx.checkpoint_sha256",
        "model = {",
    ):
        assert words in reader.text, words
    images = [attributes for tag, attributes in reader.elements if tag == "img"]
    assert len(images) == 1 + len(list((folder / "shown").iterdir())) and all(one["alt"] for one in images)
    bars = [attributes for tag, attributes in reader.elements if attributes.get("class") == "bar"]
    assert len(bars) > 20 and all(0 <= float(one["width"].rstrip("%")) <= 100 for one in bars)


def test_a_benchmark_takes_the_place_of_own_times(folder, tmp_path, capfd):
    row = {"variant": "mmonnx", "ms": 12.5, "ratio": 0.5, "matched": 9, "total": 9}
    failed = {"variant": "scatter", "ms": None, "ratio": None, "matched": 0, "total": 0}
    content = {
        "settings": {"config": "c.py", "rounds": 8},
        "machine": {"onnxruntime": "1.2", "processor": "p", "cores": 2},
        "results": [{"shape": [320, 480], "rows": [row, failed]}],
    }
    (tmp_path / "b.json").write_text(json.dumps(content))
    command = ["inspect", str(folder / "m.onnx"), "--html", str(tmp_path / "page.html"), "--benchmark"]
    assert cli.main([*command, str(tmp_path / "b.json")]) == 0
    text = Reader((tmp_path / "page.html").read_text(encoding="utf-8")).text
    assert "Median time at 320x480 mmonnx 12.5 ms" in text and "0.50 9/9" in text and "CPU, 1 thread" not in text
    (tmp_path / "page.html").unlink()
    row["ms"] = "<b>"
    for wrong in (json.dumps(content), "{", "[]", "[" * 100000):
        (tmp_path / "b.json").write_text(wrong)
        assert cli.main([*command, str(tmp_path / "b.json")]) == 2
        lines = capfd.readouterr().err.splitlines()
        assert len(lines) == 1 and "benchmark.json of tools/benchmark.py" in lines[0], lines
        assert not (tmp_path / "page.html").exists()


def test_what_cannot_be_shown_is_refused_and_writes_nothing(folder, tmp_path, capfd):
    page = str(tmp_path / "page.html")
    (tmp_path / "empty").mkdir()
    wrong = {
        "none.png": ["--html", page, "--image", "none.png"],
        "holds no image": ["--html", page, "--show-dir", str(tmp_path / "empty")],
        "is a folder": ["--html", str(tmp_path)],
        "--html PAGE beside it": ["--image", "none.png"],
    }
    for words, arguments in wrong.items():
        assert cli.main(["inspect", str(folder / "m.onnx"), *arguments]) == 2
        lines = capfd.readouterr().err.splitlines()
        assert len(lines) == 1 and words in lines[0], lines
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def hostile_model(metadata):
    """A model whose every name is an attack on the page or the terminal."""
    value = helper.make_tensor_value_info(f"in{SCRIPT}", 1, [f"n{IMAGE}", 3, 8, 8])
    weight = numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), f"w{SCRIPT}")
    nodes = [
        helper.make_node("Conv", [value.name, weight.name], ["a"], name=f"module{SCRIPT}/Conv{IMAGE}"),
        helper.make_node(f"Op{SCRIPT}", ["a"], [f"out{IMAGE}"], name=f"n{SCRIPT}", domain=f"d{IMAGE}"),
    ]
    made = helper.make_tensor_value_info(f"out{IMAGE}", 1, [f"m{SCRIPT}"])
    graph = helper.make_graph(nodes, f"g{SCRIPT}", [value], [made], [weight])
    opsets = [helper.make_opsetid("", 11), helper.make_opsetid(f"d{IMAGE}", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=7, producer_name=f"p{SCRIPT}")
    helper.set_model_props(model, metadata)
    return model


ATTACKS = {
    "a description": {
        "mmonnx.task": '"classification"',
        "mmonnx.classes": json.dumps([SCRIPT, IMAGE, "\ud800", "\x1b[2Jx"]),
        "mmonnx.palette": json.dumps([[1, 2, 3]] * 4),
        "mmonnx.pipeline": json.dumps([{"type": SCRIPT, IMAGE: SCRIPT}]),
        "mmonnx.outputs": json.dumps({f"out{IMAGE}": SCRIPT}),
        "mmonnx.verified": json.dumps([{"name": SCRIPT, "verdict": IMAGE, "matched": SCRIPT, "max_box": IMAGE}]),
        "mmonnx.config": json.dumps(SCRIPT),
        "mmonnx.config_text": f"</pre></style>{SCRIPT}",
    },
    "other types": {
        "mmonnx.task": '"detection"',
        "mmonnx.classes": '{"a": 1}',
        "mmonnx.palette": '[["red", 1, "0,0,0)"]]',
        "mmonnx.outputs": "3",
        "mmonnx.pipeline": "[1, null]",
        "mmonnx.verified": '[{"matched": Infinity, "total": NaN, "max_box": -Infinity, "name": [1]}, {}]',
        "mmonnx.config": "[1]",
    },
    "no description": {
        f"key{IMAGE}": SCRIPT,
        "mmonnx.verified": "[1, 2]",
        "mmonnx.classes": "[" * 5000,
        "long": "x" * 5000,
        "controls": "\x00\x1b]0;title\x07\x9b31m",
    },
}


@pytest.fixture(params=sorted(ATTACKS))
def attacked(request, tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(hostile_model(ATTACKS[request.param]), str(path))
    return path


def test_nobody_breaks_out_of_the_page_or_the_terminal(attacked, tmp_path, capfd):
    benchmark = {"settings": {"config": SCRIPT, "rounds": IMAGE}, "results": []}
    benchmark["machine"] = {"onnxruntime": SCRIPT, "processor": IMAGE, "cores": SCRIPT}
    (tmp_path / "b.json").write_text(json.dumps(benchmark))
    command = ["inspect", str(attacked)]
    assert cli.main([*command, "--html", str(tmp_path / "page.html"), "--benchmark", str(tmp_path / "b.json")]) == 0
    reader = Reader((tmp_path / "page.html").read_text(encoding="utf-8"))
    check_that_it_is_alone(reader)
    assert SCRIPT in reader.text and "img src=x" in reader.text
    assert not [tag for tag, _ in reader.elements if tag == "img"]
    capfd.readouterr()
    assert cli.main([*command, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["producer"] == f"p{SCRIPT}"
    assert cli.main(command) == 0
    assert not set(capfd.readouterr().out) & set("\x00\x07\x1b\x9b\ud800")


def browse(folder, page, *flags):
    """Open a page in a browser; what it prints."""
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, page.as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode("utf-8")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")
def test_a_browser_shows_it_wide_and_narrow_light_and_dark(folder, tmp_path):
    means = {}
    for name, width, flags in (("wide", 1200, []), ("narrow", 500, []), ("dark", 1200, ["--force-dark-mode"])):
        shot = tmp_path / f"{name}.png"
        browse(tmp_path, folder / "page.html", f"--screenshot={shot}", f"--window-size={width},900", *flags)
        picture = cv2.imread(str(shot))
        assert picture.shape[1] == width and picture.std() > 10
        means[name] = picture[-40:, :20].mean()
    assert means["wide"] > 200 and means["narrow"] > 200 and means["dark"] < 60


def measured(folder, page, width):
    """Width of what a page shows, width of the window, scripts and attacks that ran.

    Without the policy that forbids all scripts, and with one script, which measures.
    """
    text = page.read_text(encoding="utf-8")
    assert text.count(_POLICY) == 1
    (folder / "open.html").write_text(text.replace(_POLICY, "") + MEASURE, encoding="utf-8")
    shown = browse(folder, folder / "open.html", "--dump-dom", f"--window-size={width},900")
    return shown.split("<title>")[1].split("</title>")[0].split()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")
@pytest.mark.parametrize("width", [500, 1200])
def test_in_a_browser_nothing_reaches_over_the_edge(folder, tmp_path, width):
    assert measured(tmp_path, folder / "page.html", width) == [str(width)] * 2 + ["1"]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")
def test_in_a_browser_no_attack_runs(attacked, tmp_path):
    assert cli.main(["inspect", str(attacked), "--html", str(tmp_path / "page.html")]) == 0
    assert measured(tmp_path, tmp_path / "page.html", 500) == ["500", "500", "1"]
