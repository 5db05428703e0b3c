"""Single-stage instance segmentation of mmdet 3, against mmdet's own."""

import numpy as np
import pytest
import torch
from heads import IMAGES, SIZE, build_head, check_found, check_head, context_of, meta_of, random_maps
from models import case, load_small, matches, with_all_values

from mmonnx import fallback
from mmonnx.environment import compat
from mmonnx.loading.images import photographs
from mmonnx.loading.task import to_numpy
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import Capabilities, ExportContext, rewriting
from mmonnx.rewriting.rewrites.batched import flat_detections
from mmonnx.rewriting.rewrites.dynamic_masks import Kernels, dynamic_masks, enlarge_aligned
from mmonnx.runtime.session import Session
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import verify

if not compat.is_second_generation():
    pytest.skip("mmdet 3 has these heads", allow_module_level=True)
fallback.ensure()

SIZES = [(96, 128), (128, 96)]
FEW = {"model.test_cfg.nms_pre": 100, "model.test_cfg.max_per_img": 30}
DYNAMIC = {
    "condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py": FEW,
    "rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py": {**FEW, "model.test_cfg.mask_thr_binary": 0.4},
}
GRIDS = {"score_thr": 0.93, "nms_pre": 60, "filter_thr": 0.2, "max_per_img": 20}


@pytest.mark.parametrize("name", list(DYNAMIC))
def test_it_gives_the_answers_of_pytorch(tmp_path, name):
    task = load_small("mmdet::" + name, tmp_path, DYNAMIC[name], dynamic=True, shape=SIZES[0])
    assert task.output_names == ["dets", "labels", "masks"]
    (found,) = task.predict(task.inputs)
    assert found.masks.any() and not found.masks.all()
    for result in matches(task, SIZES):
        assert result.ok and result.total >= 20, (result.name, result.problems)
        assert result.max_score < max(1e-4, result.allowed[1]) and result.max_mask < 0.01


@pytest.mark.parametrize("empty_tensors", [True, False])
def test_images_without_any_instance(tmp_path, empty_tensors):
    """Where a runtime takes no empty tensors, there are none on the way."""
    (name, _), options = list(DYNAMIC.items())[0], {**FEW, "model.test_cfg.score_thr": 2.0}
    task = load_small("mmdet::" + name, tmp_path, options, dynamic=True, shape=SIZES[0])
    model = lower(trace(task, 11, ExportContext(Capabilities(empty_tensors=empty_tensors))))
    pictures = photographs()[:2]
    (result,) = verify(task, Session(model).run, [case(task, SIZES[1], pictures)])
    assert result.ok and result.total == 0, result.problems
    if not empty_tensors:
        for key, value in with_all_values(model).run(to_numpy(task.preprocess(pictures, SIZES[1]))).items():
            assert np.asarray(value).size, f"{key} is empty"


@pytest.mark.parametrize("size", [SIZE, (75, 101)])
@pytest.mark.parametrize("name", ["solo/solo_r50_fpn_1x_coco.py", "solo/decoupled-solo_r50_fpn_1x_coco.py"])
def test_grids_of_masks(name, size):
    head = build_head(name, "mask_head", GRIDS)
    maps = random_maps(head, 256, [4, 8, 16, 32, 64])
    masks = [[level.sigmoid() for level in part] for part in maps[:-1]]
    check_head(head, (*masks, [level.sigmoid() for level in maps[-1]]), size)


@pytest.mark.parametrize("size", [SIZE, (75, 101)])
def test_grids_of_kernels(size):
    head = build_head("solov2/solov2-light_r18_fpn_ms-3x_coco.py", "mask_head", GRIDS)
    kernels, scores, features = random_maps(head, 256, [4, 8, 16, 32, 64], spread=1.2)
    # each call makes probabilities of the scores in place
    check_head(head, lambda: ([value / 8 for value in kernels], [value.clone() for value in scores], features), size)


@pytest.mark.parametrize("size", [SIZE, (75, 101)])
@pytest.mark.parametrize("threshold", [0.5, 0.45])
def test_prototypes(size, threshold):
    """The masks of boxes that the head of the boxes finds."""
    name = "yolact/yolact_r50_1xb8-55e_coco.py"
    options = {"nms_pre": 60, "max_per_img": 20, "mask_thr": threshold}
    boxes, masks = build_head(name, "bbox_head", options), build_head(name, "mask_head", options)
    maps, meta = random_maps(boxes, 256, [8, 16, 32, 64, 128]), meta_of(*size)
    features = (torch.randn(IMAGES, 256, 12, 16, generator=torch.Generator().manual_seed(1)),)
    context = context_of(*size)

    def find(images):
        metas = [dict(meta) for _ in range(images)]
        found = boxes.predict_by_feat(*maps, batch_img_metas=metas, rescale=False)
        return masks.predict_by_feat(*masks(features, found), batch_img_metas=metas, results_list=found, rescale=False)

    with torch.no_grad():
        expected = find(IMAGES)
        with rewriting(context):
            find(1)
    check_found(context, expected, 10)


@pytest.mark.parametrize("factor", [1, 2, 3, 8])
def test_aligned_enlargement(factor):
    from mmdet.models.utils import aligned_bilinear

    maps = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(factor))
    torch.testing.assert_close(enlarge_aligned(maps, factor), aligned_bilinear(maps, factor), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("counts", [(3, 1), (0, 2), (2, 0)])
def test_networks_of_the_instances_of_each_image(counts):
    """As many as upstream convolves for one image after the other, with nothing in the rows between."""
    from mmdet.models.dense_heads.rtmdet_ins_head import RTMDetInsHead
    from mmdet.models.task_modules.prior_generators import MlvlPointGenerator

    head = RTMDetInsHead.__new__(RTMDetInsHead)
    torch.nn.Module.__init__(head)
    head.prior_generator = MlvlPointGenerator(offset=0, strides=[8, 16])
    head.num_prototypes = head.dyconv_channels = 8
    head.weight_nums, head.bias_nums = [80, 64, 8], [8, 8, 1]
    generator, total = torch.Generator().manual_seed(0), sum(counts)
    maps, rows = torch.randn(2, 8, 6, 9, generator=generator), torch.randn(total, 169, generator=generator)
    priors = torch.tensor([[8.0 * row, 40.0 - 8 * row, 16.0, 16.0] for row in range(total)])
    context = ExportContext()
    context.start(torch.zeros(2, 3, 48, 72))
    context.image_index = torch.tensor([0] * counts[0] + [1] * counts[1])
    with rewriting(context):
        context.detections = flat_detections(context, torch.zeros(total, 5), torch.zeros(total).long())
        places = head.prior_generator.single_level_grid_priors((6, 9), 0, device="cpu")
        found = dynamic_masks(context, maps, places, Kernels(rows, priors[:, :2], priors[:, 2] * 8), [8, 8, 1])
    assert found.shape == (2, max(counts), 6, 9)
    start = 0
    for image, count in enumerate(counts):
        end = start + count
        expected = head._mask_predict_by_feat_single(maps[image], rows[start:end], priors[start:end])
        torch.testing.assert_close(found[image, :count], expected, rtol=1e-4, atol=1e-4)
        assert (found[image, count:] < -1000).all()
        start = end
