"""Net benefit against dcurves 1.1.7, scikit-survival and closed forms."""

from pathlib import Path

import dcurves
import numpy as np
import pandas as pd
import pytest
from sksurv.nonparametric import cumulative_incidence_competing_risks

from survkit.metrics.bootstrap import resample_counts
from survkit.metrics.decision_curves import net_benefit
from survkit.metrics.model_decisions import (
    decision_curves,
    predicted_risk,
    shown_thresholds,
    threshold_range,
    why_no_curves,
)
from survkit.types import InputError, SurvivalPrediction
from tests.metrics.metric_fixtures import survival_data, tied_outcomes

THRESHOLDS = np.array([0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9])
REFERENCE = {
    "net_benefit": "net_benefit",
    "test_pos_rate": "treated",
    "tp_rate": "true_positives",
    "fp_rate": "false_positives",
}


def example(name):
    return pd.read_csv(Path(dcurves.data) / f"{name}.csv")


@pytest.fixture(scope="module")
def cancer():
    return example("df_surv")


def reference(table, **columns):
    found = dcurves.dca(table, "cancer", ["cancerpredmarker"], thresholds=THRESHOLDS, **columns)
    return found.set_index("model")


# lifelines 0.30 is not ready for pandas 3.1.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("at", [1.0, 3.0])
def test_censored_data_agree_with_dcurves(cancer, at):
    time, event = cancer["ttcancer"].to_numpy(), cancer["cancer"].to_numpy(bool)
    risk = cancer["cancerpredmarker"].to_numpy()
    own = net_benefit(risk, time, event, at=at, thresholds=THRESHOLDS)
    theirs = reference(cancer, time=at, time_to_outcome_col="ttcancer")
    unknown = theirs.loc["cancerpredmarker", "net_benefit"].isna().to_numpy()
    assert unknown.any()
    for column, field in REFERENCE.items():
        expected = theirs.loc["cancerpredmarker", column].to_numpy(float)
        known = ~np.isnan(expected)
        np.testing.assert_allclose(getattr(own, field)[0, known], expected[known], atol=1e-12)
    np.testing.assert_allclose(
        own.treat_all[0], theirs.loc["all", "net_benefit"].to_numpy(float), atol=1e-9
    )
    # dcurves leaves out every group whose last time is earlier. Where that is an event, all of the
    # group have had it and its risk is 1; where it is a censoring, nothing is known.
    for threshold, value in zip(THRESHOLDS[unknown], own.net_benefit[0, unknown], strict=True):
        group = risk >= threshold
        assert time[group].max() < at
        ends_with_event = event[group][time[group].argmax()]
        assert np.isnan(value) != ends_with_event


def test_uncensored_data_agree_with_the_binary_dcurves():
    table = example("df_binary")
    event = table["cancer"].to_numpy(bool)
    risk = table["cancerpredmarker"].to_numpy()
    own = net_benefit(risk, np.where(event, 1.0, 3.0), event, at=2.0, thresholds=THRESHOLDS)
    theirs = reference(table).loc["cancerpredmarker"]
    for column, field in REFERENCE.items():
        if column in theirs:
            np.testing.assert_allclose(getattr(own, field)[0], theirs[column], atol=1e-12)


def test_competing_risks_agree_with_aalen_johansen_of_scikit_survival(cancer):
    """dcurves has no competing risks."""
    time, risk = cancer["ttcancer"].to_numpy(), cancer["cancerpredmarker"].to_numpy()
    cause = cancer["cancer_cr"].map({"censor": 0, "diagnosed with cancer": 1}).fillna(2).to_numpy()
    assert set(cause) == {0, 1, 2}
    thresholds, at = np.arange(0, 0.5, 0.02), 1.5
    own = net_benefit(risk, time, cause == 1, at=at, thresholds=thresholds, competing=cause == 2)
    for place, threshold in enumerate(thresholds):
        group = risk >= threshold
        times, incidence = cumulative_incidence_competing_risks(
            cause[group].astype(int), time[group]
        )
        expected = incidence[1][np.searchsorted(times, at, side="right") - 1] * group.mean()
        assert own.true_positives[0, place] == pytest.approx(expected, abs=1e-12)
        false = group.mean() - expected
        odds = threshold / (1 - threshold)
        assert own.net_benefit[0, place] == pytest.approx(expected - odds * false, abs=1e-12)


@pytest.mark.parametrize("competes", [False, True])
def test_a_resample_is_the_sample_with_its_rows_repeated(competes):
    time, event = tied_outcomes(150, seed=1)
    generator = np.random.default_rng(2)
    risk = np.round(generator.uniform(size=150), 2)
    competing = event & (generator.uniform(size=150) < 0.4) & competes
    event &= ~competing
    counts = resample_counts(150, resamples=8, seed=0)
    how = {"at": 5.0, "thresholds": np.arange(0, 1, 0.03)}
    resampled = net_benefit(risk, time, event, competing=competing, counts=counts, **how)
    for row, drawn in enumerate(counts.astype(int)):
        columns = [np.repeat(each, drawn) for each in (risk, time, event, competing)]
        alone = net_benefit(*columns[:3], competing=columns[3], **how)
        for several, single in zip(resampled, alone, strict=True):
            np.testing.assert_allclose(several[row], single[0], atol=1e-5)


def test_the_interval_is_that_of_a_mean_without_censoring():
    generator = np.random.default_rng(3)
    n, threshold = 2000, 0.3
    risk = generator.uniform(size=n)
    event = generator.uniform(size=n) < risk
    counts = resample_counts(n, resamples=4000, seed=0)
    time = np.where(event, 1.0, 3.0)
    curves = curves_of({"true": risk}, time, event, thresholds=[threshold], counts=counts)
    gains = (risk >= threshold) * (event - (1 - event) * threshold / (1 - threshold))
    curve = curves["true"]
    assert curve.net_benefit[0] == pytest.approx(gains.mean(), abs=1e-12)
    half = 1.96 * gains.std() / np.sqrt(n)
    low, high = curve.interval()
    assert low[0] == pytest.approx(gains.mean() - half, abs=0.1 * half)
    assert high[0] == pytest.approx(gains.mean() + half, abs=0.1 * half)


def test_who_is_treated():
    time, event = np.array([1.0, 3.0, 3.0, 1.0]), np.array([True, False, False, True])
    own = net_benefit([0.0, 0.2, 0.2, 1.0], time, event, at=2, thresholds=[0, 0.2, 0.3, 0.999])
    # At a threshold of 0 that is everybody; dcurves would leave out a risk of exactly 0.
    np.testing.assert_array_equal(own.treated[0], [1, 0.75, 0.25, 0.25])
    assert own.net_benefit[0, 0] == own.treat_all[0, 0] == 0.5
    assert own.net_benefit[0, 1] == pytest.approx(0.25 - 0.5 * 0.2 / 0.8)
    nobody = net_benefit([0.1] * 4, time, event, at=2, thresholds=[0.5])
    assert (nobody.net_benefit, nobody.treated, nobody.true_positives) == (0, 0, 0)
    assert nobody.treat_all == 0


def test_an_event_counts_until_the_time_and_a_censoring_then_is_followed():
    time, event = np.array([2.0, 2.0, 2.0, 5.0]), np.array([True, False, False, True])
    own = net_benefit([0.9] * 4, time, event, at=2, thresholds=[0.5])
    assert own.true_positives[0, 0] == 0.25
    known = net_benefit([0.9, 0.9, 0.9, 0.1], time, event, at=2, thresholds=[0.5])
    assert known.true_positives[0, 0] == pytest.approx(0.25)


def curves_of(risks, time, event, at=2.0, thresholds=(0.1, 0.5), **optional):
    predictions = {
        name: SurvivalPrediction(
            np.array([0.0, at]), np.column_stack([np.ones(len(time)), 1 - np.asarray(risk)])
        )
        for name, risk in risks.items()
    }
    data = survival_data(np.asarray(time), np.asarray(event))
    return decision_curves(
        predictions, data, at=at, thresholds=np.array(thresholds), min_at_risk=0, **optional
    )


def test_what_is_undefined_says_why():
    time, event = [1.0, 1.5, 3.0, 3.0], [True, False, False, True]
    curve = curves_of({"m": [0.6, 0.6, 0.1, 0.2]}, time, event, thresholds=(0.1, 0.5, 1.0))["m"]
    np.testing.assert_array_equal(np.isnan(curve.net_benefit), [False, True, True])
    assert curve.reasons[0] is None
    assert curve.reasons[1] == "none of the 2 treated is followed to time 2"
    assert curve.reasons[2] == "at a threshold of 1 a false positive has no finite weight"
    assert curve.useful_thresholds() == [(0.1, 0.1)]
    ends_with_event = curves_of({"m": [0.6, 0.6, 0.1, 0.2]}, [1.0, 1.5, 3, 3], [False, True, 0, 1])
    assert ends_with_event["m"].estimate.true_positives[1] == 0.5
    assert ends_with_event["m"].reasons == (None, None)


def test_few_resamples_are_no_interval():
    time, event = [1.0, 1.5, 1.9, *[3.0] * 20], [True, False, False, *[False] * 20]
    counts = resample_counts(23, resamples=200, seed=0)
    risks = {"m": [0.6, 0.6, 0.6, 0.6, *[0.2] * 19]}  # one of the four is followed to the time
    curve = curves_of(risks, time, event, counts=counts)["m"]
    undefined = np.isnan(curve.resampled).mean(axis=0)
    assert undefined[0] == 0
    assert 0.2 < undefined[1] < 0.5
    low, high = curve.interval()
    assert np.isfinite([low[0], high[0]]).all()
    assert np.isnan([low[1], high[1]]).all()
    assert not curve.is_useful(surely=True)[1]


@pytest.fixture(scope="module")
def three():
    """A calibrated model, the same ranking with risks of half the size, and chance."""
    generator = np.random.default_rng(4)
    risk = generator.beta(1.2, 2, size=1500)
    event = generator.uniform(size=1500) < risk
    time = np.where(event, 1.0, 3.0)
    risks = {"calibrated": risk, "halved": risk / 2, "chance": np.full(1500, event.mean())}
    counts = resample_counts(1500, resamples=300, seed=0)
    return curves_of(risks, time, event, thresholds=np.arange(1, 100) / 100, counts=counts)


def test_where_a_model_is_useful(three):
    calibrated = three["calibrated"]
    surely = calibrated.useful_thresholds(surely=True)
    low, high = max(surely, key=lambda each: each[1] - each[0])
    assert low < 0.2
    assert high > 0.7
    assert any(start <= low and end >= high for start, end in calibrated.useful_thresholds())
    assert calibrated.is_useful(surely=True).sum() < calibrated.is_useful().sum()
    assert three["chance"].useful_thresholds() == []
    # Above a half, halved risks treat nobody, and below they treat too few.
    assert three["halved"].useful_thresholds()[-1][1] <= 0.5
    others = [three["halved"], three["chance"]]
    sure = calibrated.useful_thresholds(others, surely=True)
    assert max(end - start for start, end in sure) > 0.4
    assert three["halved"].useful_thresholds([calibrated], surely=True) == []


def test_differences_are_paired(three):
    calibrated, halved = three["calibrated"], three["halved"]
    difference = calibrated.minus(halved)
    np.testing.assert_allclose(difference.difference, calibrated.net_benefit - halved.net_benefit)
    place = 29
    resampled = calibrated.resampled[:, place] - halved.resampled[:, place]
    assert difference.low[place] == np.quantile(resampled, 0.025)
    width = np.subtract(*np.array(calibrated.interval())[::-1, place])
    assert difference.high[place] - difference.low[place] < width
    itself = calibrated.minus(calibrated)
    assert (itself.difference == 0).all()
    assert (itself.low == 0).all()


def test_interventions_avoided(three):
    calibrated = three["calibrated"]
    threshold, place = 0.3, 29
    avoided = calibrated.interventions_avoided[place]
    gain = calibrated.net_benefit[place] - calibrated.estimate.treat_all[place]
    assert avoided == pytest.approx(gain / (threshold / (1 - threshold)))
    assert (three["chance"].interventions_avoided[:36] == 0).all()


def test_curves_of_other_thresholds_are_not_compared(three):
    other = curves_of({"m": [0.2, 0.3]}, [1.0, 3.0], [True, False])["m"]
    with pytest.raises(
        InputError, match="time 2 with 2 thresholds; both must be those of this one"
    ):
        three["chance"].minus(other)


def test_when_there_are_no_curves():
    prediction = SurvivalPrediction(np.array([0.0, 5.0]), np.array([[1, 0.5]] * 4))
    data = survival_data(np.array([1.0, 2, 3, 3]), np.array([True, True, False, False]))
    assert why_no_curves({"m": prediction}, data, 2.5, min_at_risk=2) is None
    assert why_no_curves({"m": prediction}, data, 2.5, min_at_risk=3) == (
        "2 of 4 subjects are still at risk, fewer than 3"
    )
    assert why_no_curves({"m": prediction}, data, 6.0) == "the prediction of m ends at time 5"
    late = survival_data(data.time, data.event, entry=np.array([0.5, 0, 0, 0]))
    assert "under observation late" in str(why_no_curves({"m": prediction}, late, 2.5))
    with pytest.raises(InputError, match=r"no decision curves at time 2\.5: .*late"):
        decision_curves({"m": prediction}, late, at=2.5)


def test_a_time_that_differs_by_rounding_is_that_time():
    at = 0.1 + 0.2
    time, event = np.array([0.3, 0.3, 1, 1, 0.3]), np.array([True, False, False, True, False])
    curve = curves_of({"m": [0.6] * 5}, time, event, at=at, thresholds=(0.5,))["m"]
    assert curve.estimate.true_positives[0] == pytest.approx(0.2)
    assert curve.at_risk == 2
    assert curve.observed == pytest.approx(0.2)


def test_the_risk_of_a_cause_is_its_cumulative_incidence():
    incidence = np.array([[[0, 0.1], [0, 0.3]], [[0, 0.2], [0, 0.4]]])
    prediction = SurvivalPrediction(
        np.array([0.0, 2.0]), 1 - incidence.sum(axis=1), cumulative_incidence=incidence
    )
    np.testing.assert_allclose(predicted_risk(prediction, 2.0, 2), [0.3, 0.4])
    np.testing.assert_allclose(predicted_risk(prediction, 2.0), [0.4, 0.6])


@pytest.mark.parametrize(
    ("low", "high", "step", "ends"),
    [
        (0, 0.99, 0.01, (0.01, 0.99)),
        (0.05, 0.5, 0.01, (0.05, 0.5)),
        (0.0, 0.067, 0.002, (0.002, 0.066)),
        (0.101, 0.2, 0.002, (0.102, 0.2)),
        (0, 0.00001, None, (0.00001, 0.00001)),
    ],
)
def test_ranges_of_thresholds(low, high, step, ends):
    thresholds = threshold_range(low, high)
    assert (thresholds[0], thresholds[-1]) == ends
    if step:
        np.testing.assert_allclose(np.diff(thresholds), step)
        assert (thresholds == np.round(thresholds, 4)).all()


def test_thresholds_end_where_nobody_is_treated():
    risk = np.linspace(0, 0.4, 100)
    assert shown_thresholds([risk / 2, risk], 0.1)[-1] == 0.36  # nine are above it
    assert shown_thresholds([risk], 0.6)[-1] == 0.6
    assert shown_thresholds([np.ones(3)], 0.6)[-1] == 0.99


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"risk": [0.1, np.nan]}, r"risk of row 1 is nan; it must be in \[0, 1\]"),
        ({"risk": [0.1, 1.5]}, "risk of row 1 is 1.5"),
        ({"risk": [0.1]}, r"columns of one length, at least 1; their shapes are \(1,\)"),
        ({"at": 0.0}, "at is 0.0; it must be a time above 0"),
        ({"at": np.nan}, "at is nan"),
        ({"thresholds": [0.5, 0.2]}, "thresholds are 0.5 0.2; they must increase"),
        ({"thresholds": [-0.1]}, "from at least 0 to 1 at most"),
        ({"thresholds": []}, "they must increase"),
        ({"thresholds": [np.nan]}, "they must increase"),
    ],
)
def test_what_is_refused(changed, message):
    arguments = {"risk": [0.1, 0.2], "at": 2.0, "thresholds": [0.1, 0.5], **changed}
    with pytest.raises(InputError, match=message):
        net_benefit(time=np.array([1.0, 3.0]), event=np.array([True, False]), **arguments)
