"""Text of files that anybody may have made, before it is shown."""

import re

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with a mark for each character that would steer a terminal, or that no encoding holds."""
    return _CONTROLS.sub("\ufffd", text)
