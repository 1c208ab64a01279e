"""What the figure of a subject says; each is also drawn, with every text inside it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from survkit.explain.figures import MOST_BARS, SubjectFigure
from survkit.explain.texts import median_text, nothing_shown
from survkit.pages.palette import COLOURS
from survkit.types import SurvivalPrediction

CURVE = SurvivalPrediction(np.array([0.0, 10.0, 20.0]), np.array([[1.0, 0.6, 0.3]]))
COHORT = SurvivalPrediction(np.array([0.0, 10.0, 20.0]), np.array([[1.0, 0.9, 0.7]]))


@pytest.fixture(autouse=True)
def _backend() -> Iterator[None]:
    mpl.use("Agg")
    yield
    plt.close("all")


def table(ratios: list[float], **columns: Any) -> pd.DataFrame:
    names = [f"x{j}" for j in range(len(ratios))]
    ratio = np.array(ratios)
    values: dict[str, Any] = {
        "column": names,
        "value": [str(j) for j in range(len(ratios))],
        "known": True,
        "reference": "9",
        "hazard_ratio": ratio,
        "low": ratio * 0.9,
        "high": ratio * 1.1,
        "contribution": np.log(ratio),
        "coefficient": np.log(ratio) / 3,
    }
    return pd.DataFrame({**values, **columns}, index=names)


def figure(contributions: pd.DataFrame, **changes: Any) -> SubjectFigure:
    shown = SubjectFigure(
        "patient 7", contributions, CURVE, COHORT, 1234, "months", 0.93, repetitions=10
    )
    return shown._replace(**changes)


def drawn(shown: SubjectFigure) -> Any:
    """Draw a figure, and check that nothing leaves it."""
    made = shown.draw()
    made.canvas.draw()
    box = made.get_tightbbox()
    width, height = made.get_size_inches()
    assert box.x0 >= -0.02
    assert box.y0 >= -0.02
    assert box.x1 <= width + 0.02
    assert box.y1 <= height + 0.02
    return made


def test_bars_say_value_reference_and_hazard_ratio() -> None:
    contributions = table([2.0, 0.5], column=["age", "stage"], value=["71", "III"])
    curves, bars = drawn(figure(contributions)).axes
    labels = [label.get_text() for label in bars.get_yticklabels()]
    assert labels == ["age = 71\ncompared with 9", "stage = III\ncompared with 9"]
    assert bars.get_xscale() == "log"
    assert [bar.get_x() + bar.get_width() for bar in bars.patches] == [2.0, 0.5]
    colours = [mpl.colors.to_hex(bar.get_facecolor()).upper() for bar in bars.patches]
    assert colours == [COLOURS[1], COLOURS[0]]
    texts = [text.get_text() for text in bars.texts]
    assert texts == ["2.00 (1.80 to 2.20)", "0.50 (0.45 to 0.55)"]
    assert "lowers the hazard" in bars.get_xlabel()
    assert "raises the hazard" in bars.get_xlabel()
    assert curves.get_xlabel() == "time (months)"
    legend = [text.get_text() for text in curves.get_legend().get_texts()]
    assert legend == [
        "this patient: median survival 13.3 months",
        "mean of the 1,234 test rows: median survival not reached by 20 months",
    ]


def test_only_the_largest_are_drawn_and_that_is_said() -> None:
    made = drawn(figure(table(list(np.linspace(4, 1.1, 30)))))
    bars = made.axes[1]
    assert len(bars.patches) == MOST_BARS
    assert f"the {MOST_BARS} largest of 30 features" in bars.get_xlabel()


@pytest.mark.parametrize(
    "ratios",
    [[1e300, 1e-300], [1e5], [250.0, 0.4], [1.0004, 0.9997], [0.02, 0.7], [300.0, 12.0, 1.2]],
)
def test_any_hazard_ratio_can_be_drawn(ratios: list[float]) -> None:
    bars = drawn(figure(table(ratios))).axes[1]
    low, high = bars.get_xlim()
    ticks = bars.get_xticks()
    assert 1.0 in ticks
    assert low <= ticks.min() <= ticks.max() <= high
    boxes = [label.get_window_extent() for label in bars.get_xticklabels()]
    for left, right in itertools.pairwise(boxes):
        assert left.x1 < right.x0


def test_long_and_odd_texts_stay_inside() -> None:
    contributions = table(
        [3.0, 0.4],
        column=["a_name_of_forty_characters_" + "x" * 40, "cost in $ and $"],
        value=["www" + "v" * 200, "$11-$25k"],
        reference=["r" * 200, "under $11k"],
        known=[True, False],
    )
    shown = figure(contributions, title="patient " + "W" * 40 + " (row 123456)")
    made = drawn(shown)
    labels = [label.get_text() for label in made.axes[1].get_yticklabels()]
    assert labels[0].startswith("a_name_of_forty_character\N{HORIZONTAL ELLIPSIS} = www")
    assert "Missing, or not in the training data: cost in $ and $ = $11-$25k" in shown.sentence()


def test_nothing_changes_the_hazard() -> None:
    shown = figure(table([1.0, 1.0]), r_squared=np.nan)
    made = drawn(shown)
    assert made.axes[1].texts[0].get_text() == "No feature changes the predicted hazard here."
    assert shown.sentence() == "Hazard ratios compare values with the reference."


def test_values_at_the_reference_are_not_values_without_effect() -> None:
    shown = figure(table([1.0, 1.0], coefficient=[0.4, 0.0]), r_squared=1.0)
    text = drawn(shown).axes[1].texts[0].get_text()
    assert text == "The features that matter here have their reference values: nothing to compare."


def test_capped_hazards_have_no_ratio_and_that_is_said() -> None:
    lost = dict.fromkeys(("hazard_ratio", "low", "high", "contribution", "coefficient"), np.nan)
    shown = figure(table([2.0, 3.0], **lost), r_squared=np.nan, share_capped=1.0)
    text = drawn(shown).axes[1].texts[0].get_text()
    assert text == "The predicted hazard is 0 or too large here to tell what the features change."
    assert "100 % of the hazards predicted nearby are above the largest" in shown.sentence()
    some = figure(table([2.0]), share_capped=0.121)
    assert nothing_shown(some.table) == ""
    assert "12 % of the hazards predicted nearby are above the largest that counts, so the " in (
        some.sentence()
    )
    assert "Less than 1 % of" in figure(table([2.0]), share_capped=1e-4).sentence()


def test_a_fit_that_cannot_be_measured_is_not_a_good_one() -> None:
    sentence = figure(table([2.0]), r_squared=np.nan).sentence()
    assert "The fit is not measurable: do not rely on these ratios." in sentence
    assert "nan" not in sentence


def test_names_of_several_lines_and_formulas_are_drawn_as_they_stand() -> None:
    names = table([2.0, 0.5], column=["_a\nb\tc", r"$\frac{$"], value=["x\r\ny", "$a$"])
    labels = [label.get_text() for label in drawn(figure(names)).axes[1].get_yticklabels()]
    assert labels[0].endswith("_a b c = x y\ncompared with 9")
    assert labels[1] == "\\$\\frac{\\$ = \\$a\\$\ncompared with 9"


def test_one_test_row_is_no_mean() -> None:
    legend = drawn(figure(table([2.0]), cohort_size=1)).axes[0].get_legend()
    assert legend.get_texts()[1].get_text().startswith("the only test row: median survival")


def test_a_poor_fit_is_said() -> None:
    assert "0.93; 1 is exact" in figure(table([2.0])).sentence()
    assert "poor" not in figure(table([2.0])).sentence()
    assert "do not rely on these ratios" in figure(table([2.0]), r_squared=-0.2).sentence()
    assert "not causal effects" in figure(table([2.0])).sentence()
    alone = table([2.0], low=np.nan, high=np.nan)
    assert "Interval" not in figure(alone, repetitions=1).sentence()
    texts = [text.get_text() for text in drawn(figure(alone, repetitions=1)).axes[1].texts]
    assert texts == ["2.00"]


def test_medians_have_a_unit_where_it_is_known() -> None:
    assert median_text(CURVE, "time units") == "13.3"
    days = SurvivalPrediction(np.array([0.0, 2400.0]), np.array([[1.0, 0.0]]))
    assert median_text(days, "days since entry") == "1,200 days since entry"
    one = SurvivalPrediction(np.array([0.0, 2.0]), np.array([[1.0, 0.0]]))
    assert median_text(one, "days since entry") == "1 day since entry"
    assert median_text(one, "months") == "1 month"
