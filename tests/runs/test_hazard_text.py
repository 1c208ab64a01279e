from __future__ import annotations

from typing import Any

import pytest

from survkit.runs.hazard_text import hazard_ratio_cells, p_text

NUMBERS = ("coefficient", "standard_error", "hazard_ratio", "low", "high", "p")


def row(feature: str, level: str | None = None, **numbers: float) -> dict[str, Any]:
    reference = None if level is None else "none"
    own = {"model_coefficient": 0.0, "model_hazard_ratio": 1.0}
    return (
        {"feature": feature, "level": level, "reference": reference}
        | dict.fromkeys(NUMBERS)
        | own
        | numbers
    )


FITTED = {"hazard_ratio": 0.684, "low": 0.47, "high": 0.996, "p": 0.0473}


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.6843, "0.684"),
        (1.0, "1.000"),
        (1.00042, "1.00042"),
        (1 - 3e-7, "0.99999970"),
        (23.456, "23.456"),
        (123456.0, "1.2e+05"),
        (1e-9, "1.0e-09"),
        (0.0, "0.000"),
        (None, ""),
    ],
)
def test_a_ratio_has_the_decimals_that_tell_it_from_1(ratio: float | None, text: str) -> None:
    only = [row("age") | {"model_hazard_ratio": ratio}]
    record = {"hazard_ratios": only, "hazard_ratio_notes": [], "proportional_hazards": []}
    assert hazard_ratio_cells(record).rows[0][-1] == text


def test_p_values_are_never_0() -> None:
    assert [p_text(p) for p in (0.0473, 0.0009, 0.0, None)] == ["0.047", "<0.001", "<0.001", ""]


def test_the_test_stands_in_the_first_row_of_a_feature() -> None:
    tests = [
        {"feature": "stage", "statistic": 3.0, "degrees_of_freedom": 2, "p": 0.22},
        {"feature": None, "statistic": 30.06, "degrees_of_freedom": 3, "p": 1e-6},
    ]
    cells = hazard_ratio_cells(
        {
            "hazard_ratios": [
                row("stage", "one", **FITTED),
                row("stage", "two"),
                row("age", hazard_ratio=1.0002, low=1.0001, high=1.0003, p=1e-5),
            ],
            "hazard_ratio_notes": ["A note."],
            "proportional_hazards": tests,
        }
    )
    assert cells.header == (
        "feature",
        "reference",
        "hazard ratio (95 % interval)",
        "p",
        "p, proportional hazards",
        "hazard ratio, trained model",
    )
    assert cells.rows == [
        ("stage: one", "none", "0.684 (0.470 to 0.996)", "0.047", "0.220", "1.000"),
        ("stage: two", "none", "", "", "", "1.000"),
        ("age", "", "1.00020 (1.00010 to 1.00030)", "<0.001", "", "1.00000"),
    ]
    assert cells.notes == [
        "A note.",
        "Proportional hazards of all features together: chi-squared 30.1, 3 degrees of freedom, "
        "p below 0.001.",
    ]


def test_without_an_unpenalised_fit_its_columns_are_left_out() -> None:
    cells = hazard_ratio_cells(
        {"hazard_ratios": [row("age")], "hazard_ratio_notes": [], "proportional_hazards": []}
    )
    assert cells.header == ("feature", "reference", "hazard ratio, trained model")
    assert cells.rows == [("age", "", "1.000")]


def test_an_end_without_bound_is_called_infinite() -> None:
    numbers = {**FITTED, "high": None}
    record = {"hazard_ratios": [row("age", **numbers)], "hazard_ratio_notes": []}  # type: ignore[arg-type]
    cells = hazard_ratio_cells({**record, "proportional_hazards": []})
    assert cells.rows[0][2] == "0.684 (0.470 to infinite)"
