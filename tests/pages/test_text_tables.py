from __future__ import annotations

import pandas as pd
from IPython.core.formatters import DisplayFormatter

from survkit.pages.text_tables import TextTable, to_latex, to_markdown, transposed

TEXT = pd.DataFrame(
    {"loss\u00a0↓": ["2.10 ± 0.05", "-"], "best": ["-0.20 (-0.40 to -0.01)", "a|b <5 %"]},
    index=pd.Index(["fixed_moe", "mtlr [a]"], name="model"),
)
BOLD = pd.DataFrame([[False, True], [False, False]], TEXT.index, TEXT.columns)
TABLE = TextTable("Loss & more", TEXT, BOLD, ("[a] 1 of 5_runs",), words=("best",))


def test_markdown() -> None:
    assert to_markdown(TABLE) == (
        "**Loss & more**\n\n"
        "| model | loss\u00a0↓ | best |\n"
        "| --- | ---: | --- |\n"
        "| fixed_moe | 2.10 ± 0.05 | **-0.20 (-0.40 to -0.01)** |\n"
        "| mtlr [a] | - | a\\|b \\<5 % |\n"
        "\n- [a] 1 of 5_runs\n"
    )


def test_latex() -> None:
    lines = to_latex(TABLE).splitlines()
    assert r"\caption{Loss \& more}" in lines
    assert r"\begin{tabular}{lrl}" in lines
    assert r"model & loss~$\downarrow$ & best \\" in lines
    bold = r"\textbf{$-$0.20 ($-$0.40 to $-$0.01)}"
    assert rf"fixed\_moe & 2.10 $\pm$ 0.05 & {bold} \\" in lines
    assert r"mtlr [a] & - & a\textbar{}b $<$5 \% \\" in lines
    assert r"\par\smallskip [a] 1 of 5\_runs" in lines
    assert [line for line in lines if "rule" in line] == [r"\toprule", r"\midrule", r"\bottomrule"]


def test_a_table_without_bold_cells() -> None:
    plain = TextTable("", TEXT)
    assert not plain.is_bold(0, 1)
    assert "**-0.20" not in to_markdown(plain)
    assert "textbf" not in to_latex(plain)


def test_a_table_can_be_turned() -> None:
    turned = transposed(TextTable("Loss", TEXT, BOLD, ("note",)))
    assert turned.text.loc["best"].tolist() == TEXT["best"].tolist()
    assert turned.is_bold(1, 0)
    lines = to_markdown(turned).splitlines()
    assert lines[2] == "|  | fixed_moe | mtlr [a] |"
    assert lines[4] == "| loss\u00a0↓ | 2.10 ± 0.05 | - |"
    shown_in_a_notebook, _ = DisplayFormatter().format(turned)
    assert shown_in_a_notebook["text/markdown"] == to_markdown(turned)
    assert "best & \\textbf" in to_latex(turned)


def test_the_least_width_breaks_before_brackets() -> None:
    cells = {"all, n = 9": ["58.8\u00a0[52\u00a0to\u00a063]", "3\u00a0(33%)"]}
    table = TextTable("Table 1", pd.DataFrame(cells, index=pd.Index(["age", "sex"])))
    assert table.least_width == (3 + 1) + (len("[52 to 63]") + 1)


def test_a_line_break_in_a_name_does_not_end_a_row() -> None:
    table = TextTable("x", pd.DataFrame({"a\nb": ["1\r\n2"]}, index=pd.Index(["c\nd"])))
    assert [line for line in to_markdown(table).splitlines() if line.startswith("|")] == [
        "|  | a b |",
        "| --- | ---: |",
        "| c d | 1 2 |",
    ]
