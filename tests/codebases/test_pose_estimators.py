"""Pose estimators from config to file: every way of decoding, maps of several people; and what is refused by name."""

import copy
import importlib.util
import json

import cv2
import numpy as np
import onnx
import pytest
import torch

pytest.importorskip("poses")

from models import load_small
from poses import (
    BOTTOM_UP,
    CID,
    CID_OPTIONS,
    DEKR,
    DEKR_OPTIONS,
    FILMS,
    FILMS_OPTIONS,
    KINDS,
    RESNET,
    SHAPE,
    SMALL,
    TCFORMER,
    TCFORMER_OPTIONS,
    small_config,
    small_pose_estimator,
)

from mmonnx import cli
from mmonnx.codebases.mmpose.module import metas
from mmonnx.environment import compat
from mmonnx.loading import LoadOptions, load, owner_of
from mmonnx.loading.images import photographs
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext, rewriting
from mmonnx.rewriting.rewrites.mmpose.core.post_processing import decoded, heats_at, nearby_joints_nms
from mmonnx.rewriting.rewrites.mmpose.models.detectors import one_stage as one_stage_test
from mmonnx.runtime.session import Session
from mmonnx.support.errors import InputError
from mmonnx.tracing import faults_of
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import make_cases, verify

pytestmark = pytest.mark.once  # mmpose is on the default stack alone
DETECTOR = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
PLAINEST = ("dark", "udp")
MPOSE = "mmpose::body"


def check(task, batch=1):
    """The file of a task gives PyTorch's answers on every case, and nothing of the sample is in its trace."""
    context = ExportContext()
    cases = make_cases(task, None, task.shape, batch)
    session = Session(lower(trace(task, 11, context)))
    assert not faults_of(task, context, [case.feeds for case in cases[1:]])
    results = verify(task, session.run, cases)
    assert all(result.ok for result in results), [(one.name, one.problems) for one in results if not one.ok]
    return session, results


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in PLAINEST else pytest.mark.long) for kind in KINDS]
)
def test_it_gives_the_key_points_of_pytorch_at_any_size(tmp_path, kind):
    task = small_pose_estimator(KINDS[kind][0], tmp_path, KINDS[kind][1], dynamic=True)
    _, results = check(task)
    assert len({result.shape for result in results}) == 3 and any(result.batch == 2 for result in results)
    assert all(result.total == 17 * result.batch and result.excused <= 2 for result in results)
    one, other = task.predict(task.preprocess(photographs()[:2], task.shape))
    assert (one.keypoints[0, :, :2] != other.keypoints[0, :, :2]).mean() > 0.5
    height, width = task.shape
    inside = (one.keypoints[0, :, :2] >= -20) & (one.keypoints[0, :, :2] <= [width + 20, height + 20])
    assert inside.mean() > 0.5 and (one.keypoints[0, :, 2] > 0).mean() > 0.5


@pytest.mark.long
def test_fixed_axes_and_a_batch_that_is_dynamic(tmp_path):
    session, _ = check(small_pose_estimator(RESNET, tmp_path, SMALL, batch=2), batch=2)
    assert session.input_shape("input") == [2, 3, *SHAPE]
    batch = small_pose_estimator(RESNET, tmp_path, SMALL, dynamic_batch=True)
    _, results = check(batch)
    assert any(result.batch == 2 for result in results) and "96x64" in " ".join(batch.notes)


@pytest.mark.parametrize("more", [{}, pytest.param({"model.concat_tensors": True}, marks=pytest.mark.long)])
def test_key_points_of_one_frame_by_several(tmp_path, more):
    """All frames, what moves their heats, and all taps of what does count; upstream's runs have them one by one."""
    task = small_pose_estimator(FILMS, tmp_path, {**FILMS_OPTIONS, **more}, dynamic=True)
    films = task.inputs["input"]
    assert films.shape == (1, 5, 3, *SHAPE) and any("a film has 5 frames" in note for note in task.notes)
    model = task.module.model
    _, results = check(task)
    assert len({result.shape for result in results}) == 3 and any(result.batch == 2 for result in results)
    assert all(result.total == 17 * result.batch and not result.excused for result in results)
    assert model.concat_tensors is bool(more)

    def heats(order=(0, 1, 2, 3, 4)):
        return task.predict({"input": films[:, list(order)]})[0].heats

    own, (frames, asked) = heats(), (list(films.unbind(1)), metas(model, films))
    with torch.no_grad():
        one_by_one = model(img=frames, img_metas=asked, return_loss=False, return_heatmap=True)["output_heatmap"]
    np.testing.assert_allclose(own, one_by_one, rtol=0, atol=1e-5)
    assert all(np.abs(heats(order) - own).max() > 0.02 for order in [(1, 0, 2, 3, 4), (0, 2, 1, 3, 4), (0, 1, 2, 4, 3)])
    weights = copy.deepcopy(model.state_dict())
    for part in ("offset_layers", "deform_conv_layers"):
        for name, value in model.state_dict().items():
            if part in name:
                middle = value[..., 1:2, 1:2].clone()
                value.zero_()
                value[..., 1:2, 1:2] = middle if part == "deform_conv_layers" else 0
        assert np.abs(heats() - own).max() > 0.02
        model.load_state_dict(weights)


@pytest.mark.long
def test_films_of_other_numbers_of_frames_and_their_maps(tmp_path):
    counted = {**FILMS_OPTIONS, "data.test.data_cfg.frame_weight_test": (0.5, 0.0, 0.5)}
    session, _ = check(small_pose_estimator(FILMS, tmp_path, counted, batch=2), batch=2)
    assert session.input_shape("input") == [2, 3, 3, *SHAPE]
    task = small_pose_estimator(FILMS, tmp_path, FILMS_OPTIONS, dynamic=True, skip_postprocess=True)
    check(task)
    (raw,) = task.predict(task.inputs)
    (found,) = small_pose_estimator(FILMS, tmp_path, FILMS_OPTIONS).predict(task.inputs)
    np.testing.assert_allclose(found.heats, raw.values["output_0"], rtol=0, atol=1e-6)


def test_a_file_that_takes_films_says_so(tmp_path, capsys):
    config, path = small_config(FILMS, tmp_path, copy.deepcopy(FILMS_OPTIONS)), str(tmp_path / "film.onnx")
    shape = ["--shape", *map(str, SHAPE)]
    assert cli.main(["export", config, *shape, "--verify", "--output-file", path]) == 0
    assert "layers that the answers depend on (3 of 3)" in " ".join(capsys.readouterr().out.split())
    assert {one.key: one.value for one in onnx.load(path).metadata_props}["mmonnx.task"] == '"film pose estimation"'
    cv2.imwrite(str(tmp_path / "0.png"), photographs()[0])
    assert cli.main(["predict", path, str(tmp_path / "0.png"), "--json", str(tmp_path / "x.json")]) == 2
    assert "is for film pose estimation" in capsys.readouterr().err


@pytest.mark.long
def test_raw_outputs_are_heat_maps(tmp_path):
    task = small_pose_estimator(RESNET, tmp_path, SMALL, dynamic=True, skip_postprocess=True)
    check(task)
    (raw,) = task.predict(task.inputs)
    heats = raw.values["output_0"]
    assert heats.shape == (1, 17, SHAPE[0] // 4, SHAPE[1] // 4)
    (found,) = small_pose_estimator(RESNET, tmp_path, SMALL).predict(task.inputs)
    np.testing.assert_array_equal(found.heats, heats)
    np.testing.assert_array_equal(found.keypoints[..., 2], heats.max((2, 3)))


@pytest.mark.long
def test_raw_outputs_of_a_regression(tmp_path):
    task = small_pose_estimator(*KINDS["rle"][:1], tmp_path, KINDS["rle"][1], dynamic=True, skip_postprocess=True)
    check(task)
    assert task.predict(task.inputs)[0].values["output_0"].shape == (1, 17, 4)


def test_maps_of_several_people(tmp_path):
    task = small_pose_estimator(BOTTOM_UP, tmp_path, SMALL, dynamic=True, shape=(64, 128))
    assert task.output_names == ["heatmaps", "tags"] and task.grouping["max_num_people"] == 30
    session, results = check(task)
    assert any(result.name.startswith("photograph") and result.name.endswith("batch 2") for result in results)
    feeds = task.preprocess(photographs()[:2], (64, 192))
    found = session.run({name: value.numpy() for name, value in feeds.items()})
    assert found["heatmaps"].shape == found["tags"].shape == (2, 17, 64, 192)


def test_people_that_are_found_by_their_middles(tmp_path):
    task = small_pose_estimator(CID, tmp_path, CID_OPTIONS, dynamic=True, shape=(96, 128))
    assert task.output_names == ["keypoints", "scores"] and task.dynamic_axes["scores"] == {0: "batch", 1: "people"}
    session, results = check(task)
    assert any(result.name.startswith("photograph") and result.name.endswith("batch 2") for result in results)
    feeds = task.preprocess(photographs()[:2], (128, 96))
    found = [len(one.keypoints) for one in task.predict(feeds)]
    assert all(0 < count <= 6 for count in found)
    outputs = session.run({name: value.numpy() for name, value in feeds.items()})
    assert outputs["keypoints"].shape == (2, max(found), 17, 3) and outputs["scores"].shape == (2, max(found))
    assert [(row >= 0).sum() for row in outputs["scores"]] == found


def test_nobody_is_found_where_no_middle_is_hot(tmp_path):
    task = small_pose_estimator(CID, tmp_path, CID_OPTIONS, dynamic=True, shape=(96, 128))
    model = task.module.model
    model.test_cfg["detection_threshold"] = 1.0
    session = Session(lower(trace(task, 11, ExportContext())))
    outputs = session.run({name: value.numpy() for name, value in task.inputs.items()})
    (expected,), (actual,) = task.predict(task.inputs), task.read(outputs)
    assert len(expected.keypoints) == len(actual.keypoints) == 0


def crowd(folder, shape=(128, 192), **options):
    more = {f"model.test_cfg.{name}": value for name, value in options.items()}
    return small_pose_estimator(DEKR, folder, {**DEKR_OPTIONS, **more}, dynamic=True, shape=shape)


def test_people_that_are_suppressed_and_judged(tmp_path):
    task = crowd(tmp_path)
    assert task.output_names == ["keypoints", "scores"] and task.dynamic_axes["scores"] == {0: "batch", 1: "people"}
    session, results = check(task)
    assert not any(result.excused for result in results)
    assert any(result.name.startswith("photograph") and result.name.endswith("batch 2") for result in results)
    feeds, model = task.preprocess(photographs()[:2], (160, 96)), task.module.model
    found = task.predict(feeds)
    outputs = session.run({name: value.numpy() for name, value in feeds.items()})
    assert [(row != -1).sum() for row in outputs["scores"]] == [len(one.scores) for one in found]
    model.test_cfg["use_nms"] = False
    assert all(1 < len(left.scores) < len(all_.scores) <= 30 for left, all_ in zip(found, task.predict(feeds)))
    model.test_cfg["use_nms"] = True
    means = [one.keypoints[..., 2].mean(1) for one in found]
    assert any((np.argsort(-mean) != np.argsort(-one.scores)).any() for mean, one in zip(means, found))
    assert np.ptp(np.concatenate([one.scores / mean for mean, one in zip(means, found)])) > 0.1


def no_suppression(points, scores, valid, *thresholds):
    return torch.arange(scores.shape[1]) + torch.zeros_like(scores, dtype=torch.long), valid


def nearer(points, scores, valid, distance, count):
    return nearby_joints_nms(points, scores, valid, 2 * distance, count)


def hotter(parser, heat, offsets):
    points, middles, valid = decoded(parser, heat, offsets)
    return points, middles, middles > 2 * parser.keypoint_threshold


def no_judgement(model, poses, skeleton):
    return poses[..., 2].mean(1)


def coarser(heat, points, size, align_corners):
    return heats_at(heat, points, heat.shape[2:], align_corners)


@pytest.mark.parametrize(
    "name,fault",
    [
        ("nearby_joints_nms", no_suppression),
        ("nearby_joints_nms", nearer),
        ("decoded", hotter),
        ("_scores", no_judgement),
        pytest.param("heats_at", coarser, marks=pytest.mark.long),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_a_fault_in_what_happens_to_people_is_found(tmp_path, monkeypatch, name, fault):
    task = crowd(tmp_path)
    monkeypatch.setattr(one_stage_test, name, fault)
    session = Session(lower(trace(task, 11, ExportContext())))
    assert not any(result.ok for result in verify(task, session.run, make_cases(task, None, task.shape, 1)[:1]))


@pytest.mark.long
@pytest.mark.parametrize(
    "settings",
    [
        {"use_nms": False},
        {"rescore_cfg": None},
        {"align_corners": True, "max_pool_kernel": 9},
        {"use_udp": True},
    ],
    ids=lambda one: next(iter(one)),
)
def test_people_by_other_settings(tmp_path, settings):
    task = crowd(tmp_path, **settings)
    assert all(len(one.scores) > 1 for one in task.predict(task.inputs))
    check(task)


def test_people_of_maps_that_are_resized_before(tmp_path):
    """In PyTorch: resized maps have equal places at their borders, which every runtime rounds otherwise."""
    task = crowd(tmp_path, project2image=True)
    feeds = task.preprocess(photographs()[:2], (96, 160))
    with torch.no_grad(), rewriting(ExportContext()):
        outputs = task.module(feeds["input"])
    actual = task.read({name: value.numpy() for name, value in zip(task.output_names, outputs)})
    for one, other in zip(task.predict(feeds), actual):
        assert len(one.scores) > 2
        np.testing.assert_allclose(other.keypoints, one.keypoints, atol=1e-3)
        np.testing.assert_allclose(other.scores, one.scores, atol=1e-5)


def test_people_who_are_judged_to_be_less_than_nothing_or_nobody_at_all(tmp_path):
    task = crowd(tmp_path)
    model = task.module.model
    with torch.no_grad():
        model.rescore_net.l3.bias.fill_(-1.5)
    assert (task.predict(task.inputs)[0].scores < 0).all()
    check(task)
    model.parser.keypoint_threshold = 100.0
    session = Session(lower(trace(task, 11, ExportContext())))
    (actual,) = task.read(session.run({name: value.numpy() for name, value in task.inputs.items()}))
    (expected,) = task.predict(task.inputs)
    assert actual.keypoints.shape == expected.keypoints.shape == (0, 17, 3) and actual.scores.shape == (0,)


def test_several_scales_are_left_out_with_a_note(tmp_path):
    name = DEKR.replace("512x512", "512x512_multiscale")
    task = small_pose_estimator(name, tmp_path, DEKR_OPTIONS, shape=(64, 64))
    assert any("(3 scales, flipped copies)" in note for note in task.notes)


def test_a_checkpoint_without_the_network_that_judges_is_refused(tmp_path):
    task = crowd(tmp_path, shape=(64, 64))
    weights, config = task.module.model.state_dict(), small_config(DEKR, tmp_path, DEKR_OPTIONS)
    torch.save({"state_dict": weights}, tmp_path / "whole.pth")
    again = load(config, str(tmp_path / "whole.pth"), LoadOptions(shape=(64, 64))).module.model
    torch.testing.assert_close(again.state_dict(), weights)
    torch.save({"state_dict": {k: v for k, v in weights.items() if "rescore" not in k}}, tmp_path / "part.pth")
    with pytest.raises(InputError, match="lacks the network that judges people, rescore_net"):
        load(config, str(tmp_path / "part.pth"), LoadOptions(shape=(64, 64)))


@pytest.mark.long
def test_tokens_that_become_clusters(tmp_path, monkeypatch):
    task = small_pose_estimator(TCFORMER, tmp_path, TCFORMER_OPTIONS, dynamic=True, shape=(128, 96))
    context, cases = ExportContext(), make_cases(task, None, task.shape)
    session = Session(lower(trace(task, 11, context)))
    assert not faults_of(task, context, [case.feeds for case in cases[1:]])
    # upstream draws what keeps two densities from being equal, and now and then finds other clusters by it than before:
    # as the file has it, it grows with the token's number
    monkeypatch.setattr(torch, "rand", lambda shape, **kind: (torch.arange(shape[1], **kind) / shape[1]).expand(shape))
    results = verify(task, session.run, cases)
    assert all(result.ok for result in results), [(one.name, one.problems) for one in results if not one.ok]
    assert sum(result.excused for result in results) < 0.1 * sum(result.total for result in results)


@pytest.mark.long
def test_raw_outputs_are_heats_and_offsets_of_what_is_decoded_elsewhere(tmp_path, capsys):
    nameless = {**DEKR_OPTIONS, "dataset_info": {}, "data.test.dataset_info": {}}
    nameless = {key: {"_delete_": True} if value == {} else value for key, value in nameless.items()}
    config, path = small_config(DEKR, tmp_path, nameless), str(tmp_path / "x.onnx")
    assert cli.main(["export", config, "--shape", "64", "96", "--output-file", path]) == 2
    assert "with --skip-postprocess the file gives its maps of heat and of offsets" in capsys.readouterr().err
    command = ["export", config, "--shape", "64", "96", "--output-file", path, "--skip-postprocess", "--dynamic-export"]
    assert cli.main([*command, "--verify"]) == 0
    assert len(onnx.load(path).graph.output) == 2


def test_the_file_says_what_it_is(tmp_path):
    config = small_config(RESNET, tmp_path, copy.deepcopy(SMALL))
    path = str(tmp_path / "x.onnx")
    command = ["export", config, "--shape", "2", "3", "96", "64", "--output-file", path, "--dynamic-export"]
    assert cli.main([*command, "--simplify", "--verify"]) == 0
    model = onnx.load(path)
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said["mmonnx.task"] == '"pose estimation"' and json.loads(said["mmonnx.classes"])[:2] == ["nose", "left_eye"]
    assert json.loads(said["mmonnx.skeleton"])[0] == {"link": [15, 13], "color": [0, 255, 0]}
    assert json.loads(said["mmonnx.palette"])[0] == [255, 153, 51]  # which mmpose has blue first
    person, normalize = json.loads(said["mmonnx.pipeline"])
    assert person == {"type": "person", "padding": 1.25, "udp": False, "size": [256, 192]} and normalize["unit"]
    assert "mmpose" in said["mmonnx.versions"] and said["mmonnx.grouping"] == "null"
    (output,) = model.graph.output
    assert [dim.dim_param or dim.dim_value for dim in output.type.tensor_type.shape.dim] == ["batch", 17, 3]


def test_flipped_copies_are_left_out_with_a_note_and_the_model_keeps_its_settings(tmp_path):
    task = small_pose_estimator(RESNET, tmp_path, SMALL)
    assert any("flipped copies" in note and "one pass" in note for note in task.notes)
    task.predict(task.inputs)
    assert task.module.model.test_cfg["flip_test"] is True


@pytest.mark.long
def test_a_model_that_is_there_already(tmp_path):
    model = small_pose_estimator(RESNET, tmp_path, SMALL).module.model
    owner = owner_of(model)
    assert owner.name == "mmpose" and owner.covers(model)
    assert owner.task_of(model, "mine", None, LoadOptions(shape=SHAPE)).output_names == ["keypoints"]


@pytest.mark.parametrize(
    "arguments,said",
    [
        ([DETECTOR, "--shape", "1", "3", "64", "64"], "--shape of four numbers is for a pose estimator of mmpose"),
        ([RESNET, "--shape", "1", "5", "64", "64"], "--shape says 5 channels, and res50_coco_256x192 takes 3"),
        ([RESNET, "--shape", "2", "3", "64", "64", "--batch", "3"], "--batch 3 and --shape 2 3 64 64 say the same"),
        ([RESNET, "--topk", "5", "--shape", "64"], "--topk and --no-softmax are for classifiers"),
        ([RESNET, "--seg-logits", "--shape", "64"], "--seg-logits is for a segmentor of mmseg"),
        (["mmpose::body/none.py"], "is not in the installed mmpose"),
        ([f"{MPOSE}/3d_kpt_sview_rgb_img/pose_lift/h36m/simplebaseline3d_h36m.py"], "lifts key points to three"),
        (
            [FILMS, "--cfg-options", "data.test.data_cfg.frame_weight_test=None"],
            "does not say in data.test.data_cfg.frame_weight_test",
        ),
        (
            ["mmpose::hand/3d_kpt_sview_rgb_img/internet/interhand3d/res50_interhand3d_all_256x256.py"],
            "three dimensions",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, capsys, arguments, said):
    assert cli.main(["export", *arguments, "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error and not list(tmp_path.iterdir())


def test_a_missing_toolbox_is_told_with_what_to_install(tmp_path, capsys, monkeypatch):
    config = small_config(RESNET, tmp_path, copy.deepcopy(SMALL))
    for owner, name in ((importlib.util, "find_spec"), (compat, "model_type")):
        own = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda asked, *more, own=own: None if asked == "mmpose" else own(asked, *more))
    assert cli.main(["export", config, "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert (
        "has a model of mmpose, which is not installed" in error and "pip install --no-deps 'mmpose>=0.29,<1'" in error
    )


def test_mmcv_keeps_its_number_and_others_are_not_let_in():
    import mmcv

    assert mmcv.__version__ == compat.installed_version("mmcv") != "1.7.0"


def test_heads_of_mmpose_are_no_pose_estimators(tmp_path):
    with pytest.raises(Exception, match="model type 'HRFormer'"):
        load_small(RESNET, tmp_path, {"model": {"_delete_": True, "type": "HRFormer"}})


def test_the_hook_exports_what_a_training_has(tmp_path):
    from mmcv import Config
    from mmpose.datasets.pipelines import Compose

    from mmonnx.integration.training.data import find_norm
    from mmonnx.loading import codebases

    class Set:
        pipeline = Compose([{"type": "NormalizeTensor", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.2, 0.2]}])

    norm = find_norm(Set())
    assert norm["to_rgb"] and norm["mean"] == pytest.approx([102.0, 127.5, 153.0])
    task = small_pose_estimator(RESNET, tmp_path, SMALL)
    model = task.module.model.train()
    (codebase,) = [one for one in codebases() if one.name == "mmpose"]
    again = codebase.task_of(model.eval(), "trained", norm, LoadOptions(shape=SHAPE))
    codebase.describe(again, Config.fromfile(small_config(RESNET, tmp_path, copy.deepcopy(SMALL))), {})
    assert list(again.classes) == list(task.classes) and again.pipeline == task.pipeline and again.skeleton


def test_the_plugin_exports_what_mmposes_own_tool_does(tmp_path):
    import torch

    import mmonnx

    model = small_pose_estimator(RESNET, tmp_path, SMALL).module.model
    model.forward = model.forward_dummy  # as the tool has it
    image, path = torch.rand(1, 3, *SHAPE), str(tmp_path / "x.onnx")
    mmonnx.enable()  # and left so, as configs of other tests expect it
    torch.onnx.export(model, image, path, export_params=True, keep_initializers_as_inputs=True, opset_version=11)
    with torch.no_grad():
        expected = model(image).numpy()
    session = Session(path)
    (found,) = session.run({session.input_names[0]: image.numpy()}).values()
    np.testing.assert_allclose(found, expected, atol=1e-5)
