"""The rooms of the package by their imports: arrows in one direction, through the doors, as the page draws them."""

import ast
import importlib
import re
from collections import defaultdict
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mmonnx"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
NODES = [*ROOMS, "api", "pipeline"]
TOP = {"__init__", "__main__", "api", "hooks", "pipeline"}
"""Names that users import, and the way of the data."""


def modules():
    """Every module of the package: its dotted name, its file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(name, path):
    """(module, names) of each import of mmonnx's own in a file, wherever in it."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            found = ".".join(filter(None, [base, node.module]))
            if found.split(".")[0] == "mmonnx":
                yield found, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "mmonnx":
                    yield alias.name, []


def room_of(name):
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in NODES else ""


def arrows():
    """{(room, other room): [(importing module, imported module)]}."""
    found = defaultdict(list)
    for name, path in modules():
        for module, names in imports(name, path):
            targets = [f"mmonnx.{one}" for one in names] if module == "mmonnx" else [module]
            for target in targets:
                pair = room_of(name), room_of(target)
                if all(pair) and pair[0] != pair[1]:
                    found[pair].append((name, target))
    return found


def order(edges):
    """The rooms, each behind all that it imports; the drawing's columns are how many arrows are behind each other."""
    depth = dict.fromkeys(NODES, 0)
    for _ in NODES:
        for room, other in edges:
            if depth[other] + 1 > depth[room]:
                depth[room] = depth[other] + 1
    return depth


def drawing(edges):
    """The picture of docs/architecture.md: a column of rooms for each step that they are apart."""
    depth = order(edges)
    columns = [sorted(room for room in NODES if depth[room] == step) for step in range(max(depth.values()) + 1)]
    rows = max(map(len, columns))
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for row in range(rows):
        cells = [column[row] if row < len(column) else "" for column in columns]
        joints = [" <── " if row == 0 else "     "] * (len(columns) - 1) + [""]
        lines.append("".join(f"{cell:<{width}}{joint}" for cell, width, joint in zip(cells, widths, joints)).rstrip())
    return "\n".join(lines)


def test_no_arrow_goes_back():
    edges = arrows()
    depth = order(edges)
    back = {pair: found for pair, found in edges.items() if depth[pair[0]] <= depth[pair[1]]}
    assert not back and max(depth.values()) < len(NODES)


def test_the_page_draws_what_the_imports_say():
    assert drawing(arrows()) in PAGE, drawing(arrows())


def test_a_room_is_entered_through_its_door():
    inside = [pair for found in arrows().values() for pair in found if pair[1].count(".") > 1]
    assert not inside


def test_nothing_at_the_top_goes_behind_a_door():
    behind = [
        (name, module)
        for name, path in modules()
        if room_of(name) not in ROOMS
        for module, _ in imports(name, path)
        if module.count(".") > 1
    ]
    assert not behind


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_has_what_others_take_and_says_what_it_is(room):
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
    text = ast.get_docstring(tree)
    assert all(f"{word}:" in text for word in ("In", "Out", "Touched")), text
    assert re.search(rf"^\| `{room}/` \| .+ \|$", PAGE, re.M)
    taken = {
        one
        for name, path in modules()
        if room_of(name) != room
        for module, names in imports(name, path)
        if module == f"mmonnx.{room}"
        for one in names
    }
    declared = importlib.import_module(f"mmonnx.{room}").__all__ if taken else ()
    assert taken <= set(declared), taken - set(declared)


def test_the_top_has_what_users_import_and_the_way_of_the_data():
    assert {path.stem for path in PACKAGE.glob("*.py")} == TOP


@pytest.mark.parametrize("toolbox", ["mmdet", "mmcls", "mmpose", "mmrotate", "mmseg", "mmedit", "mmocr", "mmaction"])
def test_no_room_but_its_own_asks_whose_a_model_is(toolbox):
    """A new toolbox is a new folder: nothing compares with the name of one."""
    asked = re.compile(rf"[=!]= *[\"']{toolbox}[\"']|[\"']{toolbox}[\"'] *[=!]=|startswith\([\"']{toolbox}")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for _, path in modules()
        for line in path.read_text(encoding="utf-8").splitlines()
        if asked.search(line)
    ]
    assert not found


def test_no_folder_takes_what_is_inside_of_another():
    """Within a room too: what stands beside a folder imports what its ``__init__`` has."""
    folders = {name for name, path in modules() if path.name == "__init__.py"}
    found = []
    for name, path in modules():
        for module, _ in imports(name, path):
            mine, its = name.split("."), module.split(".")
            shared = next((k for k, pair in enumerate(zip(mine, its)) if pair[0] != pair[1]), min(len(mine), len(its)))
            if shared < min(len(mine), len(its) - 1) and ".".join(its[: shared + 1]) in folders:
                found.append((name, module))
    assert not found
