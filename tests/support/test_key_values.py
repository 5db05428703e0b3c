"""``KEY=VALUE`` arguments without mmcv: the same values as with it."""

import pytest

from mmonnx.support.errors import InputError
from mmonnx.support.key_values import parse


@pytest.mark.parametrize(
    "text",
    ["a", "1", "-2", "1.5", "1e-3", "inf", "1_0", "true", "False", "None", "none", "x=y", "'a'", "", "''"]
    + ["1,2", "[1,2]", "(1,2)", "[(1,2),(a,b)]", "[1]", "[]", "()", "1,", "[a,(1,)]"],
)
def test_values_as_mmcv_reads_them(text):
    from argparse import ArgumentParser

    from mmcv import DictAction

    parser = ArgumentParser()
    parser.add_argument("--options", nargs="+", action=DictAction)
    assert parse([f"key={text}"], "--options") == parser.parse_args(["--options", f"key={text}"]).options


@pytest.mark.parametrize(
    "item,words",
    [("a", "has no '='"), ("=1", "has no '='"), ("a=[1", "lacks a"), ("a=1)", "too many"), ("a=[[]", "lacks a")],
)
def test_what_cannot_be_read(item, words):
    with pytest.raises(InputError, match=words):
        parse([item], "--options")
