from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from survkit.metrics.bootstrap import resample_counts
from survkit.metrics.evaluate import Evaluation, evaluate
from survkit.metrics.model_decisions import decision_curves
from survkit.metrics.sample_size import SampleSize
from survkit.metrics.subgroup_parts import Grouping
from survkit.metrics.subgroups import Subgroup, SubgroupScores
from survkit.pages.document import Section
from survkit.report.decision_texts import RUN, ranges_text
from survkit.report.material import Material
from survkit.report.verdict import MetricVerdict, Verdict, verdict_of
from survkit.report.verdict_dependence import Curve, Dependence
from survkit.report.verdict_figure import difference_over_dependence
from survkit.report.verdict_others import (
    at_thresholds,
    for_whom,
    for_whom_sentence,
    thresholds_sentence,
)
from survkit.report.verdict_section import verdict_section
from survkit.report.verdict_text import censoring_sentences, settled_sentence, value_text
from survkit.types import SurvivalData, SurvivalPrediction, TimeGrid
from tests.late_entry import late_data
from tests.report.test_differences import GRID, exponential, subjects

RATE, TEST = subjects(400, seed=2)
TRAIN = subjects(1500, seed=1)[1]
NOISE = np.exp(np.random.default_rng(3).normal(size=(2, 400)) * [[0.1], [0.9]])


def material_of(
    predictions: dict[str, SurvivalPrediction],
    test: SurvivalData = TEST,
    train: SurvivalData | None = TRAIN,
    **change: Any,
) -> Material:
    """A group of models with these predictions; the data are missing where `train` is."""
    runs = pd.DataFrame({"evaluation": ["standard"], "time_unit": ["years since surgery"]})
    splits = SimpleNamespace(train=train)
    return replace(
        Material(
            runs=runs,
            labels=pd.Series(["first"]),
            metrics=(),
            means=pd.DataFrame(),
            predictions=predictions,
            repeats={},
            test=test,
            dataset=None if train is None else SimpleNamespace(splits=splits, grid=GRID),
            why_not="",
            reference="truth",
            resampled={},
            resamples=100,
        ),
        **change,
    )


def three_models() -> dict[str, SurvivalPrediction]:
    return {
        "noisy": exponential(RATE * NOISE[1]),
        "close": exponential(RATE * NOISE[0]),
        "constant": exponential(np.ones(400)),
    }


def compared(material: Material) -> Verdict:
    verdict = verdict_of(material)
    assert isinstance(verdict, Verdict)
    return verdict


def section_of(material: Material, also: tuple[str, ...] = ()) -> Section:
    return verdict_section(verdict_of(material), material.time_unit, also)


def text_of(material: Material) -> str:
    return " ".join(section_of(material).paragraphs)


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    return compared(material_of(three_models()))


def test_the_numbers_are_those_of_the_evaluation(verdict: Verdict) -> None:
    assert (verdict.best, verdict.second) == ("close", "noisy")
    assert [row.metric for row in verdict.rows][:2] == ["integrated_brier", "brier@25"]
    values = {
        name: evaluate(
            prediction, TEST, train_time=TRAIN.time, train_event=TRAIN.event, grid=GRID, bootstrap=0
        ).values
        for name, prediction in three_models().items()
    }
    for row in verdict.rows:
        assert row.best == pytest.approx(values["close"][row.metric], rel=1e-6)
        sign = 1 if row.metric == "concordance" else -1
        assert row.ahead == pytest.approx(sign * (row.best - row.second))
        assert row.low < row.ahead < row.high
    dependence = verdict.dependence
    assert isinstance(dependence, Dependence)
    for score, metric in enumerate(dependence.metrics):
        row = next(row for row in verdict.rows if row.metric == metric)
        for curve in dependence.curves.values():
            at_zero = curve.taus == 0
            assert curve.ahead[at_zero, score] == pytest.approx(row.ahead, abs=1e-7)
            # The same resamples, as the same seed draws them.
            assert curve.low[at_zero, score] == pytest.approx(row.low, abs=1e-5)
            assert curve.high[at_zero, score] == pytest.approx(row.high, abs=1e-5)
    assert np.all(dependence.bounds[0] < dependence.bounds[1])
    last = dependence.last
    assert dependence.censored == np.sum(~TEST.event & (TEST.time < last))


def test_the_number_of_subjects_follows_the_spread_of_the_resamples(verdict: Verdict) -> None:
    row = verdict.deciding
    error = (row.high - row.low) / (2 * 1.96)
    assert row.size.needed == pytest.approx(400 * (2.80 * error / row.ahead) ** 2, rel=0.25)


def test_the_section_says_it_in_words() -> None:
    section = section_of(material_of(three_models()))
    text = " ".join(section.paragraphs)
    row = compared(material_of(three_models())).deciding
    assert f"close is better than noisy by {100 * row.ahead:.2f} percentage points" in text
    assert "integrated Brier score up to" in text
    assert "years (95 % interval" in text
    assert "excludes zero, so with the 400 test subjects this is settled already" in text
    assert "By concordance too close is ahead" in text
    assert "from -0.5 to 0.5 (Frank's copula; Clayton's from 0)" in text
    assert 4 <= text.count(". ") + 1 <= 7
    (table,) = section.tables
    assert next(iter(table.text.index)).startswith("integrated_brier")
    assert table.is_bold(0, 2)
    assert "nothing assumed" in section.pictures[0].svg


def test_the_best_two_are_those_of_the_integrated_score_of_any_number() -> None:
    few = three_models()
    del few["close"]
    assert compared(material_of(few)).best == "noisy"


def test_one_model_and_its_copies_have_nothing_to_compare() -> None:
    alone = material_of({"close": three_models()["close"]})
    assert "nothing to compare: close is the only model" in text_of(alone)
    copied = replace(alone, repeats={"ensemble": "close"})
    assert "the predictions of ensemble are those of close" in text_of(copied)
    assert section_of(copied).tables == ()


def test_a_tie_is_called_one() -> None:
    one = three_models()["close"]
    text = text_of(material_of({"a": one, "b": one}))
    assert "a and b have the same integrated Brier score" in text
    assert "No number of test subjects would find a difference of zero" in text


def test_without_the_training_rows_it_says_what_it_used_instead() -> None:
    without = material_of(three_models(), train=None)
    own = compared(without)
    assert own.basis.is_test
    assert own.best == "close"
    assert "censoring is estimated from the test subjects themselves" in text_of(without)
    assert isinstance(own.dependence, Dependence)
    expected = evaluate(
        three_models()["close"],
        TEST,
        train_time=TEST.time,
        train_event=TEST.event,
        grid=GRID,
        bootstrap=0,
    ).values["integrated_brier"]
    assert own.deciding.best == pytest.approx(expected, rel=1e-6)
    elsewhere = SurvivalPrediction(GRID.cuts[1:], three_models()["close"].survival[:, 1:])
    text = text_of(material_of({"a": elsewhere, "b": elsewhere}, train=None))
    assert "at no common time grid" in text


def test_late_entries_leave_concordance() -> None:
    late, train = late_data(200), late_data(400, seed=1)
    grid = TimeGrid.evenly_spaced(float(train.time.max()), 20)
    hazard = np.exp(0.7 * late.features[:, :1].astype(float) - 0.5)
    models = {
        "cox": SurvivalPrediction(grid.cuts, np.exp(-hazard * grid.cuts)),
        "reversed": SurvivalPrediction(grid.cuts, np.exp(-grid.cuts / (5 * hazard))),
    }
    material = material_of(models, late, train)
    material = replace(
        material, dataset=SimpleNamespace(splits=SimpleNamespace(train=train), grid=grid)
    )
    own = compared(material)
    assert own.deciding.metric == "concordance"
    assert own.best == "cox"
    text = text_of(material)
    assert "cox is better than reversed by" in text
    assert "points of concordance" in text
    assert "What dependent censoring would do is not known: subjects come under observation" in text


def test_causes_count_together_and_each_has_a_row() -> None:
    rng = np.random.default_rng(0)

    def with_causes(data: SurvivalData) -> SurvivalData:
        cause = np.where(data.event, 1 + (rng.random(len(data)) < 0.3), 0)
        return replace(data, cause=cause, cause_names=("relapse", "death"))

    def split(prediction: SurvivalPrediction) -> SurvivalPrediction:
        incidence = (1 - prediction.survival)[:, None] * np.array([0.7, 0.3])[:, None]
        return replace(prediction, cumulative_incidence=incidence)

    models = {name: split(own) for name, own in three_models().items()}
    material = material_of(models, with_causes(TEST), with_causes(TRAIN))
    rows = {row.metric: row for row in compared(material).rows}
    assert rows["relapse/integrated_brier"].best < rows["relapse/integrated_brier"].second
    assert "the first event of any cause" in text_of(material)
    assert "of relapse and death" in text_of(material)


def test_published_conventions_and_no_bootstrap_are_named() -> None:
    runs = pd.DataFrame({"evaluation": ["published"], "time_unit": ["years"]})
    published = text_of(material_of(three_models(), runs=runs))
    assert "the weights of the standard conventions" in published
    none = text_of(material_of(three_models(), resamples=0))
    assert "without an interval, as --bootstrap is 0" in none
    assert "test subjects would" not in none
    assert "from -0.5 to 0.5" in none


def row_of(ahead: float, low: float, high: float, size: SampleSize) -> MetricVerdict:
    return MetricVerdict("integrated_brier", 0.1, 0.1 + ahead, ahead, low, high, size)


def test_what_is_not_settled_names_the_number_and_its_weakness(verdict: Verdict) -> None:
    size = SampleSize(123_456.0, 123_056.0, 900.0, math.inf)
    open_verdict = replace(verdict, rows=(row_of(0.001, -0.01, 0.012, size),))
    text = settled_sentence(open_verdict)
    assert "123,000 test subjects would show it with 80 % power, 123,000 more than the 400" in text
    assert "The observed difference is uncertain itself" in text
    assert "900 would do, and if there is no difference, no number would" in text


def dependence_of_curves(
    frank: list[float], clayton: list[float], bounds: list[float]
) -> Dependence:
    def curve(taus: list[float], values: list[float]) -> Curve:
        column = np.array(values)[:, None]
        return Curve(np.array(taus), column, column - 0.015, column + 0.015)

    curves = {
        "frank": curve([-0.5, 0.0, 0.5], frank),
        "clayton": curve([0.0, 0.5], clayton),
    }
    return Dependence(("integrated_brier",), curves, np.array(bounds)[:, None], 30, 5.0)


def test_a_verdict_that_turns_says_at_which_tau(verdict: Verdict) -> None:
    dependence = dependence_of_curves([0.03, 0.02, -0.02], [0.02, 0.01], [-0.05, 0.06])
    text = " ".join(censoring_sentences(replace(verdict, dependence=dependence), "years"))
    assert "would turn round at a Kendall's tau between event and censoring time of 0.25" in text
    assert "with Frank's copula; with Clayton's copula close would stay ahead up to 0.5" in text
    assert "the interval excludes zero for a tau from -0.50 to 0.06" in text
    assert "these data leave open which model is ahead: close may be so by 6.00 points" in text
    assert "or noisy by 5.00" in text


@pytest.mark.parametrize(("bounds", "leader"), [([0.01, 0.06], "close"), ([-0.06, -0.01], "noisy")])
def test_bounds_on_one_side_of_zero_need_no_assumption(
    verdict: Verdict, bounds: list[float], leader: str
) -> None:
    dependence = dependence_of_curves([0.03, 0.02, 0.02], [0.02, 0.01], bounds)
    text = " ".join(censoring_sentences(replace(verdict, dependence=dependence), "years"))
    assert "Whatever became of the 30 test subjects censored before 5 years" in text
    assert f"{leader} is ahead in these data, by 1.00 to 6.00 points" in text


def test_no_censoring_needs_no_assumption(verdict: Verdict) -> None:
    dependence = replace(
        dependence_of_curves([0.03, 0.02, 0.02], [0.02, 0.01], [0.02, 0.02]), censored=0
    )
    text = " ".join(censoring_sentences(replace(verdict, dependence=dependence), "years"))
    assert "No test subject is censored before 5 years" in text


def test_a_difference_that_is_not_zero_is_not_shown_as_zero() -> None:
    assert value_text("integrated_brier", 0.00002) == "0.002"
    assert value_text("integrated_brier", 0.0) == "0.00"
    assert value_text("integrated_brier", math.nan) == "-"


def test_the_figure_shows_the_bounds_and_both_copulas(verdict: Verdict) -> None:
    assert isinstance(verdict.dependence, Dependence)
    axes = difference_over_dependence(verdict.dependence, "a_$model$")
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["nothing assumed", "Frank's copula", "95 %, Frank", "Clayton's copula"]
    frank = axes.get_lines()[1]
    at_zero = np.flatnonzero(frank.get_xdata() == 0)[0]
    assert frank.get_ydata()[at_zero] == pytest.approx(100 * verdict.deciding.ahead, abs=1e-4)


def test_other_sentences_stand_before_those_on_censoring() -> None:
    paragraphs = section_of(
        material_of(three_models()), also=("For whom.", "And where.")
    ).paragraphs
    assert paragraphs[1] == "For whom. And where."
    assert len(paragraphs) == 3


def test_it_says_for_whom_the_second_model_is_better() -> None:
    scores = {"young": 0.10, "old": 0.20, "few": math.nan}
    better = {"young": 0.11, "old": 0.25, "few": 0.1}
    text = for_whom_sentence("cox", "rsf", scores, better)
    assert text == "For whom: cox is ahead in all of the 2 subgroups that have a score."
    mixed = for_whom_sentence("cox", "rsf", scores, {**better, "old": 0.195})
    assert "of the 2 subgroups that have a score rsf is ahead in old (by 0.50)" in mixed
    assert for_whom_sentence("cox", "rsf", {"few": math.nan}, better) == ""
    many = {f"group {place}": 0.1 + place / 100 for place in range(6)}
    text = for_whom_sentence("cox", "rsf", many, dict.fromkeys(many, 0.1))
    assert "group 5 (by 5.00), group 4 (by 4.00), group 3 (by 3.00) and 2 more" in text


def test_it_says_at_which_thresholds_it_matters() -> None:
    text = thresholds_sentence("cox", "rsf", "2 years", [(0.1, 0.25), (0.4, 0.4)], [])
    assert text.endswith(
        "by 2 years it matters: the net benefit is surely highest with cox at 10 to 25 % and 40 %."
    )
    both = thresholds_sentence("cox", "rsf", "2 years", [(0.1, 0.2)], [(0.5, 0.6)])
    assert both.endswith("with cox at 10 to 20 %, and with rsf at 50 to 60 %.")
    assert "does not matter there" in thresholds_sentence("cox", "rsf", "2 years", [], [])


def test_thresholds_are_those_of_the_decision_curves(verdict: Verdict) -> None:
    material = material_of(three_models())
    pair = {name: three_models()[name] for name in ("close", "noisy")}
    counts = resample_counts(400, resamples=100, seed=0)
    curves = decision_curves(pair, TEST, at=1.5, counts=counts)
    ranges = curves["close"].useful_thresholds([curves["noisy"]], surely=True, fewest=RUN)
    assert ranges
    (text,) = at_thresholds(verdict, material, [1.5, 0.5, 1e9, 2.0])
    expected = f"the net benefit is surely highest with close at {ranges_text(ranges)}."
    assert f"by 1.5 years it matters: {expected}" in text
    assert at_thresholds(verdict, material, [1e9]) == []
    assert at_thresholds(verdict, material_of(three_models(), resamples=0), [1.5]) == []


def scores_in(values: dict[str, float], codes: list[int], column: str = "sex") -> SubgroupScores:
    subgroups = tuple(
        Subgroup(name, 1, 1, 1, (), math.nan, Evaluation(values={"integrated_brier": value}))
        for name, value in values.items()
    )
    grouping = Grouping(column, tuple(values), np.array(codes))
    return SubgroupScores(column, column, subgroups=subgroups, grouping=grouping)


def test_subgroups_that_differ_between_the_models_do_not_count(verdict: Verdict) -> None:
    scored = {
        "close": [
            scores_in({"F": 0.1, "M": 0.2}, [0, 1, 1]),
            scores_in({"0": 0.3, "1": 0.1}, [0, 1, 1], "expert"),
        ],
        "noisy": [
            scores_in({"F": 0.2, "M": 0.19}, [0, 1, 1]),
            scores_in({"0": 0.1, "1": 0.1}, [1, 0, 1], "expert"),
        ],
    }
    (text,) = for_whom(verdict, scored)
    assert "of the 2 subgroups that have a score noisy is ahead in sex M (by 1.00)" in text
    assert "expert" not in text
    assert for_whom(verdict, {}) == []
