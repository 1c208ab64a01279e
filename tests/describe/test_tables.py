"""Tables of a description: what they count, in which units, and what they say of missing values."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import poisson

from survkit.datasets.assemble import Dataset, build_dataset
from survkit.datasets.card import Card
from survkit.datasets.tables import RawTable
from survkit.describe.cohort import cohort_of, groups_of
from survkit.describe.follow_up import event_rate, follow_up_table, poisson_interval
from survkit.describe.numbers import SPACE, fixed, number_texts, percent, significant
from survkit.describe.sections import missing_section
from survkit.describe.survival_tables import (
    at_risk_table,
    curve_of_all,
    curves_by_group,
    log_rank_sentences,
    p_text,
    round_times,
    survival_table,
)
from survkit.describe.table_one import table_one, table_one_by_group
from survkit.types import InputError

N = 80
AGE = f"age, median{SPACE}[quartiles]"
RNG = np.random.default_rng(7)


def columns() -> dict[str, Any]:
    return {
        "age": np.where(np.arange(N) % 10 == 0, np.nan, RNG.normal(60, 10, N).round(1)),
        "stage": np.array(["10", "2", "1", None] * (N // 4), dtype=object),
        "smoker": np.tile([0.0, 1.0], N // 2),
        "ward": np.array([f"w{i % 20:02d}" for i in range(N)], dtype=object),
    }


def dataset(subject_id: Any = None, unit: str = "days") -> Dataset:
    rng = np.random.default_rng(3)
    time, event = np.ceil(rng.exponential(300, N)), rng.random(N) < 0.5
    table = RawTable(
        pd.DataFrame(columns()), event, time, categorical=("stage", "ward"), subject_id=subject_id
    )
    card = Card("some", N, int(event.sum()), unit, "made here", "none")
    return build_dataset(table, card)


@pytest.fixture(scope="module")
def some() -> Dataset:
    return dataset()


def cell(text: str) -> str:
    return text.replace(SPACE, " ")


def test_numbers_are_medians_and_quartiles_of_pandas(some: Dataset) -> None:
    assert some.raw is not None
    text = table_one(cohort_of(some)).text
    for head, rows in (("all", slice(None)), ("event", some.raw.event), ("cens", ~some.raw.event)):
        (column,) = [name for name in text if str(name).startswith(head)]
        low, middle, high = some.raw.features["age"][rows].quantile([0.25, 0.5, 0.75])
        expected = f"{fixed(middle, 1)} [{fixed(low, 1)} to {fixed(high, 1)}]"
        assert cell(text.loc[AGE, column]) == expected
    assert text.loc[AGE, "missing"] == "8"


def test_categories_are_counted_in_the_order_of_their_numbers(some: Dataset) -> None:
    text = table_one(cohort_of(some)).text
    rows = [cell(name).strip() for name in text.index]
    start = rows.index("stage, n (%)")
    assert rows[start + 1 : start + 4] == ["1", "2", "10"]
    assert cell(text.iloc[start + 1, 1]) == "20 (33%)"  # of the 60 rows with a stage
    assert text.iloc[start, 0] == "20"


def test_two_numbers_are_counted_and_rare_categories_share_a_line(some: Dataset) -> None:
    text = table_one(cohort_of(some)).text
    rows = [cell(name).strip() for name in text.index]
    assert rows[rows.index("smoker, n (%)") + 1 :][:2] == ["0", "1"]
    assert rows[-1] == "9 others"
    assert cell(text.iloc[-1, 1]) == "36 (45%)"


def test_heads_count_every_row(some: Dataset) -> None:
    assert some.raw is not None
    heads = [str(name) for name in table_one(cohort_of(some)).text]
    events = int(some.raw.event.sum())
    assert heads[1:] == [
        f"all, n = {N}",
        f"event seen, n = {events}",
        f"censored, n = {N - events}",
    ]


def test_a_missing_value_is_a_group_of_its_own_and_not_in_the_test(some: Dataset) -> None:
    cohort = cohort_of(some, "stage")
    assert cohort.groups is not None
    assert cohort.groups.names == ("1", "2", "10", "(missing)")
    table = table_one_by_group(cohort)
    heads = [str(name) for name in table.text]
    assert heads[1:] == [f"{name}, n = 20" for name in cohort.groups.names] + ["difference"]
    assert not any(str(name).startswith("stage") for name in table.text.index)
    test, missing = log_rank_sentences(cohort)
    assert "in the 3 groups" in test
    assert missing.startswith("20 subjects without a value of stage")
    assert [each.n for each in curves_by_group(cohort)] == [20] * 4


def test_a_category_called_missing_stays_apart() -> None:
    some = dataset()
    assert some.raw is not None
    some.raw.features["stage"] = np.array(["(missing)", None] * (N // 2), dtype=object)
    assert groups_of(some, "stage").names == ("(missing)", "(no value)")


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("Stage", r"names 'Stage' \(did you mean stage\?\), but the columns are age, stage"),
        ("ward", "'ward', which has 20 different values; at most 12"),
        ("age", "different values; at most 12"),
    ],
)
def test_columns_that_make_no_groups_are_refused(some: Dataset, by: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        groups_of(some, by)


@pytest.mark.parametrize(("value", "shown"), [("x", "the value 'x' in every"), (None, "no value")])
def test_one_group_is_refused(value: str | None, shown: str) -> None:
    some = dataset()
    assert some.raw is not None
    some.raw.features["stage"] = np.array([value] * N, dtype=object)
    with pytest.raises(InputError, match=f"{shown}.*two groups are needed"):
        groups_of(some, "stage")


def test_missing_values_are_sorted_and_complete_columns_left_out(some: Dataset) -> None:
    section = missing_section(cohort_of(some))
    (table,) = section.tables
    assert table.text.to_dict("list") == {"missing": ["20", "8"], "share": ["25%", "10%"]}
    assert list(table.text.index) == ["stage", "age"]
    assert "2 of 4 columns" in section.paragraphs[0]
    assert "52 of 80 subjects (65%) have none" in section.paragraphs[0]


def test_the_rate_is_that_of_a_poisson_count() -> None:
    time, event = np.array([365.25, 365.25, 1461.0]), np.array([True, True, False])
    rate = event_rate(time, event, "days since study entry")
    assert (rate.events, rate.person_time, rate.unit) == (2, 6.0, "person-years")
    assert rate.per_100.value == pytest.approx(100 * 2 / 6)
    low, high = poisson_interval(2)
    assert poisson.sf(1, low) == pytest.approx(0.025)
    assert poisson.cdf(2, high) == pytest.approx(0.025)
    assert poisson_interval(0)[0] == 0


def test_follow_up_counts_ties_and_times_of_0() -> None:
    some = dataset(unit="arbitrary units")
    cohort = cohort_of(some)
    cohort.time[:4], cohort.event[:4] = [0, 0, 5, 5], [True, False, True, True]
    text = follow_up_table(cohort).text["value"]
    assert text["times of 0"] == "2, of which 1 are events"
    counts = np.unique(cohort.time[cohort.event], return_counts=True)[1]
    tied, times = counts[counts > 1].sum(), (counts > 1).sum()
    assert text["events at tied times"] == f"{tied} of {cohort.event.sum()}, at {times} times"
    assert "events per 100 arbitrary units" in text


def test_survival_tables_say_units_times_and_who_is_left() -> None:
    cohort = cohort_of(dataset(unit="months since diagnosis"))
    curves = curve_of_all(cohort)
    times = round_times(cohort.time.max(), cohort.unit)
    table, at_risk = survival_table(curves, times, cohort), at_risk_table(curves, times, cohort)
    assert list(table.text)[:3] == ["subjects", "events", "median survival (months)"]
    assert all(str(name).endswith("months") for name in [*list(table.text)[3:], *at_risk.text])
    expected = [(cohort.time >= time).sum() for time in times]
    assert at_risk.text.loc["all"].tolist() == [str(n) for n in expected]


@pytest.mark.parametrize(
    ("longest", "unit", "expected"),
    [
        (83.5, "months", [0, 12, 24, 36, 48, 60, 72]),
        (2029, "days since study entry", [0, 365, 730, 1095, 1460, 1825]),
        (52, "weeks since release", [0, 13, 26, 39, 52]),
        (0.7, "time units", [0, 0.2, 0.4, 0.6]),
        (1e6, "days", [0, 2e5, 4e5, 6e5, 8e5, 1e6]),
        (0, "days", [0]),
    ],
)
def test_times_are_round_in_their_unit(longest: float, unit: str, expected: list[float]) -> None:
    np.testing.assert_allclose(round_times(longest, unit), expected)


def test_rows_of_one_subject_are_counted_as_such_and_not_tested() -> None:
    cohort = cohort_of(dataset(subject_id=np.arange(N) // 2), "stage")
    assert cohort.num_subjects == N // 2
    assert follow_up_table(cohort).text["value"][["subjects", "rows"]].tolist() == ["40", "80"]
    assert "(40 subjects)" in table_one(cohort).notes[0]
    (sentence,) = log_rank_sentences(cohort)
    assert sentence.startswith("There is no log-rank test: rows of the same subject")


@pytest.mark.parametrize(
    ("count", "total", "text"),
    [
        *((0, 0, "\N{EN DASH}"), (0, 9, "0%"), (1, 9105, "<0.1%"), (2995, 30000, "10%")),
        *((1, 30, "3.3%"), (1415, 1420, "99.6%"), (9104, 9105, "99.9%"), (9, 9, "100%")),
    ],
)
def test_percentages(count: int, total: int, text: str) -> None:
    assert percent(count, total) == text


def test_numbers() -> None:
    assert [significant(x) for x in (0, 43.71, 0.00123456, 12345.6)] == [
        *("0", "43.7", "0.00123", "12,346")
    ]
    assert [fixed(x, 1) for x in (63.0, 1996.0, 12345.6)] == ["63", "1996", "12,345.6"]
    assert significant(1016.2, 4) == "1,016"
    assert [p_text(p) for p in (1e-5, 0.0214, 0.214)] == ["p < 0.001", "p = 0.021", "p = 0.21"]


@pytest.mark.parametrize("tenths", [2, 1, 5])
def test_round_times_that_are_fractions_count_everybody(tenths: int) -> None:
    rng = np.random.default_rng(5)
    whole, event = rng.integers(1, 13, 200) * tenths, rng.random(200) < 0.6
    time = whole * 0.1  # 3 * 0.1 is 0.30000000000000004
    table = RawTable(pd.DataFrame({"age": rng.normal(60, 10, 200)}), event, time)
    cohort = cohort_of(build_dataset(table, Card("some", 200, 99, "years", "here", "none")))
    times = round_times(float(time.max()), "years")
    assert times[-1] <= time.max()
    assert all(float(f"{each:.6g}") == each for each in times[:-1])
    counts = at_risk_table(curve_of_all(cohort), times, cohort).text.iloc[0]
    ticks = np.round(times * 10).astype(int)
    assert counts.tolist() == [str((whole >= tick).sum()) for tick in ticks]
    lifelines = pytest.importorskip("lifelines").KaplanMeierFitter().fit(whole, event)
    shown = survival_table(curve_of_all(cohort), times, cohort).text.iloc[0, 3:]
    expected = [f"{lifelines.predict(tick):.1%}" for tick in ticks[1:]]
    assert [text.partition(" ")[0] for text in shown] == expected


def test_few_at_risk_is_said_once_and_never_of_the_last_time() -> None:
    def notes(time: list[float], groups: list[str]) -> str:
        frame = pd.DataFrame({"arm": np.array(groups, dtype=object), "age": range(len(time))})
        event = np.arange(len(time)) % 2 == 0
        card = Card("some", len(time), int(event.sum()), "months", "here", "none")
        table = RawTable(frame, event, np.array(time), categorical=("arm",))
        cohort = cohort_of(build_dataset(table, card), "arm")
        curves = curves_by_group(cohort)
        return " ".join(survival_table(curves, round_times(60, "months"), cohort).notes)

    small = [f"site {i % 12}" for i in range(72)]
    text = notes([float(i) for i in range(1, 73)], small)
    assert text.count("from the start") == 1
    assert "from the start in all 12 groups." in text
    end = [5.0] * 10 + [60.0] * 20
    assert "Fewer than 10" not in notes(end, ["a", "b"] * 15)
    assert "after 5 months in a." in notes([5.0] * 10 + [60.0] * 25, ["a"] * 15 + ["b"] * 20)


def test_follow_up_of_several_rows_a_subject_has_a_caveat() -> None:
    repeated = follow_up_table(cohort_of(dataset(np.arange(N) // 2)))
    assert any("a subject has several" in note for note in repeated.notes)
    assert not any(
        "a subject has several" in note for note in follow_up_table(cohort_of(dataset())).notes
    )


def test_tiny_and_huge_numbers_are_readable() -> None:
    tiny = number_texts(np.array([1.4e-6, -7.3e-7, 2e-6]))
    assert (tiny(1.4e-6), tiny(0.0)) == ("1.4e-06", "0")
    assert number_texts(np.array([0.012, 0.5]))(0.0123456) == "0.012"
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"large": rng.normal(0, 1e9, N)})
    table = RawTable(frame, rng.random(N) < 0.5, rng.exponential(9, N))
    own = cohort_of(build_dataset(table, Card("some", N, 40, "days", "here", "none")))
    assert re.fullmatch(r"-?[\d,]+ \[-?[\d,]+ to -?[\d,]+\]", cell(table_one(own).text.iloc[0, 1]))
