"""Commands that a user is to paste, as text: whatever prints one makes it here."""

import os
import re
import shlex
import subprocess


def command_line(*words: str) -> str:
    """One line that this machine's shell takes for exactly these words.

    It is for a POSIX shell, and for Windows' ``cmd``, whose quotes PowerShell takes as well but for a ``$``.

    Args:
        words: the program and its arguments; a path among them is to be a :func:`path_word`.
    """
    return " ".join(map(_for_windows if os.name == "nt" else _for_posix, words))


def path_word(path: str) -> str:
    """A path as an argument that no parser takes for an option."""
    return os.path.join(os.curdir, path) if path.startswith("-") else path


def _for_posix(word: str) -> str:
    if "'" in word and not re.search(r'["$`\\!]', word):
        return f'"{word}"'  # which is easier to read than each of its quotes quoted
    return shlex.quote(word)


def _for_windows(word: str) -> str:
    """For ``cmd``, to which more than blanks means something."""
    quoted = subprocess.list2cmdline([word])
    if quoted.startswith('"') or not re.search(r"[^\w@%+=:,./\\-]", word):
        return quoted
    return '"' + re.sub(r"(\\*)$", r"\1\1", quoted, count=1) + '"'
