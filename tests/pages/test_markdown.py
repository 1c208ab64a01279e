"""Names of a user's table in Markdown: they stay text."""

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from survkit.pages.labels import one_line
from survkit.pages.markdown import markdown_block, markdown_cell, markdown_code, markdown_text

PIECES = [
    *("<script>alert(1)</script>", "<img src=x onerror=y>", "<!--", "&lt;", "&#60;", "\\", "\\<"),
    *(
        "# heading",
        "\n# heading",
        "\n\n",
        "\r",
        "===",
        "---",
        "- item",
        "+ item",
        "1. item",
        "7) x",
    ),
    *("> quotation", "```", "~~~", "~~gone~~", "`code`", "*", "**", "_", "__x__", "a_b", "|", "||"),
    *("[x](javascript:alert(1))", "![x](http://a/b)", "[x]: javascript:y", "[x]", "[x][y]", "[ ]"),
    *("](", "][", "<http://a>", "$x$", "1234567. x", "age", " ", "\t", "é", "\u2028", "\x1b[31m"),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=6).map("".join)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<script>alert(1)</script>", r"\<script>alert(1)\</script>"),
        ("a\n# heading", "a # heading"),
        ("# heading", r"\# heading"),
        ("_none_ and a_b", r"\_none\_ and a_b"),
        ("[x](javascript:y)", r"[x]\(javascript:y)"),
        ("[x]: javascript:y", r"\[x]: javascript:y"),
        ("a|b *c* `d`", r"a\|b \*c\* \`d\`"),
        ("p < 0.05 (95 % interval 1 to 2)", r"p \< 0.05 (95 % interval 1 to 2)"),
        ("- a", r"\- a"),
        ("-0.5", "-0.5"),
        ("12. a", r"12\. a"),
        ("1.5", "1.5"),
        ("58\u00a0[52 to 63]", "58\u00a0[52 to 63]"),
        ("[a] 1 of 5", "[a] 1 of 5"),
    ],
)
def test_text_stays_text(text: str, written: str) -> None:
    assert markdown_text(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        *(("age", "`age`"), ("a`b", "`` a`b ``"), ("``", "``` `` ```")),
        *(("a|b\nc", r"`a\|b c`"), ("", "` `")),
    ],
)
def test_code_stays_code(text: str, written: str) -> None:
    assert markdown_code(text) == written


@given(TEXTS)
@example("".join(PIECES))
def test_a_reader_sees_the_text_and_nothing_else(text: str) -> None:
    line = one_line(text)
    item = MARKDOWN.render(f"- {markdown_text(text)}\n")
    assert shown(item, "<ul>\n<li>(.*)</li>\n</ul>\n") == line
    table = MARKDOWN.render(f"| a | b |\n| --- | --- |\n| {markdown_cell(text)} | end |\n")
    assert shown(table, r".*<tbody>\n<tr>\n<td>(.*)</td>\n<td>end</td>\n</tr>.*") == line
    code = MARKDOWN.render(f"- {markdown_code(text)}: end\n")
    written = line.replace("|", r"\|") or " "
    assert shown(code, "<ul>\n<li><code>(.*)</code>: end</li>\n</ul>\n") == written


@given(TEXTS)
@example("a\n```\n<script>alert(1)</script>")
def test_a_block_of_code_ends_where_it_should(text: str) -> None:
    page = MARKDOWN.render(f"{markdown_block(text, 'bash')}\n\nend\n")
    assert page.count("<code") == page.count("<p>end</p>") == 1
    assert page.endswith("</code></pre>\n<p>end</p>\n")


def shown(page: str, pattern: str) -> str:
    """Return the text that a page shows where a pattern has its group; it has no tags there."""
    match = re.fullmatch(pattern, page, re.DOTALL)
    assert match, page
    assert "<" not in match[1], page
    return html.unescape(match[1])
