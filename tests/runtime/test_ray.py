"""``mmonnx predict --engine ray`` on a cluster of several nodes on this machine, one of which is killed on the way."""

import json
import os
import pickle
import re
import threading
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_files

from mmonnx import cli
from mmonnx.runtime import BatchDetector
from mmonnx.support.errors import InputError

ray = pytest.importorskip("ray", reason="pip install 'ray[data]'")
pyarrow = pytest.importorskip("pyarrow")

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parents[2]
COUNT = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both files, pictures of five sizes, one that cannot be read, and what a single process finds in them."""
    folder = tmp_path_factory.mktemp("ray")
    tiny_files.detector(folder / "detector.onnx")
    tiny_files.classifier(folder / "classifier.onnx")
    (folder / "photos").mkdir()
    random_state = np.random.RandomState(0)
    for number in range(COUNT):
        size = [(48, 64), (64, 48), (30, 64), (48, 48), (100, 90)][number % 5]
        picture = random_state.randint(0, 255, (*size, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / "photos" / f"{number:03}.png"), picture)
    (folder / "photos" / "030b.jpg").write_bytes(b"no picture")
    for name in ("detector", "classifier"):
        words = [str(folder / f"{name}.onnx"), str(folder / "photos"), "--jsonl", str(folder / f"{name}.jsonl")]
        assert cli.main(["predict", *words]) == 1
    return folder


@pytest.fixture(scope="module")
def cluster():
    """Three nodes of one core."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        # a machine that has much to do answers late
        patient = {"health_check_timeout_ms": 60_000, "health_check_period_ms": 2_000}
        node = {"num_cpus": 1, "object_store_memory": 100 << 20}
        head = {**node, "_system_config": patient, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            for _ in range(2):
                cluster.add_node(**node)
            cluster.wait_for_nodes()
            ray.init(address=cluster.address, log_to_driver=False)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def lines(path):
    return sorted(path.read_text().splitlines())


def parts(folder):
    return sorted(line for path in folder.iterdir() for line in path.read_text().splitlines())


@pytest.fixture
def run(folder, tmp_path, cluster, monkeypatch):
    monkeypatch.setattr("mmonnx.runtime.distributed.run._ROWS", 5)

    def start(*arguments, file="detector", sources=(folder / "photos",)):
        words = ["predict", folder / f"{file}.onnx", *sources, "--engine", "ray", *arguments]
        return cli.main(list(map(str, words)))

    return start


def test_a_batch_is_a_table_of_the_single_process_answers(folder):
    from mmonnx.runtime.distributed.batches import line_of

    paths = sorted(map(str, (folder / "photos").iterdir()))
    for name in ("detector", "classifier"):
        model = BatchDetector(folder / f"{name}.onnx", threads=2)
        expected = (folder / f"{name}.jsonl").read_text().splitlines()
        for batch in ({"path": paths}, {"path": paths, "bytes": [Path(path).read_bytes() for path in paths]}):
            table = model(batch)
            assert [line_of(row) for row in table.to_pylist()] == expected
        assert model({"path": []}).schema == table.schema
        found = [json.loads(line_of(row)) for row in model({"path": [f"file://{path}" for path in paths]}).to_pylist()]
        assert [one.pop("file") for one in found] == [f"file://{path}" for path in paths]
        assert [one for one in found if "error" not in one] == [
            {key: value for key, value in json.loads(line).items() if key != "file"}
            for line in expected
            if "error" not in line
        ]


@pytest.mark.parametrize(
    "kind, answer",
    [
        ("segments", [{"label": 1, "name": "b", "area": 6, "mask": {"size": [2, 3], "counts": "06"}}]),
        ("image", {"height": 8, "width": 12, "channels": 3}),
    ],
)
def test_a_segmentor_and_an_image_editor_have_a_table_too(kind, answer):
    from mmonnx.runtime.distributed.batches import line_of, schema

    record = {"file": "a.png", "height": 2, "width": 3, kind: answer}
    (row,) = pyarrow.Table.from_pylist([record], schema(kind)).to_pylist()
    assert json.loads(line_of(row)) == record


def test_errors_cross_from_one_process_to_another():
    error = pickle.loads(pickle.dumps(InputError("a", "b", "c")))
    assert (error.what, error.expected, error.fix, str(error)) == ("a", "b", "c", "a; expected b; c")


def test_parquet_and_addresses_in_and_out(folder, run, tmp_path, capsys):
    from pyarrow import parquet

    from mmonnx.runtime.distributed.batches import line_of

    photos = sorted((folder / "photos").iterdir())
    paths, contents = list(map(str, photos)), [path.read_bytes() for path in photos]
    whole = pyarrow.table({"path": paths[:20], "bytes": contents[:20], "more": paths[:20]})
    parquet.write_table(whole, tmp_path / "1.parquet")
    parquet.write_table(pyarrow.table({"path": paths[20:40]}), tmp_path / "2.parquet")
    other = tmp_path / "with a blank#1"
    other.mkdir()
    for path, content in zip(photos[40:50], contents[40:50]):
        (other / path.name).write_bytes(content)
    address = f"file://{tmp_path}/with%20a%20blank%231"
    sources = (tmp_path / "*.parquet", address, *paths[50:])
    assert run("--parquet", f"file://{tmp_path}/out", file="classifier", sources=sources) == 1
    rows = [line_of(row) for row in parquet.read_table(tmp_path / "out").to_pylist()]
    assert sum(address in row for row in rows) == 10
    assert sorted(row.replace(address, str(folder / "photos")) for row in rows) == lines(folder / "classifier.jsonl")
    out = capsys.readouterr().out
    assert f"{COUNT} images" in out and "1 skipped" in out and "030b.jpg" in out and "up to 3 workers" in out


@pytest.mark.parametrize(
    "source, numbers",
    [
        ("photos/00*.png", range(10)),
        ("**/01*.png", range(10, 20)),
        ("photos/007.png", [7]),
        ("ph*/0*2.png", range(2, 60, 10)),
    ],
)
def test_addresses_and_patterns_of_them(folder, source, numbers):
    from mmonnx.runtime.distributed.sources import content_of, find_pictures

    found = find_pictures([f"file://{folder}/{source}", f"file://{folder}/{source}"])
    assert found == [f"file://{folder}/photos/{number:03}.png" for number in numbers]
    assert content_of(found[0]) == (folder / "photos" / f"{numbers[0]:03}.png").read_bytes()


def patient(began, go_on):
    """A model that leaves a file with its node's name for each batch, and waits in its second one until it may go on.

    Made here, as workers cannot import this file: Ray sends them what is made in a function as it is.
    """

    class Patient(BatchDetector):
        def __call__(self, batch):
            node = ray.get_runtime_context().get_node_id()
            (began / f"{node}-{time.monotonic_ns()}").touch()
            while len(list(began.glob(f"{node}-*"))) == 2 and not go_on.exists():
                time.sleep(0.05)
            return super().__call__(batch)

    return Patient


def test_a_node_is_killed_and_every_picture_is_there_once(folder, run, tmp_path, cluster, monkeypatch):
    began, go_on, killed = tmp_path / "began", tmp_path / "go on", []
    began.mkdir()
    monkeypatch.setattr("mmonnx.runtime.distributed.run.BatchDetector", patient(began, go_on))

    def kill():
        """As soon as a node that is not the driver's is in its second batch."""
        while not killed and not go_on.exists():
            names = Counter(path.name.split("-")[0] for path in began.iterdir())
            killed.extend([node for node in cluster.worker_nodes if names[node.node_id] == 2][:1])
            time.sleep(0.05)
        for node in killed:
            cluster.remove_node(node, allow_graceful=False)
        go_on.touch()

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        assert run("--jsonl", tmp_path / "parts") == 1
    finally:
        go_on.touch()
        thread.join(60)
    assert killed, "while it worked"
    assert parts(tmp_path / "parts") == lines(folder / "detector.jsonl")
    assert len(list(began.iterdir())) > 13, "a batch was begun again"


@pytest.mark.parametrize(
    "arguments, source, words",
    [
        (["--json", "x.json"], "photos", "writes parts"),
        (["--jsonl", "full"], "photos", "has something in it"),
        (["--jsonl", "x", "--runtime", "mnn"], "photos", "in ONNX Runtime"),
        (["--jsonl", "x", "--with", "mask=photos"], "photos", "nothing beside pictures"),
        (["--jsonl", "x"], "film.mp4", "is a video"),
        (["--jsonl", "x"], "file:///no/such/folder", "cannot be read"),
        (["--jsonl", "x"], "nowhere://a/b", "cannot be read"),
        (["--jsonl", "nowhere://a/b"], "photos", "cannot be read"),
        (["--jsonl", "x"], "photos/030b.jpg", "no picture has an answer.*030b"),
        (["--jsonl", "x", "--on-error", "stop"], "photos", "030b.jpg' cannot be read"),
        (["--jsonl", "x"], "no.parquet", "does not exist"),
        (["--jsonl", "x"], "other.parquet", "has no column 'path'"),
        (["--jsonl", "x", "--device", "cuda"], "photos", "nowhere in the cluster"),
        (["--jsonl", "x", "--providers", "tensorrt"], "photos", "tensorrt"),
    ],
)
def test_what_is_wrong_is_refused(folder, run, tmp_path, monkeypatch, capfd, arguments, source, words):
    from pyarrow import parquet

    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "part").touch()
    (folder / "film.mp4").touch()
    parquet.write_table(pyarrow.table({"file": ["a.png"]}), folder / "other.parquet")
    assert run(*arguments, sources=[source if "://" in source else folder / source]) == 2
    (line,) = [one for one in capfd.readouterr().err.splitlines() if one.startswith("mmonnx: error")]
    assert re.search(words, line), line


def test_a_file_that_takes_more_than_a_picture_is_refused(run, tmp_path, capfd):
    path = tiny_files.inpaintor(tmp_path / "inpaintor.onnx")
    assert run("--jsonl", tmp_path / "parts", file=path[: -len(".onnx")]) == 2
    assert "takes mask beside a picture" in capfd.readouterr().err


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999", "no.such.host.invalid:6379"]
)
def test_an_address_at_which_nobody_listens_is_refused_at_once(folder, tmp_path, monkeypatch, capfd, address):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    words = ["predict", str(folder / "detector.onnx"), str(folder / "photos"), "--jsonl", str(tmp_path / "parts")]
    assert cli.main([*words, "--engine", "ray", "--address", address]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert f"Ray does not start at address '{address}'" in line
