"""docs/troubleshooting.md: the messages that it explains are messages of mmonnx's, or named as another's."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(r"^\| `([^|]*) \|", (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"), re.M)
OTHERS = ("no attribute", "No module named", "Unsqueeze", "Non-zero status", "not a registered", "numpy has no")


def test_its_messages_are_those_of_the_code():
    # a message may be written in several pieces, one after the other
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "mmonnx").rglob("*.py")))
    code = re.sub(r'"\s*f?"', "", code)
    ours = [row for row in ROWS if not row.startswith(OTHERS)]
    assert len(ours) >= 6
    for message in ours:
        parts = [part.strip(" `:") for part in message.split("...")]
        assert all(part.split("`")[0] in code for part in parts), message
