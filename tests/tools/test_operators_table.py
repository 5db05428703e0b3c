"""The tables of mmcv's operators are what the code gives."""

import importlib.util
from pathlib import Path

import pytest

from mmonnx.rewriting.symbolics.functions import MMCV, all_functions

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("operators_table", ROOT / "tools" / "operators_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(tool):
    assert tool.PAGE.read_text() == tool.table(), "run python tools/operators_table.py"


def test_the_short_table_is_up_to_date(tool):
    page = tool.TARGETS_PAGE.read_text()
    assert page == tool.with_table(page), "run python tools/operators_table.py"
    assert "operators.md" in page and "| `mmcv::grid_sampler` | 16 |" in page


def test_every_operator_has_a_row(tool):
    names = [name for name, function in all_functions().items() if function.domain == MMCV]
    assert sorted(tool.EXAMPLES) == sorted(names) and len(names) > 10
    assert all(f"| `mmcv::{name}` |" in tool.PAGE.read_text() for name in names)
