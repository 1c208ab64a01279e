"""Names of a user's table in Markdown: they stay text."""

import pytest

from survkit.pages.markdown import markdown_code, markdown_text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<script>alert(1)</script>", r"\<script>alert(1)\</script>"),
        ("a\n# heading", "a # heading"),
        ("# heading", r"\# heading"),
        ("_none_ and a_b", r"\_none\_ and a_b"),
        ("[x](javascript:y)", r"[x]\(javascript:y)"),
        ("a|b *c* `d`", r"a\|b \*c\* \`d\`"),
        ("p < 0.05 (95 % interval 1 to 2)", r"p \< 0.05 (95 % interval 1 to 2)"),
    ],
)
def test_text_stays_text(text: str, written: str) -> None:
    assert markdown_text(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [("age", "`age`"), ("a`b", "`` a`b ``"), ("``", "``` `` ```"), ("a|b\nc", r"`a\|b c`")],
)
def test_code_stays_code(text: str, written: str) -> None:
    assert markdown_code(text) == written
