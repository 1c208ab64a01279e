"""The part of a page on subgroups: how well each model does for whom.

Nothing here needs a run: any predictions of any subjects will do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from survkit.metrics import Outcomes
from survkit.metrics.subgroup_parts import Grouping
from survkit.metrics.subgroups import SubgroupScores, score_subgroups
from survkit.pages.document import Picture, Section
from survkit.pages.svg import draw_svg, height_with_legend
from survkit.report.subgroup_figures import (
    LONGEST_NAME,
    MOST_LINES,
    calibration_by_subgroup,
    shown_subgroups,
    subgroup_forest,
)
from survkit.report.subgroup_tables import (
    ABOUT_DIFFERENCES,
    metrics_by_cause,
    subgroup_differences_table,
    subgroups_tables,
)
from survkit.runs.subgroup_text import censoring_text, compared_subgroups, worst_text
from survkit.types import SurvivalPrediction

TITLE = "For whom"

ABOUT = (
    "Metrics of each subgroup of the test subjects alone, and its differences to all others. "
    "Concordance, AUC, Brier scores and calibration errors are in percent; observed_expected@50 is "
    "the observed over the mean predicted risk (1: right, above 1: the risk is underestimated), "
    "calibration_in_the_large the log of observed over expected events during the subjects' own "
    "follow-up (0: right). 'If calibrated' is the mean calibration error that a calibrated model "
    "would have in a subgroup of that size."
)

ABOUT_LIMITS = (
    "Brier scores also depend on how frequent events are in a subgroup, which says nothing against "
    "a model; they do not decide for whom it does worst. Concordance and AUC also depend on how "
    "far risks are spread: a subgroup that a strong predictor cuts out has lower ones than the "
    "others."
)


def score_models(
    predictions: Mapping[str, SurvivalPrediction],
    outcomes: Outcomes,
    groupings: Sequence[Grouping],
    *,
    bootstrap: int = 1000,
) -> dict[str, list[SubgroupScores]]:
    """Score each model in each subgroup.

    Parameters
    ----------
    predictions : mapping of str to SurvivalPrediction
        By model, of the same n rows.
    outcomes : Outcomes
        Theirs.
    groupings : sequence of Grouping
        The subgroups of the rows, from `table_grouping` or `column_grouping`.
    bootstrap : int
        Number of resamples.
    """
    return {
        model: [
            score_subgroups(prediction, outcomes, grouping, bootstrap=bootstrap)
            for grouping in groupings
        ]
        for model, prediction in predictions.items()
    }


def subgroups_section(
    predictions: Mapping[str, SurvivalPrediction],
    outcomes: Outcomes,
    scored: Mapping[str, Sequence[SubgroupScores]],
    *,
    time_unit: str = "",
    notes: Sequence[str] = (),
) -> Section:
    """Return the part on subgroups: for each column tables, calibration and differences.

    Parameters
    ----------
    predictions : mapping of str to SurvivalPrediction
        By model, of the same rows.
    outcomes : Outcomes
        Theirs.
    scored : mapping of str to sequence of SubgroupScores
        By model, from `score_models`.
    time_unit : str
        Unit of the times.
    notes : sequence of str
        What else to say above the tables.
    """
    specs = dict.fromkeys(own.spec for several in scored.values() for own in several)
    parts = []
    for spec in specs:
        of_spec = {m: own for m, several in scored.items() for own in several if own.spec == spec}
        parts.append(_part(spec, predictions, outcomes, of_spec, time_unit))
    about = (ABOUT, ABOUT_DIFFERENCES, ABOUT_LIMITS, *notes)
    return Section(TITLE, about, parts=tuple(parts))


def _part(
    spec: str,
    predictions: Mapping[str, SurvivalPrediction],
    outcomes: Outcomes,
    scored: Mapping[str, SubgroupScores],
    time_unit: str,
) -> Section:
    sentences = [worst_text(model, scores) for model, scores in scored.items()]
    censoring = dict.fromkeys(map(censoring_text, scored.values()))
    tables, pictures = [], []
    for model, scores in scored.items():
        tables += subgroups_tables(model, scores, time_unit) if scores.subgroups else []
        differences = subgroup_differences_table(model, scores)
        tables += [differences] if differences else []
        pictures += _calibration(model, predictions[model], outcomes, scores, time_unit)
        pictures += _forests(model, scores)
    paragraphs = (*sentences, *filter(None, censoring))
    return Section(spec, paragraphs, tuple(tables), tuple(pictures))


def _calibration(
    model: str,
    prediction: SurvivalPrediction,
    outcomes: Outcomes,
    scores: SubgroupScores,
    time_unit: str,
) -> list[Picture]:
    """Return the calibration of each subgroup at the time of the metrics @50, for each cause."""
    point = next(each for each in outcomes.points if each.suffix == "50")
    grouping, data = scores.grouping, outcomes.data
    if grouping is None or point.reason is not None:
        return []
    least = outcomes.min_at_risk if outcomes.convention == "standard" else 1
    places = shown_subgroups(grouping, data, point.time, max(least, 1))
    if not places:
        return []
    left_out = [name for place, name in enumerate(grouping.names) if place not in places]
    why = f"too few subjects at risk, or not among the {MOST_LINES} largest"
    also = f" Not shown ({why}): {', '.join(left_out)}." if left_out else ""
    pictures = []
    for cause, name in enumerate(metrics_by_cause(scores)):
        draw = partial(
            calibration_by_subgroup,
            prediction,
            data,
            grouping,
            places,
            at=point.time,
            cause=cause,
            time_unit=time_unit,
        )
        of = f" of {name}" if name else ""
        label = f"calibration{of} of {model} by {scores.spec}"
        svg = draw_svg(draw, width=3.75, height=height_with_legend(len(places) + 1), label=label)
        pictures.append(Picture(svg, f"{model}: calibration{of} in each subgroup.{also}"))
    return pictures


def _forests(model: str, scores: SubgroupScores) -> list[Picture]:
    if not scores.comparisons:
        return []
    names = compared_subgroups(scores)
    longest = min(max(map(len, names)), LONGEST_NAME)
    both = len(names) == 1
    what = f"difference of {names[0]} to the others" if both else "each subgroup minus all others"
    pictures = []
    for cause, metrics in metrics_by_cause(scores).items():
        of = f" of {cause}" if cause else ""
        svg = draw_svg(
            partial(subgroup_forest, scores, metrics),
            width=0.4 + 0.085 * longest + 1.35 * len(metrics),
            height=1.3 + 0.3 * len(names),
            label=f"differences{of} of {model} by {scores.spec}",
        )
        caption = (
            f"{model}: {what}{of}, with 95 % intervals; filled where "
            "significant after Holm's method, grey where not tested."
        )
        pictures.append(Picture(svg, caption, wide=True))
    return pictures
