"""The parts of the command that concern SurvSHAP(t) and permutation importance."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from survkit.configs.finished_runs import ExplainConfig
from survkit.explain.agreement import Agreement, compare, contributions_of_features
from survkit.explain.loaded_run import LoadedRun
from survkit.explain.permutation_importance import PermutationImportance, permutation_importance
from survkit.explain.players import Players
from survkit.explain.runs import ExplainedSubjects
from survkit.explain.survshap_explanation import SurvShapExplanation
from survkit.explain.survshap_runs import ExplainedOverTime
from survkit.explain.survshap_writing import write_importance
from survkit.explain.texts import WIDTH, time_text
from survkit.metrics.outcomes import MIN_AT_RISK, Outcomes
from survkit.pages.labels import shortened

SHOWN = 10
"""Features of a table on the screen; all are in the files."""

REPEATS = 5
"""Shuffles of each feature unless another number is given."""


def agreements(survlime: ExplainedSubjects, survshap: ExplainedOverTime) -> list[Agreement]:
    """Compare the two explanations of every subject."""
    return [
        compare(
            contributions_of_features(table, survlime.units, explanation.feature_names),
            explanation.to_frame().loc[list(explanation.feature_names)],
            rises=bool(survshap.cause),
        )
        for table, explanation in zip(survlime.tables, survshap.explanations, strict=True)
    ]


def print_over_time(explained: ExplainedOverTime) -> None:
    """Print what moves each subject's curve most."""
    for title, explanation, table in zip(
        explained.subjects.titles, explained.explanations, explained.tables, strict=True
    ):
        print(f"{title}: SurvSHAP(t) of {explanation.quantity}")
        print(f"  {_difference_text(explanation, explained)}")
        if explanation.exact:
            print(f"  exact, from all {explanation.num_coalitions:,} coalitions")
        else:
            print(
                f"  from {explanation.num_coalitions:,} coalitions; Monte-Carlo standard error at "
                f"most {explanation.standard_error.max():.2g}"
            )
        print(_largest(table))


def _difference_text(explanation: SurvShapExplanation, explained: ExplainedOverTime) -> str:
    """Return where the subject's curve is furthest from the background's mean."""
    difference = explanation.prediction - explanation.baseline
    place = int(np.abs(difference).argmax())
    return (
        f"{explanation.prediction[place]:.3f} at "
        f"{time_text(float(explanation.times[place]), explained.time_unit)}, where the mean of "
        f"{explained.background_size:,} training rows is {explanation.baseline[place]:.3f}"
    )


def _largest(table: pd.DataFrame) -> str:
    rows = table.head(SHOWN)
    lines = {
        "feature": [
            f"{shortened(str(name), WIDTH)} = {shortened(row['value'], WIDTH)}"
            for name, row in rows.iterrows()
        ],
        "mean |phi|": [f"{size:.4f}" for size in rows["mean_absolute"]],
        "mean phi": [f"{mean:+.4f}" for mean in rows["mean"]],
        "largest phi": [f"{peak:+.4f}" for peak in rows["peak"]],
        "at time": [time_text(time, "") for time in rows["peak_time"]],
    }
    return str(pd.DataFrame(lines).to_string(index=False, justify="left"))


def print_agreements(titles: Sequence[str], found: Sequence[Agreement]) -> None:
    """Print the two rankings of each subject side by side, and where they disagree."""
    for title, agreement in zip(titles, found, strict=True):
        print(f"{title}: SurvLIME beside SurvSHAP(t)")
        table = agreement.table.sort_values("survshap_rank", kind="stable").head(SHOWN)
        ranks = {
            name: [f"{rank:g}" if np.isfinite(rank) else "" for rank in table[f"{name}_rank"]]
            for name in ("survlime", "survshap")
        }
        lines = {
            "feature": [shortened(str(name), WIDTH) for name in table.index],
            "SurvSHAP(t) rank": ranks["survshap"],
            "risk": table["survshap_effect"].to_list(),
            "SurvLIME rank": ranks["survlime"],
            "risk ": table["survlime_effect"].to_list(),
        }
        print(pd.DataFrame(lines).to_string(index=False, justify="left"))
        correlation = f"{agreement.spearman:.2f}" if not agreement.reason else agreement.reason
        print(f"  Spearman correlation of the sizes: {correlation}")
        print(f"  {agreement.sentence}")


def explain_importance(config: ExplainConfig, run: LoadedRun, folder: Path) -> list[Path]:
    """Shuffle the features of a run's test rows, write what that costs, print it; return paths."""
    found = importance_of_run(run, repeats=config.importance_repeats or REPEATS, seed=config.seed)
    paths = write_importance(folder, found, run.dataset.card.time_unit, asdict(config))
    for name, reason in found.unshuffled.reasons.items():
        print(f"warning: {name} is undefined: {reason}", file=sys.stderr)
    _print_importance(found, run)
    return paths


def importance_of_run(run: LoadedRun, *, repeats: int, seed: int) -> PermutationImportance:
    """Return the permutation importance of the test rows, by the standard evaluation."""
    train, test = run.dataset.splits.train, run.dataset.splits.test
    least = run.fitted.config.get("min_at_risk", MIN_AT_RISK)
    outcomes = Outcomes(test, train.time, train.event, run.dataset.grid, min_at_risk=least)
    return permutation_importance(
        run.fitted.model.predict,
        outcomes,
        Players.of_units(run.units),
        repeats=repeats,
        seed=seed,
        cause=run.cause_number,
    )


def _print_importance(found: PermutationImportance, run: LoadedRun) -> None:
    before, repeats = found.unshuffled, found.integrated_brier.shape[1]
    what = f"cumulative incidence of {run.cause}" if run.cause else "survival"
    print(
        f"permutation importance for {what}, {len(run.dataset.splits.test):,} test rows, each "
        f"feature shuffled {repeats} times"
    )
    print(
        f"  integrated Brier score {_score(before.integrated_brier)}, concordance_td "
        f"{_score(before.concordance_td)} before shuffling"
    )
    table = found.to_frame()
    lines = {"feature": [shortened(str(name), WIDTH) for name in table.index[:SHOWN]]}
    for name, title in (
        ("integrated_brier", "integrated Brier score rises by"),
        ("concordance_td", "concordance falls by"),
    ):
        pairs = table[[name, f"{name}_sd"]].head(SHOWN).to_numpy()
        lines[title] = [_with_deviation(mean, deviation) for mean, deviation in pairs]
    print(pd.DataFrame(lines).to_string(index=False, justify="left"))


def _score(value: float) -> str:
    return "undefined" if np.isnan(value) else f"{value:.4f}"


def _with_deviation(mean: float, deviation: float) -> str:
    if np.isnan(mean):
        return ""
    return f"{mean:+.4f}" if np.isnan(deviation) else f"{mean:+.4f} (sd {deviation:.4f})"
