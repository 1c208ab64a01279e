"""The hazard ratios of a record as text, for the model card and the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

DECIMALS = 3
MOST_DECIMALS = 8


class Cells(NamedTuple):
    """A table: its head, its rows, and what is said below it."""

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: list[str]


def hazard_ratio_cells(result: Mapping[str, Any]) -> Cells:
    """Return the table of hazard ratios of a record.

    Parameters
    ----------
    result : mapping
        With `hazard_ratios`, `hazard_ratio_notes` and `proportional_hazards`, as in
        `survkit.baselines.cox_table`.

    Returns
    -------
    Cells
        Without the columns of the unpenalised fit where there is none. The test of proportional
        hazards stands in the first row of each feature.
    """
    rows, tests = result["hazard_ratios"], result["proportional_hazards"]
    by_feature = {test["feature"]: test for test in tests}
    fitted = any(row["p"] is not None for row in rows)
    head = ("hazard ratio (95 % interval)", "p", "p, proportional hazards") if fitted else ()
    lines, seen = [], set()
    for row in rows:
        feature = row["feature"]
        test = None if feature in seen else by_feature.get(feature)
        seen.add(feature)
        own = ratio_text(row["model_hazard_ratio"], _decimals_of(row))
        unpenalised = (*_estimate(row), p_text(test["p"] if test else None)) if fitted else ()
        lines.append((_effect(row), row["reference"] or "", *unpenalised, own))
    notes = list(result["hazard_ratio_notes"])
    if overall := by_feature.get(None):
        notes.append(
            f"Proportional hazards of all features together: chi-squared "
            f"{overall['statistic']:.1f}, {overall['degrees_of_freedom']} degrees of freedom, "
            f"p {_p_phrase(overall['p'])}."
        )
    return Cells(("feature", "reference", *head, "hazard ratio, trained model"), lines, notes)


def ratio_text(ratio: float | None, decimals: int = DECIMALS) -> str:
    """Return a hazard ratio with so many decimals, or as a power of 10; "" for none."""
    if ratio is None:
        return ""
    if ratio >= 1e4 or 0 < ratio < 1e-3:
        return f"{ratio:.1e}"
    return f"{ratio:.{decimals}f}"


def p_text(p: float | None) -> str:
    """Return a p value with three decimals; "" for none."""
    if p is None:
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _p_phrase(p: float) -> str:
    text = p_text(p)
    return f"below {text[1:]}" if text.startswith("<") else f"= {text}"


def _effect(row: Mapping[str, Any]) -> str:
    return row["feature"] if row["level"] is None else f"{row['feature']}: {row['level']}"


def _estimate(row: Mapping[str, Any]) -> tuple[str, str]:
    if row["p"] is None:
        return "", ""
    decimals = _decimals_of(row)
    ratio, low, high = (
        ratio_text(row[name], decimals) or "infinite" for name in ("hazard_ratio", "low", "high")
    )
    return f"{ratio} ({low} to {high})", p_text(row["p"])


def _decimals_of(row: Mapping[str, Any]) -> int:
    """Return how many decimals show two digits of how far a row's ratios are from 1."""
    fit = [row[name] for name in ("hazard_ratio", "low", "high") if row[name] is not None]
    distances = [abs(ratio - 1) for ratio in fit or [row["model_hazard_ratio"] or 1.0]]
    furthest = max(distances)
    if furthest == 0:
        return DECIMALS
    return min(max(DECIMALS, 1 - math.floor(math.log10(furthest))), MOST_DECIMALS)
