"""A function is replaced wherever a user's own code holds it, and is back there afterwards."""

import functools
import importlib
import sys

import pytest
from models import small_config
from torch import nn

from mmonnx import fallback, pipeline
from mmonnx.loading import LoadOptions
from mmonnx.pipeline import ExportSettings
from mmonnx.rewriting.rewrites import rewriting
from mmonnx.rewriting.rewrites.registry import Rewrite
from mmonnx.runtime.session import Session
from mmonnx.verifying.verification import make_cases, verify

PATH = "mmdet.core.post_processing.bbox_nms.fast_nms"
USERS = """
import functools
import mmdet.core
from mmdet.core import fast_nms
from mmdet.core import fast_nms as other_name
from torch import nn

TABLE = {"fast": fast_nms, "bound": functools.partial(fast_nms, 1)}
LIST = [len, fast_nms]
bound = functools.partial(fast_nms, top_k=3)
doubly = functools.partial(functools.partial(fast_nms, 1), 2)
argument = functools.partial(map, fast_nms)
keyword = functools.partial(dict, function=fast_nms)


def by_default(value, suppress=fast_nms):
    return suppress(value)


def by_keyword(value, *, suppress=fast_nms):
    return suppress(value)


def within(value):
    from mmdet.core.post_processing import fast_nms
    return fast_nms(value)


class Head(nn.Module):
    static = staticmethod(fast_nms)
    bound = functools.partial(fast_nms)
    table = {"fast": fast_nms}

    def __init__(self):
        super().__init__()
        self.suppress = fast_nms
        self.partial = functools.partial(fast_nms)
        self.child = nn.Identity()
        self.child.options = dict(nms=fast_nms)

    def by_default(self, value, suppress=fast_nms):
        return suppress(value)
"""
CALLS = {
    "by name": lambda user, head: user.fast_nms(1),
    "by another name": lambda user, head: user.other_name(1),
    "through its package": lambda user, head: user.mmdet.core.fast_nms(1),
    "in a dict": lambda user, head: user.TABLE["fast"](1),
    "in a list": lambda user, head: user.LIST[1](1),
    "in a partial": lambda user, head: user.bound(),
    "in a partial of a dict": lambda user, head: user.TABLE["bound"](),
    "in a partial of a partial": lambda user, head: user.doubly(),
    "as an argument of a partial": lambda user, head: next(user.argument([1])),
    "as a keyword of a partial": lambda user, head: user.keyword()["function"](1),
    "as a default argument": lambda user, head: user.by_default(1),
    "as a keyword's default": lambda user, head: user.by_keyword(1),
    "imported when it is called": lambda user, head: user.within(1),
    "as a static method": lambda user, head: head.static(1),
    "in a partial of a class": lambda user, head: head.bound(1),
    "in a dict of a class": lambda user, head: head.table["fast"](1),
    "as a default of a method": lambda user, head: head.by_default(1),
    "as an attribute of a module": lambda user, head: head.suppress(1),
    "in a partial of a module": lambda user, head: head.partial(1),
    "in a dict of a child": lambda user, head: head.child.options["nms"](1),
}


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    fallback.ensure()
    importlib.import_module("mmdet.models")
    folder = tmp_path_factory.mktemp("user")
    (folder / "holders_of_a_user.py").write_text(USERS)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("holders_of_a_user")
    sys.path.remove(str(folder))
    del sys.modules["holders_of_a_user"]


def state(value):
    """What a holder holds, by identity, tables and partials taken apart."""
    if isinstance(value, functools.partial):
        return "partial", id(value.func), [state(one) for one in value.args], state(value.keywords)
    if isinstance(value, dict):
        return [(key, state(one)) for key, one in value.items()]
    if isinstance(value, list):
        return [state(one) for one in value]
    return id(value), [id(one) for one in getattr(value, "__defaults__", None) or ()]


@pytest.mark.parametrize("how", CALLS)
def test_whoever_holds_a_function_gets_its_stand_in_for_the_block(user, how):
    head = user.Head()
    before = [state(dict(vars(holder))) for holder in (user, user.Head, head, head.child)]
    ours = {PATH: Rewrite(PATH, lambda context, original, *args, **kwargs: "ours")}
    with pytest.raises(KeyError), rewriting(rewrites=ours, module=head):
        assert CALLS[how](user, head) == "ours"
        raise KeyError
    assert [state(dict(vars(holder))) for holder in (user, user.Head, head, head.child)] == before
    with pytest.raises((TypeError, AttributeError)):  # upstream's takes more, and tensors
        CALLS[how](user, head)


def test_what_a_class_inherits_is_not_replaced_for_others(user):
    class Base(nn.Module):
        def answer(self):
            return "base"

    class Derived(Base):
        pass

    class Alias(nn.Module):
        answer = Base.answer

    user.Base, user.Derived, user.Alias = Base, Derived, Alias
    for one in (Base, Derived, Alias):
        one.__module__ = user.__name__
    path = f"{user.__name__}.Derived.answer"
    with rewriting(rewrites={path: Rewrite(path, lambda context, original, self: "ours")}):
        assert (Base().answer(), Derived().answer(), Alias().answer()) == ("base", "ours", "base")
    path = f"{user.__name__}.Base.answer"
    with rewriting(rewrites={path: Rewrite(path, lambda context, original, self: "ours")}):
        assert (Base().answer(), Derived().answer(), Alias().answer()) == ("ours", "ours", "ours")
    assert "answer" not in vars(Derived) and Alias().answer() == "base"


HEADS = """
import functools
import torch.nn.functional as F
from mmdet.core import multiclass_nms
from mmdet.models.builder import HEADS
from mmdet.models.roi_heads.bbox_heads import Shared2FCBBoxHead


class Scaled(Shared2FCBBoxHead):
    def get_bboxes(self, rois, cls_score, bbox_pred, img_shape, scale_factor, rescale=False, cfg=None):
        scores = F.softmax(cls_score / 2.0, dim=-1)
        bboxes = self.bbox_coder.decode(rois[..., 1:], bbox_pred, max_shape=img_shape)
        if rescale and bboxes.size(0) > 0:
            bboxes = (bboxes.view(bboxes.size(0), -1, 4) / bboxes.new_tensor(scale_factor)).view(bboxes.size(0), -1)
        return self.suppress(bboxes, scores, cfg.score_thr, cfg.nms, cfg.max_per_img)


@HEADS.register_module(force=True)
class ByName(Scaled):
    def suppress(self, *args):
        return multiclass_nms(*args)


@HEADS.register_module(force=True)
class ByClass(Scaled):
    suppress = staticmethod(multiclass_nms)


@HEADS.register_module(force=True)
class ByInstance(Scaled):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.suppress = functools.partial(multiclass_nms, score_factors=None)


@HEADS.register_module(force=True)
class ByDefault(Scaled):
    def suppress(self, *args, function=multiclass_nms):
        return function(*args)
"""


@pytest.mark.parametrize("head", ["ByName", "ByClass", "ByInstance", "ByDefault"])
def test_a_head_that_suppresses_by_itself_gives_pytorchs_answers_for_a_batch(head, tmp_path, monkeypatch):
    (tmp_path / "heads_of_a_user.py").write_text(HEADS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "heads_of_a_user", raising=False)
    options = {
        "custom_imports": {"imports": ["heads_of_a_user"], "allow_failed_imports": False},
        "model.roi_head.bbox_head.type": head,
        "model.test_cfg.rpn": {"nms_pre": 200, "max_per_img": 50},
    }
    config = small_config("mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py", tmp_path, options)
    settings = ExportSettings(config, None, str(tmp_path / "heads.onnx"), LoadOptions(shape=(128, 160), dynamic=True))
    exported = pipeline.export(settings)
    task = exported.task
    assert type(task.module.model.roi_head.bbox_head).__name__ == head
    results = verify(task, Session(exported.model).run, make_cases(task, None, task.shape))
    assert all(result.ok for result in results), results
    batch = next(result for result in results if result.name.endswith("batch 2"))
    assert batch.matched > 20
