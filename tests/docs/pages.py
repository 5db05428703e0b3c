"""What the pages hold: README.md, docs/ and patches/README.md."""

import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md")), ROOT / "patches" / "README.md"]


class Block(NamedTuple):
    """A block of a page: its language (``sh`` for an indented one, empty if none is said) and its lines."""

    language: str
    text: str


def blocks(text: str) -> List[Block]:
    """The fenced and the indented blocks, in order."""
    found: List[Block] = []
    lines = iter(text.splitlines())
    before = ""
    for line in lines:
        if line.lstrip().startswith("```"):
            inside = []
            for inner in lines:
                if inner.lstrip().startswith("```"):
                    break
                inside.append(inner)
            found.append(Block(line.strip()[3:], "\n".join(inside)))
        elif line.startswith("    ") and (not before.strip() or before.startswith("    ")):
            if before.startswith("    "):
                found[-1] = Block("sh", f"{found[-1].text}\n{line[4:]}")
            else:
                found.append(Block("sh", line[4:]))
        before = line
    return found


def commands(text: str) -> List[str]:
    """The commands of a page, a line each, without comments."""
    found: List[str] = []
    for block in blocks(text):
        if block.language == "sh":
            joined = re.sub(r"\s*\\\n\s*", " ", block.text)
            found += [re.sub(r"\s+# .*", "", line).strip() for line in joined.splitlines()]
    return [line for line in found if line and not line.startswith("#")]


def spans(text: str) -> Iterator[str]:
    """The code in the sentences of a page, on one line each."""
    for block in blocks(text):
        text = text.replace(block.text, "")
    for span in re.findall(r"`([^`]+)`", re.sub(r"^```.*$", "", text, flags=re.M)):
        yield " ".join(span.split())


def links(text: str) -> List[str]:
    """The relative links and pictures of a page."""
    return [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]


def texts() -> Dict[str, str]:
    """The text of each page by its name."""
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}
