"""Two explanations of one subject side by side: SurvLIME's and SurvSHAP(t)'s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from survkit.explain.units import Unit
from survkit.text import count_text
from survkit.types import Float64Array

MOST_COMPARED = 5
"""First ranks of each method in which a feature must be for its disagreement to count."""

LEAST_APART = 2
"""Neighbouring ranks are no disagreement."""

NO_EFFECT = 1e-9
"""Smaller effects are none."""

RAISES, LOWERS, NONE = "raises", "lowers", "no effect"


class Agreement(NamedTuple):
    """How far two explanations of a subject agree.

    Parameters
    ----------
    table : DataFrame, d rows, indexed by feature
        `survlime` (log hazard ratio to the reference) and `survshap` (mean absolute change of the
        curve), the rank of each by size (`survlime_rank`, `survshap_rank`; ties share the mean of
        theirs), what each does to the risk (`survlime_effect`, `survshap_effect`: raises, lowers or
        no effect) and `disagree`: why the two disagree on the feature, empty where they do not.
    spearman : float
        Rank correlation of the sizes; NaN where it is undefined.
    reason : str
        Why it is undefined; "" where it is not.
    sentence : str
        The features on which they disagree.
    """

    table: pd.DataFrame
    spearman: float
    reason: str
    sentence: str


def compare(survlime: Float64Array, survshap: pd.DataFrame, *, rises: bool) -> Agreement:
    """Compare the sizes and signs of d features.

    They disagree on a feature that is among the first ranks of one method (five, or half of the
    features where these are fewer than ten) if it is not among those of the other and at least
    two ranks away, or if they differ in whether it raises or lowers the risk.

    Parameters
    ----------
    survlime : array, shape (d,)
        Contributions to the log hazard, from `contributions_of_features`; NaN where there are none.
    survshap : DataFrame, d rows
        From `SurvShapExplanation.to_frame`, in the order of `survlime`.
    rises : bool
        Whether a larger curve means more risk (cumulative incidence) or less (survival).
    """
    sizes = survshap["mean_absolute"].to_numpy()
    risk = survshap["mean"].to_numpy() * (1.0 if rises else -1.0)
    table = pd.DataFrame(
        {
            "survlime": survlime,
            "survlime_rank": _ranks(survlime),
            "survlime_effect": _effects(survlime),
            "survshap": sizes,
            "survshap_rank": _ranks(sizes),
            "survshap_effect": _effects(risk),
        },
        index=survshap.index,
    )
    if np.isnan(survlime).any():
        reason = "SurvLIME has no contributions here"
        table["disagree"] = ""
        return Agreement(table, np.nan, reason, f"{reason}, so there is nothing to compare.")
    first = max(1, min(MOST_COMPARED, len(table) // 2))
    table["disagree"] = [_difference(row, first) for _, row in table.iterrows()]
    spearman, reason = _spearman(np.abs(survlime), sizes)
    return Agreement(table, spearman, reason, _sentence(table, first))


def contributions_of_features(
    table: pd.DataFrame, units: Sequence[Unit], features: Sequence[str]
) -> Float64Array:
    """Return SurvLIME's contributions (d,) of a subject's features, from its table of unknowns.

    That of a feature is the sum over its columns: a number and its missing-indicator are one.
    Categories that the subject does not have contribute nothing.
    """
    if table["coefficient"].isna().all():
        return np.full(len(features), np.nan)
    owner = {unit.name: unit.indicates or unit.name for unit in units}
    total = table["contribution"].groupby(table["column"].map(owner)).sum()
    return np.asarray(total.reindex(list(features), fill_value=0.0), dtype=np.float64)


def _ranks(values: Float64Array) -> Float64Array:
    from scipy.stats import rankdata

    # Rounding must not rank features without any effect.
    sizes = np.where(np.abs(values) > NO_EFFECT, np.abs(values), 0.0)
    return (
        np.asarray(rankdata(-sizes)) if not np.isnan(values).any() else np.full(len(values), np.nan)
    )


def _effects(risk: Float64Array) -> list[str]:
    return [NONE if not abs(r) > NO_EFFECT else RAISES if r > 0 else LOWERS for r in risk]


def _difference(row: pd.Series, first: int) -> str:
    """Return on what the methods disagree about a feature; "" where they agree."""
    ranks = row["survlime_rank"], row["survshap_rank"]
    if min(ranks) > first:
        return ""
    effects = row["survlime_effect"], row["survshap_effect"]
    if effects[0] != effects[1]:
        what = [effect if effect == NONE else f"{effect} the risk" for effect in effects]
        return f"{what[0]} by SurvLIME, {what[1]} by SurvSHAP(t)"
    if max(ranks) > first and max(ranks) - min(ranks) >= LEAST_APART:
        return f"rank {ranks[0]:g} by SurvLIME, {ranks[1]:g} by SurvSHAP(t)"
    return ""


def _spearman(one: Float64Array, other: Float64Array) -> tuple[float, str]:
    from scipy.stats import spearmanr

    if len(one) < 3:
        return np.nan, f"no ranks to correlate among {count_text(len(one), 'feature')}"
    for name, values in (("SurvLIME", one), ("SurvSHAP(t)", other)):
        if np.ptp(values) <= NO_EFFECT:
            return np.nan, f"{name} ranks all features alike"
    return float(spearmanr(one, other).statistic), ""


def _sentence(table: pd.DataFrame, first: int) -> str:
    different = table[table["disagree"] != ""].sort_values("survshap_rank", kind="stable")
    if different.empty:
        which = "feature" if first == 1 else f"{first} features"
        return f"SurvLIME and SurvSHAP(t) agree on the first {which} and on what these do."
    named = "; ".join(f"{name} ({why})" for name, why in different["disagree"].items())
    return f"SurvLIME and SurvSHAP(t) disagree on {named}."
