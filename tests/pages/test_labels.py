"""Names as labels: on one line, short enough, drawn as they stand."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rcParams
from matplotlib.figure import Figure

from survkit.pages.labels import (
    display_width,
    label,
    matplotlib_text,
    one_line,
    shortened,
    shortened_apart,
)

NAMES = st.text(max_size=60)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("two\nlines", "two lines"),
        (" a \r\n\t b\u2028c ", "a b c"),
        ("\x1b[31mred\x00", "[31mred"),
        ("half \ud800 of a pair", "half of a pair"),
    ],
)
def test_a_label_is_on_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


def test_a_long_label_ends_with_an_ellipsis() -> None:
    assert shortened("Department of Internal Medicine", 14) == "Department of…"
    assert shortened("stage IV", 8) == "stage IV"


def test_wide_characters_count_as_two_columns() -> None:
    assert display_width("肺がん") == 6
    assert display_width("e\u0301") == 1
    assert shortened("肺がん患者", 7) == "肺がん…"


@given(NAMES, st.integers(2, 40))
def test_no_label_is_wider_than_its_width(text: str, width: int) -> None:
    assert display_width(shortened(text, width)) <= width


def test_labels_that_begin_alike_stay_apart() -> None:
    names = ["University Hospital North", "University Hospital South", "City"]
    assert shortened_apart(names, 14) == ["Universi…North", "Universi…South", "City"]
    long = ["a" * 20 + middle + "b" * 20 for middle in "xyz"]
    assert shortened_apart(long, 12) == ["aaaaaaa… (1)", "aaaaaaa… (2)", "aaaaaaa… (3)"]


@pytest.mark.parametrize("text", ["$a$", r"$\frac{$", "_none", r"\$5", "a_b", "50 $ to 60 $"])
def test_matplotlib_draws_a_name_as_it_stands(text: str) -> None:
    figure = Figure()
    axes = figure.add_subplot()
    axes.plot([0, 1], label=matplotlib_text(text))
    axes.legend()
    svg = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(rcParams, "svg.fonttype", "none")
        figure.savefig(svg, format="svg")
    assert f">{text}<" in svg.getvalue().replace("\u200b", "")


def test_a_label_of_a_figure_is_short_and_no_formula() -> None:
    assert label("$a$\nand a long rest", 8) == r"\$a\$ and…"
