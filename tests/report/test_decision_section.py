"""The part of a page on whether models are worth acting on."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sksurv.datasets import load_bmt

from survkit.configs.finished_runs import ReportConfig
from survkit.metrics.bootstrap import resample_counts
from survkit.metrics.model_decisions import decision_curves
from survkit.report.decision_figures import draw_decision_curves
from survkit.report.decision_section import TITLE, Decisions, decision_section
from survkit.report.decision_texts import ranges_text, shown_places
from survkit.types import InputError, SurvivalData, SurvivalPrediction

CAUSES = ("mortality", "relapse")


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def predicted(risk: np.ndarray, at: float = 2.0) -> SurvivalPrediction:
    return SurvivalPrediction(np.array([0.0, at]), np.column_stack([np.ones(len(risk)), 1 - risk]))


def subjects(n: int = 400) -> tuple[SurvivalData, dict[str, SurvivalPrediction]]:
    generator = np.random.default_rng(0)
    risk = generator.beta(1.5, 2, size=n)
    event_time = 2 * np.log(generator.uniform(size=n)) / np.log(1 - risk)
    censored = generator.uniform(0, 6, size=n)
    data = SurvivalData(np.zeros((n, 1)), event_time <= censored, np.minimum(event_time, censored))
    noisy = 1 / (1 + np.exp(-np.log(risk / (1 - risk)) - generator.normal(size=n)))
    return data, {"true": predicted(risk), "noisy": predicted(noisy)}


@pytest.fixture(scope="module")
def two() -> Decisions:
    data, predictions = subjects()
    return decision_section(predictions, data, [1.0, 2.0], time_unit="years", resamples=200)


def test_the_section_has_a_figure_a_table_and_sentences_for_each_time(two: Decisions) -> None:
    section = two.section
    assert section.title == TITLE
    captions = [picture.caption for picture in section.pictures]
    assert captions == ["the event by 1 year, 244 at risk", "the event by 2 years, 158 at risk"]
    assert len(section.tables) == 2
    table = section.tables[1]
    assert list(table.text.index) == ["true", "noisy", "treat everybody"]
    assert list(table.text.columns) == ["10 %", "20 %", "30 %", "50 %", "surely of use at"]
    text = " ".join(section.paragraphs)
    assert "By 2 years, with 158 still at risk, the observed risk of the event is 41 %." in text
    assert "At 50 % true has a net benefit of" in text
    assert "fewer treatments in every 100 subjects" in text


def test_the_table_of_curves_is_what_the_page_shows(two: Decisions) -> None:
    curves = two.curves
    assert set(curves["model"]) == {"true", "noisy"}
    assert (curves["cause"] == "").all()
    row = curves[(curves.model == "true") & (curves.time == 2) & (curves.threshold == 0.3)].iloc[0]
    odds = 0.3 / 0.7
    assert row.net_benefit == pytest.approx(row.true_positives - odds * row.false_positives)
    assert row.treated == pytest.approx(row.true_positives + row.false_positives)
    assert row.interventions_avoided == pytest.approx((row.net_benefit - row.treat_all) / odds)
    cell = f"{100 * row.net_benefit:.1f} ({100 * row.low:.1f} to {100 * row.high:.1f})"
    assert two.section.tables[1].text.loc["true", "30 %"] == cell


def test_one_model_without_intervals() -> None:
    data, predictions = subjects()
    one = {"true": predictions["true"]}
    decisions = decision_section(one, data, [2.0], thresholds=(0.2, 0.4), resamples=0)
    (table,) = decisions.section.tables
    assert list(table.text.columns) == ["20 %", "30 %", "of use at"]
    assert not table.bold.to_numpy().any()
    assert "(" not in table.text.loc["true", "20 %"]
    text = " ".join(decisions.section.paragraphs)
    assert "There are no intervals: --bootstrap is 0." in text
    assert "others" not in text.partition("By 2")[2]
    assert decisions.curves["low"].isna().all()
    assert decisions.curves["threshold"].agg(["min", "max"]).tolist() == [0.2, 0.4]


def test_rows_of_a_subject_are_drawn_together() -> None:
    """Two rows for each subject, alike, are no more information than one."""
    data, predictions = subjects(200)
    twice = np.repeat(np.arange(len(data)), 2)
    doubled = SurvivalData(
        data.features[twice], data.event[twice], data.time[twice], subject_id=twice
    )
    repeated = {model: each.subset(twice) for model, each in predictions.items()}
    how = {"thresholds": (0.1, 0.5), "resamples": 50}
    once = decision_section(predictions, data, [2.0], **how).curves
    again = decision_section(repeated, doubled, [2.0], **how).curves
    for column in ("net_benefit", "low", "high"):
        np.testing.assert_allclose(again[column], once[column], atol=1e-5)


def test_times_without_curves_say_why() -> None:
    data, predictions = subjects()
    decisions = decision_section(predictions, data, [1.0, 3.0], resamples=0, time_unit="years")
    why = "There are no decision curves by 3 years: the prediction of true ends at time 2."
    assert decisions.section.paragraphs[-1] == why
    assert set(decisions.curves["time"]) == {1.0}
    nothing = decision_section(predictions, data, [2.0], resamples=0, min_at_risk=159)
    assert nothing.curves.empty
    assert nothing.section.paragraphs == (
        "There are no decision curves by 2: 158 of 400 subjects are still at risk, fewer than 159.",
    )
    late = SurvivalData(data.features, data.event, data.time, entry=data.time / 2)
    (said,) = decision_section(predictions, late, [1.0]).section.paragraphs
    assert said.startswith("There are no decision curves: subjects come under observation late")
    (said,) = decision_section(predictions, data, []).section.paragraphs
    assert "too few test subjects" in said


def test_an_undefined_net_benefit_is_explained() -> None:
    data, _ = subjects(100)
    risk = np.full(100, 0.05)
    unfollowed = np.flatnonzero(~data.event & (data.time < 2))[:2]
    risk[unfollowed] = 0.6
    decisions = decision_section(
        {"m": predicted(risk)}, data, [2.0], resamples=20, thresholds=(0.01, 0.55)
    )
    (table,) = decisions.section.tables
    assert table.text.loc["m", "50 %"] == "-"
    assert "m at 50 %: none of the 2 treated is followed to time 2." in table.notes
    reasons = decisions.curves.set_index("threshold")["reason"]
    assert reasons[0.5] == "none of the 2 treated is followed to time 2"


def test_each_cause_has_a_part() -> None:
    _, outcome = load_bmt()
    cause = outcome["status"].astype(np.int64)
    n = len(cause)
    data = SurvivalData(
        np.zeros((n, 1)), cause > 0, outcome["ftime"], cause=cause, cause_names=CAUSES
    )
    incidence = np.zeros((n, 2, 2))
    incidence[:, :, 1] = np.random.default_rng(0).uniform(0, 0.45, size=(n, 2))
    prediction = SurvivalPrediction(
        np.array([0.0, 24.0]), 1 - incidence.sum(axis=1), cumulative_incidence=incidence
    )
    decisions = decision_section({"m": prediction}, data, [24.0], resamples=20, min_at_risk=1)
    assert [part.title for part in decisions.section.parts] == list(CAUSES)
    assert decisions.section.tables == ()
    for number, name in enumerate(CAUSES, 1):
        part = decisions.section.parts[number - 1]
        assert "risk of " + name in part.paragraphs[0]
        own = decisions.curves[decisions.curves["cause"] == name]
        alone = decision_curves({"m": prediction}, data, at=24.0, cause=number, min_at_risk=1)["m"]
        np.testing.assert_allclose(own["net_benefit"], alone.net_benefit)
    assert "Aalen-Johansen" in " ".join(decisions.section.paragraphs)


def test_the_figure_has_bands_for_two_models() -> None:
    data, predictions = subjects()
    predictions = {**predictions, "$chance$": predicted(np.full(len(data), 0.4))}
    counts = resample_counts(len(data), resamples=50, seed=0)
    curves = decision_curves(predictions, data, at=2.0, counts=counts)
    axes = draw_decision_curves(curves)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["treat nobody", "treat everybody", "true", "noisy", r"\$chance\$"]
    bands = axes.collections
    assert len(bands) == 2
    colours = {line.get_label(): line.get_color() for line in axes.lines}
    assert {plt.matplotlib.colors.to_hex(band.get_facecolor()[0][:3]) for band in bands} == {
        plt.matplotlib.colors.to_hex(colours[model]) for model in ("true", "noisy")
    }


def test_ranges_in_words() -> None:
    assert ranges_text([]) == "nowhere"
    assert ranges_text([(0.1, 0.1)]) == "10 %"
    assert ranges_text([(0.1, 0.25), (0.3, 0.3)]) == "10 to 25 % and 30 %"
    many = [(0.01, 0.02), (0.1, 0.3), (0.35, 0.35), (0.4, 0.5)]
    assert ranges_text(many) == "1 to 2 %, 10 to 30 %, 40 to 50 % and elsewhere"
    assert ranges_text([(0.0005, 0.005)]) == "0.05 to 0.5 %"


def test_thresholds_of_the_table() -> None:
    assert shown_places(np.arange(1, 100) / 100) == [9, 19, 29, 49]
    assert shown_places(np.arange(1, 31) / 1000) == [6, 12, 17, 23]
    assert shown_places(np.array([0.4])) == [0]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"decision_thresholds": (0.5, 0.1)}, "--decision_thresholds is 0.5 0.1; it must be two"),
        ({"decision_thresholds": (0.5,)}, "--decision_thresholds is 0.5; it must be two risks"),
        ({"decision_thresholds": (0.5, 1.0)}, "--decision_thresholds is 1.0; it must be below 1"),
        ({"decision_times": (5.0, 5.0)}, "--decision_times names a time twice: 5 5"),
        ({"decision_times": (0.0,)}, "--decision_times is 0.0; it must be above 0"),
    ],
)
def test_flags_that_are_refused(flags: dict[str, tuple[float, ...]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ReportConfig(group="some", **flags)
