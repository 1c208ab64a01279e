"""The items on the model, its evaluation and its use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from survkit.metrics.names import split_cause
from survkit.models.calibration import Calibration
from survkit.models.registry import MODELS
from survkit.pages.markdown import bullets, markdown_code, markdown_table, markdown_text
from survkit.runs.folder import provenance
from survkit.runs.leak_text import suspicious_columns
from survkit.runs.metric_lines import calibration_lines, metric_lines
from survkit.runs.metric_text import time_text
from survkit.runs.model_card import (
    convergence_lines,
    guarantee_lines,
    prediction_lines,
    setting_table,
    subgroup_lines,
)
from survkit.runs.rows import is_published_baseline
from survkit.runs.tripod_ai.answer import Answer, Run
from survkit.runs.tripod_ai.model_types import TYPES

MEASURES = {
    "concordance": "discrimination",
    "auc": "discrimination at a time",
    "brier": "overall accuracy of the probabilities",
    "integrated_brier": "overall accuracy of the probabilities",
    "ece": "calibration",
    "d_calibration": "calibration",
    "km_calibration": "calibration",
    "accuracy": "classification at a time, with the threshold 0.5",
    "mae": "error of the median predicted time",
    "point_error": "error of the predicted time",
    "loss": "negative log-likelihood",
}
"""What metrics measure, by how their names begin."""


def building(run: Run) -> Answer:
    """Item 12c."""
    lines = [f"{_type(run)}. {_seeds(run)}", "", *setting_table(run.settings, run.result)]
    lines += ["", *convergence_lines(run.result)]
    if "members" in run.result:
        lines += [*_members(run.result), ""]
    if run.result.get("calibration"):
        lines += [Calibration(**run.result["calibration"]).describe(), ""]
    return Answer([*lines, f"Software: {_software(run)}."])


def _type(run: Run) -> str:
    kind = TYPES.get(run.settings["model"])
    if "members" not in run.result:
        return f"`{run.settings['model']}`, {kind}"
    each = f", each `{run.settings['model']}`, {kind}" if kind else " of several kinds"
    return f"The weighted mean of the survival curves of {len(run.result['members'])} runs{each}"


def _seeds(run: Run) -> str:
    entry = MODELS.get(run.settings["model"])  # an ensemble of several models has none
    if entry is not None and entry.is_deterministic:
        return "The fit uses no random numbers."
    seeds = str(run.settings["seed"])
    return f"Seed{'s' if ',' in seeds else ''} of the random numbers of the fit: {seeds}."


def _members(result: Mapping[str, Any]) -> list[str]:
    rows = zip(result["members"], result["member_weights"], strict=True)
    return markdown_table(("member", "weight"), ([run, f"{weight:.4g}"] for run, weight in rows))


def _software(run: Run) -> str:
    made_with = {**provenance(), **run.settings}
    packages = made_with["package_versions"].items()
    named = ", ".join(f"{name} {version}" for name, version in packages)
    return f"survkit {run.result['survkit_version']}, {named}"


def heterogeneity(run: Run) -> Answer:
    """Item 12d."""
    lines = [
        "Nothing in the fit or the evaluation treats clusters, such as hospitals, apart; a cluster "
        "can only be one predictor of others."
    ]
    if run.dataset.splits.train.subject_id is not None:
        lines.append(
            "Rows of one subject stay together in the division of 12a and in the bootstrap."
        )
    return Answer([" ".join(lines)])


def measures(run: Run) -> Answer:
    """Item 12e."""
    settings = run.settings
    groups: dict[str, list[str]] = {measure: [] for measure in (*MEASURES.values(), "further")}
    for metric in run.result["test"]:
        groups[_measured(metric)].append(f"`{metric}`")
    listed = [f"{measure}: {', '.join(own)}" for measure, own in groups.items() if own]
    samples = settings["bootstrap"]
    intervals = f"Intervals: 95 %, from {samples:,} bootstrap samples of the test subjects."
    return Answer(
        [
            "Measures in `result.json`:",
            "",
            *bullets(listed),
            "",
            f"{_weights(settings)}{_at_risk(settings)} {intervals}",
        ]
    )


def _at_risk(settings: Mapping[str, Any]) -> str:
    # A limit that leaves no measure out is recorded as 0.
    limit = settings["min_at_risk"]
    left_out = f" A measure at a time at which fewer than {limit} subjects are at risk is left out."
    return left_out if limit else ""


def _measured(metric: str) -> str:
    name = split_cause(metric)[1]
    known = [start for start in MEASURES if name.startswith(start)]
    return MEASURES[max(known, key=len)] if known else "further"


def _weights(settings: Mapping[str, Any]) -> str:
    weights = (
        "Those over time are weighted by the inverse probability of being uncensored, from a "
        "Kaplan-Meier estimate on the training rows"
    )
    if settings["evaluation"] == "published":
        return f"{weights}, which is taken as 0.01 where it is smaller; all cuts count."
    return f"{weights}, up to the last cut at which it is at least 5 %."


def updating(run: Run) -> Answer:
    """Item 12f."""
    calibrated = (
        " The calibration map of 12c comes from the validation rows, before the evaluation."
        if run.result.get("calibration")
        else ""
    )
    return Answer([f"None: the model was not changed after the evaluation.{calibrated}"])


def updated_performance(run: Run) -> Answer:
    """Item 24."""
    return Answer(["No model was updated (12f)."])


def predictions(run: Run) -> Answer:
    """Item 12g."""
    lines = [
        "The fitted model itself, as `checkpoint.pt` holds it, predicted the test rows by the code "
        f"of survkit {run.result['survkit_version']}. `predictions_test.npz` has these curves."
    ]
    if is_published_baseline(run.settings):
        lines.append(
            "By the published convention, the probability that it leaves beyond the horizon is "
            "spread over the grid."
        )
    return Answer([" ".join(lines)])


def imbalance(run: Run) -> Answer:
    """Item 13."""
    return Answer(
        [
            "None: subjects with and without the event were neither resampled nor weighted to "
            "balance them."
        ]
    )


def fairness(run: Run) -> Answer:
    """Item 14."""
    return Answer(["The fit has no constraint, penalty or weight for groups of subjects."])


def output(run: Run) -> Answer:
    """Item 15."""
    grid, names = run.dataset.grid, run.dataset.splits.train.cause_names
    horizon = markdown_text(time_text(grid.horizon, run.dataset.card.time_unit))
    event = "the first event of any cause" if names else "the event"
    lines = [
        f"For each subject, the probability to be free of {event} at any time up to {horizon}."
    ]
    if names:
        listed = ", ".join(map(markdown_code, names))
        lines.append(f"For each cause ({listed}), the probability of its event by then.")
    if "conformal" in run.result:
        lines.append("A lower bound of the time to the event (23a).")
    lines.append("There are no classes and no thresholds.")
    if any(metric.startswith("accuracy") for metric in run.result["test"]):
        lines.append("Only the measure `accuracy` uses one, 0.5.")
    return Answer([" ".join(lines)])


def code_sharing(run: Run) -> Answer:
    """Item 18f."""
    commit = {**provenance(), **run.settings}["git_commit"]
    at = f" (commit `{commit}`)" if commit else ""
    return Answer(
        [
            f"survkit {run.result['survkit_version']}{at} made this record. `config.json` has its "
            "command and every setting."
        ]
    )


def specification(run: Run) -> Answer:
    """Item 22."""
    lines = ["`checkpoint.pt` is the full model, with all that a prediction needs."]
    if "hazard_ratios" in run.result or run.result.get("cause_hazard_ratios"):
        lines.append("`model_card.md` has the hazard ratios.")
    return Answer(
        [
            " ".join(lines),
            "",
            *prediction_lines(run.dataset, run.folder),
        ]
    )


def performance(run: Run) -> Answer:
    """Item 23a."""
    test = run.dataset.splits.test
    lines = [*metric_lines(run.result, test), "", *calibration_lines(run.result)]
    if "conformal" in run.result:
        lines += ["", *guarantee_lines(run.result)]
    if not run.result.get("subgroups"):
        return Answer(lines)
    return Answer([*lines, "", *subgroup_lines(run.result)], _LEFT_PLOTS)


_LEFT_PLOTS = (
    "whether these are the key subgroups, and plots (`python -m survkit.report` draws them)."
)


def limitations(run: Run) -> Answer:
    """Item 26."""
    return Answer(bullets(_known_limits(run)))


def _known_limits(run: Run) -> Sequence[str]:
    result, test = run.result, run.dataset.splits.test
    limits = [
        f"The evaluation is internal, on {int(test.event.sum()):,} events of one division of the "
        "rows; the intervals of 23a do not include how results vary over divisions and fits."
    ]
    limits += [f"Possible leak: {markdown_text(leak)}" for leak in _leaks(run)]
    if result["converged"] is False:
        limits.append(f"The fit did not converge: {markdown_text(result['convergence_reason'])}")
    limits += [
        f"Warning of the run: {markdown_text(warning)}"
        for warning in result["warnings"]
        if warning not in run.dataset.warnings  # these are under 7
    ]
    return limits


def _leaks(run: Run) -> Sequence[str]:
    checks = run.result.get("leak_checks")
    return run.dataset.card.known_leaks if checks is None else suspicious_columns(checks)


def poor_input(run: Run) -> Answer:
    """Item 27a."""
    if run.dataset.preprocessor is None:
        return Answer(
            ["Values that are missing or not finite are refused."],
            "what is done with poor input where the model is used, and who checks it.",
        )
    return Answer(
        [
            "`survkit.predict` treats a missing value as in training (11) and says so; names "
            "values beyond the range of the training rows; counts a category that no training row "
            "has as missing, with a note; and refuses a table that lacks a column."
        ]
    )
