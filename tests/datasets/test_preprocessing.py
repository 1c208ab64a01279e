import json

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from survkit.datasets.one_hot import one_hot
from survkit.datasets.preprocessing import Preprocessor
from survkit.types import CategoricalColumn, InputError, SurvivalData

TRAIN = pd.DataFrame(
    {
        "age": [20.0, 30.0, 40.0, 50.0],
        "crea": [1.0, np.nan, 3.0, np.nan],
        "alb": [np.nan, 2.0, 2.0, 4.0],
        "stage": ["II", "I", None, "III"],
        "day": [1, 1, 2, 9],
    }
)


def fitted(**changes):
    settings = {"categorical": ["stage"], "impute": {"alb": 3.5}, "quantile_bins": {"day": 4}}
    return Preprocessor.fit(TRAIN, **(settings | changes))


def test_features_are_numbers_then_indicators_then_codes():
    preprocessor = fitted()
    assert preprocessor.feature_names == (
        "age",
        "crea",
        "alb",
        "crea_missing",
        "alb_missing",
        "stage",
        "day",
    )
    assert preprocessor.categorical == (CategoricalColumn(5, 4), CategoricalColumn(6, 4))
    features, warnings = preprocessor.transform(TRAIN)
    assert features.dtype == np.float32
    assert warnings == ()
    np.testing.assert_array_equal(features[:, 3], [0, 1, 0, 1])
    np.testing.assert_array_equal(features[:, 4], [1, 0, 0, 0])
    np.testing.assert_array_equal(features[:, 5], [2, 1, 0, 3])
    # Quartiles of 1, 1, 2, 9 at or below an observed value: 1, 1, 2.
    np.testing.assert_array_equal(features[:, 6], [1, 1, 2, 3])


def test_numbers_are_imputed_then_scaled():
    features, _ = fitted().transform(TRAIN)
    for column, filled in ((1, [1.0, 2.0, 3.0, 2.0]), (2, [3.5, 2.0, 2.0, 4.0])):
        expected = (np.array(filled) - np.mean(filled)) / np.std(filled)
        np.testing.assert_allclose(features[:, column], expected, rtol=1e-6)


def test_new_rows_use_the_training_statistics():
    new = pd.DataFrame(
        {"day": [100, None], "stage": ["IV", "I"], "alb": [3.5, None], "crea": 2.0, "age": 35.0}
    )
    features, warnings = fitted().transform(new)
    np.testing.assert_allclose(features[:, :2], 0.0, atol=1e-7)
    assert features[0, 2] == features[1, 2]
    np.testing.assert_array_equal(features[:, 5:], [[0, 3], [1, 0]])
    assert len(warnings) == 1
    assert "'stage': 1 of 2 rows" in warnings[0]
    assert "IV" in warnings[0]


def test_a_number_first_missing_after_training_is_warned_about():
    new = TRAIN.assign(age=[np.nan, 20, 20, 20])
    features, warnings = fitted().transform(new)
    assert features[0, 0] == pytest.approx(0.0)
    assert warnings == ("column 'age': missing in 1 of 4 rows, but in no training row; 35 is used",)


def test_uninformative_columns_are_dropped_with_a_warning():
    frame = TRAIN.assign(
        constant=0.1, never=np.nan, word="same", half=[5, 5, None, 5], nothing=[None] * 4
    )
    preprocessor = Preprocessor.fit(frame, categorical=["stage", "word", "nothing"])
    names = preprocessor.feature_names
    assert not {"constant", "never", "word", "half", "nothing", "never_missing"} & set(names)
    # That a constant was not measured is still information.
    assert "half_missing" in names
    assert preprocessor.warnings == (
        "column 'constant' dropped: it is 0.1 in every training row",
        "column 'never' dropped: no training row has it",
        "column 'word' dropped: it is same in every training row",
        "column 'half' dropped: it is 5.0 in every training row",
        "column 'nothing' dropped: no training row has it",
    )


def test_a_category_reads_the_same_as_int_float_and_text():
    preprocessor = Preprocessor.fit(pd.DataFrame({"g": [0, 1, 2]}), categorical=["g"])
    for same in ([0.0, 1.0, 2.0], ["0", "1", "2"], pd.Categorical([0, 1, 2])):
        features, warnings = preprocessor.transform(pd.DataFrame({"g": same}))
        np.testing.assert_array_equal(features[:, 0], [1, 2, 3])
        assert warnings == ()


def test_state_is_plain_and_complete():
    preprocessor = fitted()
    again = Preprocessor.from_state(json.loads(json.dumps(preprocessor.state())))
    assert again == preprocessor
    np.testing.assert_array_equal(again.transform(TRAIN)[0], preprocessor.transform(TRAIN)[0])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (TRAIN.drop(columns=["crea", "day"]), "missing columns crea, day"),
        (
            TRAIN.assign(age=["20", "x", "40", "y"]),
            r"column 'age', data row 2: 'x', which is not a number",
        ),
        (
            TRAIN.assign(crea=[1.0, 2.0, np.inf, 1.0]),
            r"column 'crea', data row 3: 'inf', which is infinite",
        ),
        (TRAIN.assign(age=[1.0, 2.0, 3.0, 1e300]), r"column 'age', data row 4: .* beyond 1e"),
    ],
)
def test_bad_new_rows_are_named(frame, message):
    with pytest.raises(InputError, match=message):
        fitted().transform(frame)


def test_bad_training_columns_are_named():
    with pytest.raises(InputError, match="crea_missing has the name of a missing-indicator"):
        Preprocessor.fit(TRAIN[["crea"]].assign(crea_missing=[1, 2, 3, 4]))
    with pytest.raises(InputError, match=r"no feature is left: .*'a' dropped"):
        Preprocessor.fit(pd.DataFrame({"a": [1, 1]}))
    with pytest.raises(InputError, match=r"column 'a', data row 1: .* beyond 1e\+18"):
        Preprocessor.fit(pd.DataFrame({"a": [1e308, -1e308, 1e308]}))


def test_one_hot_keeps_every_value_and_turns_missing_into_zeros():
    data = SurvivalData(
        features=np.array([[2, 0.5, 1], [0, -1.0, 2]], dtype=np.float32),
        event=[True, False],
        time=[1.0, 2.0],
        feature_names=("stage", "age", "sex"),
        categorical=(CategoricalColumn(0, 4), CategoricalColumn(2, 3)),
    )
    matrix, names = one_hot(data.features, data.categorical, data.feature_names)
    assert names == ("age", "stage=1", "stage=2", "stage=3", "sex=1", "sex=2")
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, [[0.5, 0, 1, 0, 1, 0], [-1.0, 0, 0, 0, 0, 1]])


numbers = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6, width=32))
tables = st.integers(2, 12).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float64, (n, 3), elements=numbers),
        st.lists(st.sampled_from(["a", "b", "c", None]), min_size=n, max_size=n),
    )
)


@settings(max_examples=60, deadline=None)
@given(tables)
def test_training_rows_come_out_standardised_and_finite(table):
    values, words = table
    # Two different values, so that at least one column is kept.
    frame = pd.DataFrame({"x": values[:, 0], "y": values[:, 1], "word": words, "bin": values[:, 2]})
    frame["kept"] = np.arange(len(frame))
    preprocessor = Preprocessor.fit(frame, categorical=["word"], quantile_bins={"bin": 3})
    features, warnings = preprocessor.transform(frame)
    assert features.shape == (len(frame), len(preprocessor.feature_names))
    assert np.isfinite(features).all()
    assert warnings == ()
    scaled = features[:, : len(preprocessor.numeric)].astype(np.float64)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-5)
    for column, cardinality in preprocessor.categorical:
        codes = features[:, column]
        assert set(codes) <= set(range(cardinality))
    for name in preprocessor.indicators:
        column = preprocessor.feature_names.index(f"{name}_missing")
        np.testing.assert_array_equal(features[:, column], frame[name].isna())


@settings(max_examples=40, deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_row_order_does_not_matter(table, random):
    values, words = table
    frame = pd.DataFrame({"x": values[:, 0], "y": values[:, 1], "word": words})
    frame["kept"] = np.arange(len(frame))
    order = list(range(len(frame)))
    random.shuffle(order)
    one = Preprocessor.fit(frame, categorical=["word"])
    two = Preprocessor.fit(frame.iloc[order], categorical=["word"])
    assert one.feature_names == two.feature_names
    np.testing.assert_allclose(
        one.transform(frame)[0][order], two.transform(frame.iloc[order])[0], rtol=1e-4, atol=1e-4
    )
