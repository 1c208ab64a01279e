"""Commands that a person pastes into a shell, or that a script holds."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

_PASTED_AS_TYPED = "\n\t"


def shell_command(words: Sequence[str]) -> str:
    """Return a command that runs with exactly these words when it is pasted into a shell.

    Every POSIX shell reads it. Only words with other control characters, or that are not UTF-8,
    need bash.
    """
    return " ".join(shlex.quote(word) if _is_safe(word) else shell_quoted(word) for word in words)


def shell_quoted(text: str) -> str:
    r"""Quote text for bash, all on one line: sbatch refuses a script that holds \r\n."""
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(_escaped(character) for character in text)}'"


def _is_safe(word: str) -> bool:
    return all(character.isprintable() or character in _PASTED_AS_TYPED for character in word)


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
