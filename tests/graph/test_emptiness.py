"""Which tensors may be empty, and where that makes a runtime go wrong that leaves nodes without elements out."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from models import load_small

from mmonnx.graph.check import check_target
from mmonnx.graph.emptiness.follow import follow
from mmonnx.rewriting.lowering.inline import inline_functions
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.targets import find_target
from mmonnx.tracing.tracer import trace

PPLNN = find_target("pplnn")
ROWS = "float[n,4] rows, bool[n] mask"
INDEX = "found = NonZero (mask) flat = Constant <value_ints = [-1]> () index = Reshape (found, flat) "
GATHERED = INDEX + "kept = Gather (rows, index) "
ONE = "one = Constant <value = bool[1] {1}> () longer = Concat <axis = 0> (mask, one) "
DUMMY = "dummy = Constant <value = float[1,4] {0.0, 0.0, 1.0, 1.0}> () "
BOXES = "float[1,n,4] boxes, float[1,c,n] scores"
NMS = """most = Constant <value = int64[1] {9}> () iou = Constant <value = float[1] {0.5}> ()
    thr = Constant <value = float[1] {0.05}> () """


def parse(body, inputs, outputs, opset=11):
    head = f'<ir_version: 8, opset_import: ["": {opset}]>'
    return onnx.parser.parse_model(f"{head} g ({inputs}) => ({outputs}) {{{body}}}")


def emptied(body, inputs=ROWS, outputs="float[a,b] y"):
    """The operators that have an empty input and an output that is not."""
    findings = check_target(parse(body, inputs, outputs), replace(PPLNN, forms={}, types={}))
    assert all("is empty when" in finding.rule for finding in findings), findings
    return [finding.operator for finding in findings]


@pytest.mark.parametrize("name, then", [("pplnn", "left out"), ("mnn", "no outputs"), ("opencv", "stops, dies")])
def test_what_becomes_of_it_depends_on_the_target(name, then):
    model = parse(GATHERED + "y = ReduceMax <axes = [0]> (kept)", ROWS, "float[a,b] y")
    (rule,) = [finding.rule for finding in check_target(model, find_target(name)) if "is empty" in finding.rule]
    assert "when NonZero of found gives nothing; " in rule and then in rule


# as torch expands to a size and -1
EXPANDED = """z = Constant <value = int64[1] {0}> () r = Gather (s, z) rest = Constant <value = int64[1] {-1}> ()
    l = Concat <axis = 0> (r, rest) m = Constant <value = int64[2] {-1, -1}> () at = Equal (l, m)
    o = Constant <value = int64[2] {1, 1}> () k = Where (at, o, l) n = Constant <value = float[1,1] {0.0}> ()
    e = Expand (n, k) y = ReduceMax <axes = [0]> (e)"""
UNGUARDED = {
    "as many as the shape of what may be empty says": (GATHERED + "s = Shape (kept) " + EXPANDED, "ReduceMax"),
    "NonZero reduced": (GATHERED + "y = ReduceMax <axes = [0]> (kept)", "ReduceMax"),
    "NonZero, elementwise, reduced": (
        GATHERED + "a = Add (kept, kept) b = Transpose (a) c = Relu (b) y = ReduceSum <axes = [1]> (c)",
        "ReduceSum",
    ),
    "an empty table is read": (GATHERED + "at = Constant <value = int64[2] {0, 0}> () y = Gather (kept, at)", "Gather"),
    "reshaped": (
        GATHERED + "s = Constant <value = int64[3] {-1, 2, 2}> () r = Reshape (kept, s) y = ReduceMin <axes = [0]> (r)",
        "ReduceMin",
    ),
    "a contraction": (GATHERED + "t = Transpose (kept) y = MatMul (t, kept)", "MatMul"),
    "cut after a guard": (
        GATHERED
        + DUMMY
        + "c = Concat <axis = 0> (kept, dummy) s = Constant <value_ints = [1]> () e = Constant <value_ints = [9]> () "
        + "z = Constant <value_ints = [0]> () d = Slice (c, s, e, z) y = ReduceMax <axes = [0]> (d)",
        "ReduceMax",
    ),
    "TopK with a k from the data": (
        "c = Cast <to = 7> (mask) k = ReduceSum <axes = [0]> (c) z = Constant <value_ints = [0]> () "
        "s = Cast <to = 1> (mask) v, i = TopK <axis = 0> (s, k) y = ReduceMax <axes = [0], keepdims = 1> (v)",
        "ReduceMax",
    ),
    "Slice with an end from the data": (
        "c = Cast <to = 7> (mask) e = ReduceSum <axes = [0]> (c) z = Constant <value_ints = [0]> () "
        "d = Slice (rows, z, e, z) y = ReduceMax <axes = [0]> (d)",
        "ReduceMax",
    ),
    "a count where it is not above 0": (
        "c = Cast <to = 7> (mask) e = ReduceSum <axes = [0]> (c) o = Constant <value = int64[1] {0}> () "
        "u = Constant <value = int64[1] {1}> () more = Greater (e, o) k = Where (more, u, e) "
        "z = Constant <value_ints = [0]> () s = Slice (rows, z, k, z) y = ReduceMax <axes = [0]> (s)",
        "ReduceMax",
    ),
    "Concat of what can all be empty": (
        GATHERED
        + "no = Not (mask) f = NonZero (no) j = Reshape (f, flat) others = Gather (rows, j) "
        + "c = Concat <axis = 0> (kept, kept) d = Concat <axis = 0> (c, others) y = ReduceMax <axes = [0]> (d)",
        "ReduceMax",
    ),
    "padded, which needs an element itself": (
        GATHERED
        + "p = Constant <value = int64[4] {0, 0, 1, 0}> () v = Constant <value = float {0}> () c = Pad (kept, p, v) "
        + "y = ReduceMax <axes = [0]> (c)",
        "Pad",
    ),
    "Reshape to nothing": (
        "s = Constant <value = int64[0] {}> () m = ReduceMax <axes = [0, 1], keepdims = 0> (rows) y = Reshape (m, s)",
        "Reshape",
    ),
}


@pytest.mark.parametrize("body, operator", UNGUARDED.values(), ids=list(UNGUARDED))
def test_an_empty_input_with_an_output_that_is_not(body, operator):
    assert emptied(body) == [operator]


GUARDED = {
    "empty all the way": GATHERED + "a = Add (kept, kept) y = Relu (a)",
    "a shape and back": GATHERED + "s = Shape (kept) y = ConstantOfShape (s)",
    "dummy in the mask": ONE
    + DUMMY
    + "table = Concat <axis = 0> (rows, dummy) found = NonZero (longer) flat = Constant <value_ints = [-1]> () "
    + "index = Reshape (found, flat) kept = Gather (table, index) y = ReduceMax <axes = [0]> (kept)",
    "dummy in the numbers that the mask is made of": (
        "level = Cast <to = 7> (mask) zero = Constant <value = int64[1] {0}> () l = Concat <axis = 0> (level, zero) "
        "w = Constant <value = int64 {0}> () at = Equal (l, w) found = NonZero (at) t = Transpose (found) "
        "f = Cast <to = 1> (t) y = ReduceMax <axes = [0]> (f)"
    ),
    "dummy behind": GATHERED + DUMMY + "c = Concat <axis = 0> (kept, dummy) y = ReduceMax <axes = [0]> (c)",
    "a whole out of parts": (
        GATHERED
        + "no = Not (mask) f = NonZero (no) j = Reshape (f, flat) others = Gather (rows, j) "
        + "c = Concat <axis = 0> (kept, others) i = Concat <axis = 0> (index, j) s = Shape (i) "
        + "g = Cast <to = 1> (i) v, back = TopK <axis = 0, largest = 0> (g, s) y = Gather (c, back)"
    ),
    "a k from a shape": (
        "f = Flatten <axis = 0> (rows) s = Shape (f) o = Constant <value = int64 {1}> () n = Gather (s, o) "
        "m = Constant <value = int64 {1000}> () less = Less (m, n) k = Where (less, m, n) "
        "u = Constant <value_ints = [1]> () r = Reshape (k, u) v, i = TopK <axis = 1> (f, r) "
        "y = ReduceMax <axes = [1]> (v)"
    ),
    "a greatest count of at least 1": (
        "c = Cast <to = 7> (mask) u = Constant <value = int64[1] {1}> () d = Concat <axis = 0> (c, u) "
        "e = ReduceMax <axes = [0]> (d) z = Constant <value_ints = [0]> () s = Slice (rows, z, e, z) "
        "y = ReduceMax <axes = [0]> (s)"
    ),
    "the greater of a count and 1": (
        "c = Cast <to = 7> (mask) e = ReduceSum <axes = [0]> (c) u = Constant <value = int64[1] {1}> () "
        "less = Less (e, u) k = Where (less, u, e) z = Constant <value_ints = [0]> () s = Slice (rows, z, k, z) "
        "y = ReduceMax <axes = [0]> (s)"
    ),
    "a count where it is above 0, else 1": (
        "c = Cast <to = 7> (mask) e = ReduceSum <axes = [0]> (c) o = Constant <value = int64[1] {0}> () "
        "u = Constant <value = int64[1] {1}> () more = Greater (e, o) k = Where (more, e, u) "
        "z = Constant <value_ints = [0]> () s = Slice (rows, z, k, z) y = ReduceMax <axes = [0]> (s)"
    ),
    "1 where a count is below it": (
        "c = Cast <to = 7> (mask) e = ReduceSum <axes = [0]> (c) o = Constant <value = int64[1] {1}> () "
        "u = Constant <value = int64[1] {2}> () less = Less (e, o) k = Where (less, u, e) "
        "z = Constant <value_ints = [0]> () s = Slice (rows, z, k, z) y = ReduceMax <axes = [0]> (s)"
    ),
    "as many as the shape of what has a dummy says": (
        GATHERED + DUMMY + "c = Concat <axis = 0> (kept, dummy) s = Shape (c) " + EXPANDED
    ),
    "a cut that the image decides": (
        "z = Constant <value_ints = [0]> () e = Constant <value_ints = [-1]> () s = Slice (rows, z, e, z) "
        "y = ReduceMax <axes = [0]> (s)"
    ),
}


@pytest.mark.parametrize("body", GUARDED.values(), ids=list(GUARDED))
def test_a_guarded_value(body):
    assert emptied(body) == []


@pytest.mark.parametrize("dummy, operators", [("0.9", []), ("0.01", ["ReduceMax"])])
def test_a_box_that_is_always_kept(dummy, operators):
    body = f"""{NMS} box = Constant <value = float[1,1,4] {{0.0, 0.0, 1.0, 1.0}}> ()
        score = Constant <value = float[1,1,1] {{{dummy}}}> ()
        all = Concat <axis = 1> (boxes, box) table = Concat <axis = 2> (scores, score)
        s = NonMaxSuppression (all, table, most, iou, thr) f = Cast <to = 1> (s) y = ReduceMax <axes = [0]> (f)"""
    assert emptied(body, "float[1,n,4] boxes, float[1,1,n] scores") == operators


# Rows with a group each, of which 0, 1 and 2 are pooled as slices of the sorted rows.
GROUPS = """
    wide = Cast <to = 7> (rows) column = Constant <value = int64 {{0}}> () own = Gather <axis = 1> (wide, column)
    dummies = Constant <value = int64[{count}] {{{groups}}}> () zero = Constant <value_ints = [0]> ()
    end = Constant <value = int64[1] {{9223372036854775807}}> ()
    group = Concat <axis = 0> (own, dummies) bounds = Constant <value = int64[2,1] {{{bounds}}}> ()
    below = Less (group, bounds) ones = Cast <to = 7> (below) ends = ReduceSum <axes = [1], keepdims = 0> (ones)
    first, second = Split <axis = 0, split = [1, 1]> (ends)
    key = Cast <to = 1> (group) length = Shape (group) sorted, order = TopK <axis = 0, largest = 0> (key, length)
    a = Slice (sorted, zero, first, zero) b = Slice (sorted, first, second, zero) c = Slice (sorted, second, end, zero)
    x = ReduceMax <axes = [0]> (a) y = ReduceMax <axes = [0]> (b) z = ReduceMax <axes = [0]> (c)
"""


@pytest.mark.parametrize(
    "groups, bounds, number",
    [
        ("0, 1, 2", "1, 2", 0),
        ("2, 1, 0", "1, 2", 0),
        ("0, 1", "1, 2", 1),
        ("1, 2, 2", "1, 2", 1),
        ("0, 2, 2", "1, 2", 1),
        ("0, 0, 0", "1, 2", 2),
        ("0, 1, 2", "2, 1", 3),  # not growing: nothing is known of what lies between the counts
    ],
)
def test_groups_with_a_dummy_each(groups, bounds, number):
    body = GROUPS.format(groups=groups, count=len(groups.split(",")), bounds=bounds)
    outputs = "float[a] x, float[b] y, float[d] z"
    findings = check_target(parse(body, "float[n,4] rows", outputs), PPLNN)
    assert [finding.operator for finding in findings] == ["ReduceMax"] * number
    if not number:
        feeds = {"rows": np.zeros((3, 4), np.float32)}
        assert contradictions(parse(body, "float[n,4] rows", outputs), feeds)[0] == []


def test_boxes_that_may_all_be_dropped():
    body = f"{NMS} s = NonMaxSuppression (boxes, scores, most, iou, thr) "
    assert emptied(body + "y = Cast <to = 1> (s)", BOXES) == []
    assert emptied(body + "f = Cast <to = 1> (s) y = ReduceMax <axes = [0]> (f)", BOXES) == ["ReduceMax"]


def test_a_loop_over_what_may_be_empty():
    body = (
        GATHERED
        + """s = Shape (kept) one = Constant <value = int64 {0}> () t = Gather (s, one)
        go = Constant <value = bool {1}> ()
        stacked = Loop <body = step (int64 number, bool going) => (bool again, float[c] row) {
            again = Identity (going)
            row = Gather <axis = 0> (kept, number)
        }> (t, go)
        """
    )
    assert emptied(body + "y = Relu (stacked)") == []
    assert emptied(body + "y = ReduceMax <axes = [0]> (stacked)") == ["ReduceMax"]


def test_the_finding_names_who_is_to_blame():
    (finding,) = check_target(parse(UNGUARDED["NonZero reduced"][0], ROWS, "float[a,b] y"), PPLNN)
    assert "when NonZero of found gives nothing" in finding.rule
    assert check_target(parse(UNGUARDED["NonZero reduced"][0], ROWS, "float[a,b] y"), find_target("onnxruntime")) == []


def contradictions(model, feeds):
    """Where a run of the model contradicts what was found out without running it; every tensor is looked at."""
    known = {}
    for step in follow(onnx.shape_inference.infer_shapes(model, data_prop=True)):
        known.update(zip(step.view.node.output, step.outputs))
    told = onnx.ModelProto()
    told.CopyFrom(model)
    del told.graph.output[:]
    names = [name for node in model.graph.node for name in node.output if name]
    told.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(told.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wrong, empty = [], 0
    for name, array in zip(names, session.run(names, feeds)):
        value = known[name]
        empty += array.size == 0
        wrong += [f"{name} is empty"] if array.size == 0 and not value.empty_if else []
        if value.dims is not None:
            wrong += [f"{name} {array.shape}" for _ in range(len(value.dims) != array.ndim)]
            wrong += [f"{name} {array.shape}" for size, real in zip(value.dims, array.shape) if not _fits(size, real)]
        if value.items is not None and array.dtype == np.int64:
            wrong += [f"{name} {array}" for size, real in zip(value.items, array.reshape(-1)) if not _fits(size, real)]
        wrong += [f"{name} lacks {number}" for number in value.holds if not np.isclose(array, number).any()]
    return wrong, empty


def _fits(size, number):
    # the low bound of what the input's shape decides is a convention
    return size.exact in (None, number) and (size.low <= number or not size.causes)


@pytest.mark.parametrize("rows, some", [(3, True), (3, False), (2, False)])
@pytest.mark.parametrize("name", [*UNGUARDED, *GUARDED])
def test_a_run_agrees(name, rows, some):
    body = UNGUARDED[name][0] if name in UNGUARDED else GUARDED[name]
    mask = np.full(rows, some)
    feeds = {"rows": np.random.RandomState(0).rand(rows, 4).astype(np.float32), "mask": mask}
    try:
        wrong, _ = contradictions(parse(body, ROWS, "float[a,b] y"), feeds)
    except Exception as error:
        pytest.skip(f"ONNX Runtime itself refuses: {error}")
    assert wrong == []


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detector")
    return load_small("mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py", folder, shape=(64, 96), dynamic=True)


@pytest.fixture(scope="module")
def detector(task):
    """A small Faster R-CNN as it is traced."""
    return inline_functions(trace(task, 11, ExportContext()))


def test_the_dummies_of_a_detector_keep_every_value_from_being_empty(task, detector):
    model = inline_functions(trace(task, 11, ExportContext(PPLNN.capabilities)))
    for guarded, one in ((True, model), (False, detector)):
        rules = [finding.rule for finding in check_target(one, PPLNN)]
        assert any("is empty when" in rule for rule in rules) != guarded


@pytest.mark.parametrize("threshold", [None, 1e30])
def test_a_run_of_a_detector_agrees(detector, threshold):
    model = onnx.ModelProto()
    model.CopyFrom(detector)
    if threshold is not None:  # nothing is found
        nodes = [node for node in model.graph.node if node.op_type == "NonMaxSuppression"]
        for node in nodes:
            node.input[4] = "threshold"
        tensor = onnx.helper.make_tensor("threshold", onnx.TensorProto.FLOAT, [1], [threshold])
        model.graph.initializer.append(tensor)
    image = np.random.RandomState(0).rand(2, 3, 96, 64).astype(np.float32)
    wrong, empty = contradictions(model, {"input": image, "img_shape": np.array([96, 64], np.float32)})
    assert wrong == []
    assert threshold is None or empty > 50
