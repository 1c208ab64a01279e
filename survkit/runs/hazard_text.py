"""The hazard ratios of a record as text, for the model card and the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
        own = ratio_text(row["model_hazard_ratio"])
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


def ratio_text(ratio: float | None, decimals: int | None = None) -> str:
    """Return a hazard ratio with the decimals that tell it from 1; "" for none."""
    if ratio is None:
        return ""
    if ratio >= 1e4 or 0 < ratio < 1e-3:
        return f"{ratio:.1e}"
    return f"{ratio:.{_decimals([ratio]) if decimals is None else decimals}f}"


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
    ends = [row["low"], row["high"]]
    decimals = _decimals([row["hazard_ratio"], *ends])
    ratio, low, high = (
        ratio_text(value, decimals) or "infinite" for value in (row["hazard_ratio"], *ends)
    )
    return f"{ratio} ({low} to {high})", p_text(row["p"])


def _decimals(ratios: Sequence[float | None]) -> int:
    """Return how many decimals show two digits of the furthest ratio's distance from 1."""
    distances = [abs(ratio - 1) for ratio in ratios if ratio is not None]
    furthest = max(distances, default=0.0)
    if furthest == 0:
        return DECIMALS
    return min(max(DECIMALS, 1 - math.floor(math.log10(furthest))), MOST_DECIMALS)
