"""Two-stage detectors from config to file: PyTorch's answers at sizes, batches and images that the trace never saw."""

from itertools import product

import numpy as np
import pytest
from kernels import compiled
from models import case, load_small, once_if, padded, with_all_values

from mmonnx.loading.images import photographs
from mmonnx.loading.task import to_numpy
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import Capabilities, ExportContext
from mmonnx.runtime.session import Session
from mmonnx.support.errors import ExportError
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import verify

FAST = {"model.test_cfg.rpn.nms_pre": 200, "model.test_cfg.rpn.max_per_img": 100}
FEW = {**FAST, "model.test_cfg.rcnn.max_per_img": 20}  # of those whose mask heads take their time
MODELS = {
    # mmcv moves the boxes of each class away by its number, and the overlaps of 80 classes are right to 1e-4 only
    "faster_rcnn/faster_rcnn_r50_fpn_soft_nms_1x_coco.py": {**FAST, "model.roi_head.bbox_head.num_classes": 8},
    "mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py": FEW,
    "cascade_rcnn/cascade_rcnn_r50_fpn_1x_coco.py": FAST,
    "htc/htc_r50_fpn_1x_coco.py": FEW,
    "grid_rcnn/grid_rcnn_r50_fpn_gn-head_2x_coco.py": FEW,
    "ms_rcnn/ms_rcnn_r50_fpn_1x_coco.py": FEW,
    "groie/faster_rcnn_r50_fpn_groie_1x_coco.py": FAST,
    "double_heads/dh_faster_rcnn_r50_fpn_1x_coco.py": FAST,
    "dcn/faster_rcnn_r50_fpn_dconv_c3-c5_1x_coco.py": FAST,
    "dcnv2/mask_rcnn_r50_fpn_mdconv_c3-c5_1x_coco.py": FEW,
    "carafe/faster_rcnn_r50_fpn_carafe_1x_coco.py": FAST,
    "dcnv2/faster_rcnn_r50_fpn_mdpool_1x_coco.py": {
        **FAST,
        "model.roi_head.bbox_roi_extractor.roi_layer.deform_fc_channels": 32,
    },
    "rpn/rpn_r50_fpn_1x_coco.py": FAST,
    "tridentnet/tridentnet_r50_caffe_1x_coco.py": {**FAST, "model.test_cfg.rpn.max_per_img": 40},
    "sabl/sabl_faster_rcnn_r50_fpn_1x_coco.py": FAST,
    "fast_rcnn/fast_rcnn_r50_fpn_1x_coco.py": {},
}
GPU_ONLY = ("carafe", "mdpool")
"""Parts of the names of those whose operators mmcv compiles for GPUs alone."""


@pytest.mark.long
@pytest.mark.once
def test_all_branches_of_tridentnet_are_refused(tmp_path):
    options = {"model.backbone.test_branch_idx": -1, "model.roi_head.test_branch_idx": -1, **FAST}
    task = load_small("mmdet::tridentnet/tridentnet_r50_caffe_1x_coco.py", tmp_path, options, shape=(96, 96))
    with pytest.raises(ExportError, match="test_branch_idx=1"):
        trace(task, 11, ExportContext())


def make_file(task, context):
    return lower(trace(task, 11, context))


@pytest.mark.parametrize("name", list(MODELS))
def test_it_gives_the_answers_of_pytorch(tmp_path, capfd, name):
    if compiled() is not None and any(part in name for part in GPU_ONLY):
        pytest.skip("PyTorch cannot run it on a CPU with mmcv's compiled operators")
    task = load_small("mmdet::" + name, tmp_path, MODELS[name], dynamic=True, shape=(128, 160))
    session = Session(make_file(task, ExportContext()))
    assert "inference of mm" not in capfd.readouterr().err  # torch's own warnings of mmonnx's and mmcv's operators
    one, two, three = photographs()[:3]
    cases = [case(task, (128, 160), [one]), case(task, (160, 128), [two, three]), case(task, (96, 96), [three])]
    for result in verify(task, session.run, [*cases, padded(task, (128, 160), (107, 123), [two, three])]):
        assert result.ok and result.total >= 10, (result.name, result.problems)
        assert result.max_box < 0.01 and result.max_score < 1e-4


@pytest.mark.parametrize("batch", [1, 4])
def test_a_batch_is_its_images(tmp_path, batch):
    """Four images in one batch and four batches of one: the same detections, and padding behind the shorter ones."""
    options = {**FAST, "model.test_cfg.rcnn.score_thr": 0.3}
    task = load_small("mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py", tmp_path, options, dynamic=True, batch=batch)
    session = Session(make_file(task, ExportContext()))
    pictures = photographs()[:4]
    together = session.run(to_numpy(task.preprocess(pictures, (128, 160))))
    lengths = []
    for number, picture in enumerate(pictures):
        alone = session.run(to_numpy(task.preprocess([picture], (128, 160))))
        count = alone["dets"].shape[1]
        assert (alone["labels"] >= 0).all()
        np.testing.assert_allclose(together["dets"][number, :count], alone["dets"][0], atol=1e-3)
        np.testing.assert_array_equal(together["labels"][number, :count], alone["labels"][0])
        assert (together["dets"][number, count:] == 0).all() and (together["labels"][number, count:] == -1).all()
        lengths.append(count)
    assert len(set(lengths)) > 1 and together["dets"].shape[1] == max(lengths)


@pytest.mark.parametrize("name", ["mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py", "rpn/rpn_r50_fpn_1x_coco.py"])
def test_the_sample_of_the_trace_needs_no_detection(tmp_path, name):
    """A file that was traced on an image without any object finds them in others."""
    task = load_small("mmdet::" + name, tmp_path, FAST, dynamic=True, shape=(128, 160))
    model = task.module.model
    normal, strict = {"score_thr": 0.05}, {"score_thr": 2.0}
    part = model.test_cfg.get("rcnn") or model.test_cfg.rpn
    bound = {"min_bbox_size": 100000} if "rcnn" not in model.test_cfg else strict
    before = {key: part.get(key, normal.get(key)) for key in bound}
    part.update(bound)
    assert not any(len(found.labels) for found in task.predict(task.inputs))
    nothing = make_file(task, ExportContext())
    part.update(before)
    everything = make_file(task, ExportContext())
    assert [node.op_type for node in nothing.graph.node] == [node.op_type for node in everything.graph.node]


@pytest.mark.parametrize("mask_output", ["image", "roi"])
def test_masks_in_the_image_or_of_the_head(tmp_path, mask_output):
    name = "mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py"
    task = load_small(name, tmp_path, FAST, dynamic=True, shape=(128, 160), mask_output=mask_output)
    session = Session(make_file(task, ExportContext()))
    found = session.run(to_numpy(task.preprocess(photographs()[:1], (96, 128))))["masks"]
    assert found.shape[2:] == ((96, 128) if mask_output == "image" else (28, 28))
    assert found.dtype == (np.bool_ if mask_output == "image" else np.float32)
    (result,) = verify(task, session.run, [case(task, (96, 128), photographs()[1:3])])
    assert result.ok and result.total >= 10, result.problems


@pytest.mark.parametrize(
    "name", ["faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py", "mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py"]
)
@pytest.mark.parametrize(
    "score_thr, min_size",
    once_if(lambda pair: (pair[0] > 0.5) != (pair[1] > 0), product((0.05, 0.999999), (0, 100000))),
)
def test_nothing_on_the_way_is_empty_where_a_runtime_cannot_take_it(tmp_path, name, score_thr, min_size):
    """With objects, without any, without a single proposal: and the answers stay those of PyTorch."""
    options = {**FAST, "model.test_cfg.rcnn.score_thr": score_thr, "model.test_cfg.rpn.min_bbox_size": min_size}
    task = load_small("mmdet::" + name, tmp_path, options, dynamic=True, shape=(128, 160))
    model = make_file(task, ExportContext(Capabilities(empty_tensors=False)))
    session, plain = with_all_values(model), Session(model)
    rng = np.random.RandomState(0)
    images = [photographs()[0], np.zeros((64, 64, 3), np.uint8), rng.randint(0, 255, (90, 70, 3), np.uint8)]
    for shape, pictures in (((128, 160), images[:1]), ((64, 96), images[1:2]), ((96, 64), images[1:])):
        feeds = to_numpy(task.preprocess(pictures, shape))
        for key, value in session.run(feeds).items():
            assert np.asarray(value).size, f"{key} is empty: {np.asarray(value).shape}"
    results = verify(task, plain.run, [case(task, (96, 128), images[:1]), case(task, (128, 160), images[2:] * 2)])
    assert all(result.ok for result in results), [result.problems for result in results]
    if score_thr < 0.5 and not min_size:
        assert all(result.total >= 10 for result in results)
