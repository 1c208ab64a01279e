"""Text in messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from survkit.text import cut, one_line, shown


@given(st.text(st.characters()))
def test_a_message_has_one_line_and_moves_no_cursor(text: str) -> None:
    safe = one_line(text)
    assert len(safe.splitlines()) <= 1
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in safe)
    safe.encode()


def test_plain_text_stays_as_it_is() -> None:
    assert one_line("Größe, 身長 1\u202f000") == "Größe, 身長 1\u202f000"
    assert one_line("age\n(years)\x1b[2J\udce9") == "age\\n(years)\\x1b[2J\\udce9"


def test_long_values_are_cut() -> None:
    assert cut("a" * 60) == "a" * 60
    assert cut("a" * 1000) == "a" * 60 + "... (1,000 characters)"
    assert shown(16**5000) == "a whole number of thousands of digits"
    assert shown([1, "a\n"]) == "[1, 'a\\n']"
