from __future__ import annotations

import pandas as pd
import pytest

from survkit.report.tables import comparison_table


def runs(model: str, evaluation: str, values: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": model,
            "evaluation": evaluation,
            "configuration": "0123",
            "seed": range(42, 42 + len(values)),
            "test_concordance": values,
            "timing_total_seconds": 1.0,
        }
    )


@pytest.mark.parametrize(
    ("model", "evaluation", "values", "cell"),
    [
        ("coxph", "standard", [0.7, 0.7], "70.00"),
        ("coxph", "published", [0.7, 0.72], "71.00 ± 1.41"),
        ("rsf", "standard", [0.7, 0.72], "71.00 ± 1.41"),
        ("mtlr", "standard", [0.7], "70.00"),
        ("unknown_ensemble", "standard", [0.7, 0.7], "70.00 ± 0.00"),
    ],
)
def test_a_deterministic_model_has_no_spread(
    model: str, evaluation: str, values: list[float], cell: str
) -> None:
    table = comparison_table(runs(model, evaluation, values), metrics=["concordance"])
    assert table.loc[model, "concordance"] == cell
