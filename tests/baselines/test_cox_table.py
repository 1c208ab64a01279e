from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi

from survkit.baselines.cox_table import HazardRatios, hazard_ratios
from survkit.baselines.coxph import CoxPH
from survkit.baselines.effects import effects_of
from survkit.datasets.preprocessing import Preprocessor
from survkit.types import SurvivalData, TimeGrid

CATEGORIES = ("kind",)


def made_from(
    frame: pd.DataFrame, event: np.ndarray, time: np.ndarray, **preprocessing: Any
) -> tuple[SurvivalData, Preprocessor]:
    """Survival data made from a raw table, as a dataset's training rows are."""
    categorical = [name for name in CATEGORIES if name in frame]
    preprocessor = Preprocessor.fit(frame, categorical=categorical, **preprocessing)
    features, _ = preprocessor.transform(frame)
    data = SurvivalData(
        features,
        np.asarray(event, bool),
        np.asarray(time, float),
        feature_names=preprocessor.feature_names,
        categorical=preprocessor.categorical,
    )
    return data, preprocessor


def table(
    frame: pd.DataFrame, event: np.ndarray, time: np.ndarray, alpha: float = 1e-3, **more: Any
) -> HazardRatios:
    data, preprocessor = made_from(frame, event, time, **more)
    grid = TimeGrid.evenly_spaced(float(np.max(time)), 20)
    model = CoxPH(grid=grid, alpha=alpha).fit(data, data)
    return hazard_ratios(model, data, preprocessor)


def mixed(rows: int = 200) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """A number in large units, one with missing values, and a category with missing values."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "weight": 80_000 + 9_000 * rng.normal(size=rows),
            "lab": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows)),
            "kind": rng.choice(["b", "b", "a", "c", None], size=rows),
        }
    )
    hazard = np.exp((frame["weight"] - 80_000) / 20_000 + 0.7 * (frame["kind"] == "a"))
    time = rng.exponential(1 / hazard)
    censoring = rng.uniform(0.2, 3, rows)
    return frame, time <= censoring, np.minimum(time, censoring)


def by_name(ratios: HazardRatios) -> dict[str, dict[str, Any]]:
    return {":".join(filter(None, (row["feature"], row["level"]))): row for row in ratios.rows}


def test_rossi_as_published() -> None:
    """Fox and Weisberg (2011), R's coxph: the numbers are for one unit of the source."""
    frame = load_rossi()
    ratios = table(frame.drop(columns=["week", "arrest"]), frame["arrest"], frame["week"])
    rows = by_name(ratios)
    assert rows["fin"]["hazard_ratio"] == pytest.approx(0.684, abs=5e-4)
    assert rows["fin"]["low"] == pytest.approx(0.470, abs=5e-4)
    assert rows["fin"]["high"] == pytest.approx(0.996, abs=5e-4)
    assert rows["fin"]["p"] == pytest.approx(0.047, abs=5e-4)
    assert rows["age"]["hazard_ratio"] == pytest.approx(0.944, abs=5e-4)
    assert rows["age"]["p"] == pytest.approx(0.009, abs=5e-4)
    assert rows["prio"]["hazard_ratio"] == pytest.approx(1.096, abs=5e-4)
    assert [test["feature"] for test in ratios.proportional_hazards] == [*rows, None]
    overall = ratios.proportional_hazards[-1]
    assert overall["degrees_of_freedom"] == 7
    assert overall["p"] == pytest.approx(0.0136, abs=5e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # lifelines under pandas 3
def test_units_categories_and_missing_values_are_those_of_the_source() -> None:
    frame, event, time = mixed()
    ratios = table(frame, event, time)
    rows = by_name(ratios)
    assert list(rows) == ["weight", "lab", "lab_missing:yes", "kind:a", "kind:c", "kind:missing"]
    assert {row["reference"] for row in ratios.rows} == {None, "no", "b"}

    raw = pd.DataFrame(
        {
            "weight": frame["weight"] / 1000,  # lifelines wants sensible scales
            "lab": frame["lab"].fillna(frame["lab"].median()),
            "lab_missing:yes": frame["lab"].isna().astype(float),
            **{f"kind:{kind}": (frame["kind"] == kind).astype(float) for kind in "ac"},
            "kind:missing": frame["kind"].isna().astype(float),
        }
    )
    reference = CoxPHFitter().fit(raw.assign(time=time, event=event), "time", "event").summary
    for name, row in rows.items():
        unit = 1000 if name == "weight" else 1
        line = reference.loc[name]
        assert unit * row["coefficient"] == pytest.approx(line["coef"], rel=1e-3)
        assert unit * row["standard_error"] == pytest.approx(line["se(coef)"], rel=1e-3)
        assert row["p"] == pytest.approx(line["p"], rel=1e-2)
        if unit == 1:
            assert row["low"] == pytest.approx(line["exp(coef) lower 95%"], rel=1e-3)
            assert row["high"] == pytest.approx(line["exp(coef) upper 95%"], rel=1e-3)


def test_the_trained_model_is_in_the_same_units_and_against_the_same_reference() -> None:
    frame, event, time = mixed()
    data, preprocessor = made_from(frame, event, time)
    model = CoxPH(grid=TimeGrid.evenly_spaced(3.0, 20), alpha=0.02).fit(data, data)
    ratios = hazard_ratios(model, data, preprocessor)
    rows = by_name(ratios)

    def log_risk(**changes: Any) -> float:
        row = pd.DataFrame([{"weight": 80_000.0, "lab": 0.0, "kind": "b"} | changes])
        features, _ = preprocessor.transform(row)
        return float(model.columns.one_hot(features)[0] @ model.coefficients)

    for name, changes in {
        "kind:a": {"kind": "a"},
        "kind:missing": {"kind": None},
        "lab": {"lab": 1.0},
    }.items():
        expected = log_risk(**changes) - log_risk()
        assert rows[name]["model_coefficient"] == pytest.approx(expected, abs=1e-5)
    heavier = log_risk(weight=90_000.0) - log_risk()
    assert 10_000 * rows["weight"]["model_coefficient"] == pytest.approx(heavier, rel=1e-4)
    assert abs(rows["weight"]["model_coefficient"]) < abs(rows["weight"]["coefficient"])
    assert "penalised (--cox_alpha 0.02" in ratios.notes[-1]


def test_without_a_penalty_both_fits_agree() -> None:
    ratios = table(*mixed(), alpha=0.0)
    for row in ratios.rows:
        assert row["model_coefficient"] == pytest.approx(row["coefficient"], rel=1e-2, abs=1e-7)
    assert "no penalty either" in ratios.notes[-1]


def test_bins_are_named_by_their_edges() -> None:
    frame, event, time = mixed()
    data, preprocessor = made_from(
        frame[["weight", "kind"]].round(-3), event, time, quantile_bins={"weight": 3}
    )
    levels = [effect.level for effect in effects_of(data, preprocessor)][:2]
    (binned,) = (column for column in preprocessor.coded if column.name == "weight")
    low, high = (f"{edge:g}" for edge in binned.edges)  # type: ignore[union-attr]
    assert set(levels) < {f"up to {low}", f"above {low} to {high}", f"above {high}"}


PROBLEMS = {
    "a copy of the time": (
        lambda frame, event, time: frame.assign(extra=time),
        "'extra' would have an infinite effect",
    ),
    "minus the time": (
        lambda frame, event, time: frame.assign(extra=-time),
        "'extra' would have an infinite effect",
    ),
    "1 only for events": (
        lambda frame, event, time: frame.assign(extra=event.astype(float)),
        "'extra' would have an infinite effect",
    ),
    "a sum that orders the times": (
        lambda frame, event, time: frame.assign(extra=time - frame["weight"] / 1e4),
        "together 'weight', 'extra' separate those with an event",
    ),
}


@pytest.mark.parametrize("kind", PROBLEMS)
def test_without_an_unpenalised_fit_the_columns_are_named(kind: str) -> None:
    frame, event, time = mixed()
    change, said = PROBLEMS[kind]
    ratios = table(change(frame[["weight"]], event, time), event, time, alpha=0.05)
    assert any("There is no unpenalised fit: " + said in note for note in ratios.notes)
    assert all(row["p"] is None and row["hazard_ratio"] is None for row in ratios.rows)
    assert all(row["model_hazard_ratio"] > 0 for row in ratios.rows)
    assert ratios.proportional_hazards == []
    assert not any("Wald" in note for note in ratios.notes)


def test_a_category_without_events_is_named() -> None:
    frame, event, time = mixed()
    censored = np.flatnonzero(~event)[:4]
    frame.loc[censored, "kind"] = "rare"
    ratios = table(frame, event, time)
    assert any("'kind: rare' would have an infinite effect" in note for note in ratios.notes)


def test_collinear_columns_are_left_out_and_named() -> None:
    frame, event, time = mixed()
    frame = frame[["weight", "lab"]].assign(
        pounds=frame["weight"] / 453.6,
        both=frame["weight"] + 1000 * frame["lab"].fillna(frame["lab"].median()),
    )
    ratios = table(frame, event, time)
    rows = by_name(ratios)
    assert any(
        "'pounds' has no hazard ratio of its own: it is collinear with 'weight'" in note
        for note in ratios.notes
    )
    assert any("'both' has no hazard" in n and "'weight', 'lab'" in n for n in ratios.notes)
    assert rows["pounds"]["p"] is None
    assert rows["both"]["hazard_ratio"] is None
    without = by_name(table(frame[["weight", "lab"]], event, time))
    for name in ("weight", "lab", "lab_missing:yes"):
        assert rows[name]["hazard_ratio"] == pytest.approx(without[name]["hazard_ratio"], rel=1e-6)


def test_more_columns_than_events_and_constant_columns() -> None:
    rng = np.random.default_rng(0)
    columns = {f"x{j}": rng.normal(size=40) for j in range(45)}
    ratios = table(pd.DataFrame(columns), np.ones(40), rng.exponential(size=40), alpha=0.1)
    assert any("45 columns are more than the 40 events" in note for note in ratios.notes)
    frame, event, time = mixed()
    data, preprocessor = made_from(frame[["weight", "kind"]], event, time)
    rows = np.flatnonzero(data.features[:, 1] == 2)  # as where rows are left out of the training
    part = data.subset(rows)
    model = CoxPH(grid=TimeGrid.evenly_spaced(3.0, 20)).fit(part, part)
    ratios = hazard_ratios(model, part, preprocessor)
    assert list(by_name(ratios)) == ["weight"]


def test_a_wide_table_keeps_the_effects_that_are_not_0() -> None:
    rng = np.random.default_rng(0)
    columns = {f"x{j}": rng.normal(size=60) for j in range(250)}
    time = rng.exponential(np.exp(-2 * columns["x3"]))
    ratios = table(pd.DataFrame(columns), np.ones(60), time, alpha=0.3)
    assert "x3" in by_name(ratios)
    assert 0 < len(ratios.rows) < 250
    assert (
        ratios.notes[-1]
        == f"{250 - len(ratios.rows)} effects that the model sets to 0 are left out."
    )


def test_several_rows_a_subject_are_warned_of() -> None:
    frame, event, time = mixed()
    data, preprocessor = made_from(frame, event, time)
    repeated = SurvivalData(
        data.features,
        data.event,
        data.time,
        feature_names=data.feature_names,
        categorical=data.categorical,
        subject_id=np.arange(len(data)) // 2,
    )
    model = CoxPH(grid=TimeGrid.evenly_spaced(3.0, 20)).fit(repeated, repeated)
    notes = hazard_ratios(model, repeated, preprocessor).notes
    assert any("intervals are too narrow" in note for note in notes)


def test_features_without_a_preprocessor_stay_as_they_are(small_data: SurvivalData) -> None:
    model = CoxPH(grid=TimeGrid.evenly_spaced(3.0, 20)).fit(small_data, small_data)
    ratios = hazard_ratios(model, small_data, None)
    assert list(by_name(ratios))[:4] == ["x0", "x1", "x2", "x3"]
    assert ratios.rows[0]["coefficient"] == pytest.approx(1.5, abs=0.5)
    assert ratios.rows[4]["feature"] == "x4"
    assert {ratios.rows[4]["level"], ratios.rows[4]["reference"]} < {"1", "2", "missing"}


def test_a_failure_is_a_note(small_data: SurvivalData, monkeypatch: pytest.MonkeyPatch) -> None:
    model = CoxPH(grid=TimeGrid.evenly_spaced(3.0, 20)).fit(small_data, small_data)

    def fail(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr("survkit.baselines.cox_table.effects_of", fail)
    assert hazard_ratios(model, small_data, None) == HazardRatios(
        [], ["There is no table of hazard ratios: MemoryError('no room')."], []
    )
