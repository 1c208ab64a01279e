"""Model inputs read in the units of the table that they were made from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survkit.datasets.preprocessing import Preprocessor
from survkit.explain.units import Unit, Value, number_text, units_of, values_of

TRAINING = pd.DataFrame(
    {
        "age": [40.0, 71.0, 55.5, 62.0],
        "lab": [1.0, np.nan, 3.0, 2.5],
        "stage": ["I", "II", "I", None],
        "stay": [1.0, 5.0, 9.0, 30.0],
    }
)
PREPROCESSOR = Preprocessor.fit(TRAINING, categorical=["stage"], quantile_bins={"stay": 2})
UNITS = units_of(PREPROCESSOR.feature_names, PREPROCESSOR)


def read(frame: pd.DataFrame, *, raw: bool) -> list[dict[str, Value]]:
    features = PREPROCESSOR.transform(frame)[0].astype(np.float64)
    values = values_of(UNITS, features, frame if raw else None)
    return [dict(zip([unit.name for unit in UNITS], row, strict=True)) for row in values]


def test_a_patients_own_table_is_shown_as_it_is() -> None:
    frame = pd.DataFrame(
        {"age": [71.25, 60], "lab": [np.nan, 2], "stage": ["IV", None], "stay": [6, 7]}
    )
    new, missing = read(frame, raw=True)
    assert new == {
        "age": Value("71.25"),
        "lab": Value("missing (2.5 used)", known=False),
        "lab_missing": Value("yes"),
        "stage": Value("IV (not in training)", known=False),
        "stay": Value("above 5"),
    }
    assert missing["lab"] == Value("2")
    assert missing["stage"] == Value("missing", known=False)


def test_without_the_table_numbers_are_scaled_back() -> None:
    frame = TRAINING.assign(stage=["II", "I", "V", None])
    first, second, third, fourth = read(frame, raw=False)
    assert [each["age"].text for each in (first, second, third)] == ["40", "71", "55.5"]
    assert second["lab"] == Value("missing (2.5 used)", known=False)
    assert first["stage"] == Value("II")
    assert first["stay"] == Value("up to 5")
    assert third["stage"] == fourth["stage"] == Value("missing or not in training", known=False)


@given(
    value=st.integers(-99_999, 99_999),
    places=st.integers(0, 4),
    mean=st.floats(-1e3, 1e3),
    scale=st.floats(1, 1e3),
)
def test_five_digits_survive_single_precision(
    value: int, places: int, mean: float, scale: float
) -> None:
    number = value / 10**places
    noise = scale * max(abs((number - mean) / scale), 1) * 2.0**-22
    text = Unit("x", mean, scale).text(float(np.float32((number - mean) / scale)))
    if noise < 0.1 / 10**places:
        assert text == number_text(number)
    assert float(text) == pytest.approx(number, abs=6 * noise + 1e-4 * abs(number))


def test_inputs_that_nothing_preprocessed_stay_as_they_are() -> None:
    units = units_of(["pixel 3"], None)
    assert values_of(units, np.array([[0.50196081]])) == [[Value("0.501961")]]


def test_whole_numbers_have_no_decimals() -> None:
    assert [number_text(x) for x in (71.0, -0.0, 1234567.0, 0.1)] == ["71", "0", "1234567", "0.1"]
