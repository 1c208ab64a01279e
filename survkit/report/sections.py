"""The parts that a report's page is made of, and those on which model is best."""

from __future__ import annotations

from functools import partial

import numpy as np

from survkit.datasets.assemble import Dataset
from survkit.metrics.outcomes import LATE_ENTRY
from survkit.pages.document import Picture, Section
from survkit.pages.svg import draw_svg, height_with_legend
from survkit.pages.text_tables import TextTable
from survkit.report.calibration_figures import calibration_over_time
from survkit.report.differences import best_models, excludes_zero, paired_differences
from survkit.report.figures import brier_over_time, survival_curves
from survkit.report.material import Material
from survkit.report.missing import metric_times, recorded_metrics
from survkit.report.notes import (
    Footnotes,
    below_all,
    ensembles,
    last_usable_cut,
    later_cuts,
    repeats,
    unequal_seeds,
    without_data,
)
from survkit.report.summary_tables import (
    best_table,
    by_cause,
    calibration_table,
    differences_table,
    means_table,
)
from survkit.report.tables import (
    PAGE_METRICS,
    mean_seconds,
)
from survkit.runs.metric_text import MetricTime, at_evaluation_times, time_text


def comparison_tables(material: Material, notes: Footnotes) -> list[TextTable]:
    """Return the tables that compare models: the best, means, and differences where known."""
    below = below_all(material)
    seconds = mean_seconds(material.runs)
    of_means = (*without_data(material), *ensembles(material), *below, *notes.notes)
    means = [  # what holds for all causes is said once, below the first table
        means_table(own, seconds, notes.marks, () if cause else of_means, cause=cause)
        for cause, own in by_cause(material.means).items()
    ]
    if len(material.resampled) < 2:
        return means
    metrics = material.metrics
    best = best_models(material.resampled, metrics)
    missing = set(material.means.loc[material.means["mean"].isna(), "metric"])
    estimates = np.stack([each.estimate for each in material.resampled.values()])
    missing |= {m for m, own in zip(metrics, estimates.T, strict=True) if np.isnan(own).all()}
    differences = paired_differences(material.resampled, metrics, material.reference)
    return [
        best_table(
            best,
            notes.marks,
            material.test.num_subjects,
            (*repeats(material), *below),
            metrics=[m for m in metrics if m in missing or m in set(best["metric"])],
        ),
        *means,
        *(
            differences_table(
                own,
                material.reference,
                notes.marks,
                () if cause else (*unequal_seeds(material), *below, *notes.notes),
                cause=cause,
            )
            for cause, own in by_cause(differences).items()
        ),
    ]


def comparison_section(material: Material, tables: list[TextTable]) -> Section:
    """Return the part on which model is best, by how much and how surely."""
    return Section("Which model is best", _answer(material), tuple(tables))


def _answer(material: Material) -> tuple[str, ...]:
    """Return in a sentence which model is best most often (or models), and how often surely."""
    best = best_models(material.resampled, material.metrics)
    if best.empty:
        return ()
    counts = best["best"].value_counts(sort=False)
    sentences = []
    for model in counts.index[counts == counts.max()]:
        own = best[best["best"] == model]
        sure = sum(map(excludes_zero, own["difference_low"], own["difference_high"]))
        sentences.append(
            f"Of {len(material.resampled)} models {model} is best by {len(own)} of {len(best)} "
            f"metrics; for {sure or 'none'} of these the 95 % interval of the difference from the "
            "second-best model excludes zero."
        )
    return tuple(sentences)


def calibration_section(material: Material, notes: Footnotes) -> Section:
    """Return the part on calibration: errors beside their null, and curves at single times."""
    test, usable = material.test, calibration_times(material)
    times, at_risk = [each.time for each in usable], [each.at_risk for each in usable]
    pictures = [
        Picture(
            draw_svg(
                partial(
                    calibration_over_time,
                    prediction,
                    test.time,
                    test.event,
                    times=times,
                    at_risk=at_risk,
                    time_unit=material.time_unit,
                ),
                width=3.75,
                height=4.15 + 0.2 * len(times),
                label=f"calibration of {model}",
            ),
            model,
        )
        for model, prediction in material.predictions.items()
        if times
    ]
    return Section(
        "Is it calibrated",
        (_about_curves(material) if times else _no_curves(material),),
        (calibration_table(material.runs, material.labels, notes.marks, later_cuts(material)),),
        tuple(pictures),
    )


def _about_curves(material: Material) -> str:
    return (
        "Curves: observed against predicted probability of an event, by each time of the metrics "
        f"at which at least {material.least_at_risk} test subjects are still at risk. Predictions "
        "are averaged over seeds, subjects grouped in tenths; observed is 1 minus Kaplan-Meier, "
        "with its 95 % interval; a tenth whose follow-up ends before that has no point. Points "
        "below the line: risk is overestimated."
    )


def _no_curves(material: Material) -> str:
    if material.test.entry is not None:
        return f"There are no curves of observed against predicted probability: {LATE_ENTRY}."
    return (
        "There are no curves of observed against predicted probability: at every time of the "
        f"metrics fewer than {material.least_at_risk} test subjects are still at risk."
    )


def calibration_times(material: Material) -> list[MetricTime]:
    """Return the times of metrics that have enough test subjects at risk, in order.

    There are none where subjects come under observation late: nothing is known of a probability
    that starts at time 0 for those who enter after it.
    """
    if material.test.entry is not None:
        return []
    metrics = [*PAGE_METRICS, *at_evaluation_times(recorded_metrics(material.runs))]
    times = metric_times(material.runs, metrics)
    needed = material.least_at_risk
    horizon = min(prediction.times[-1] for prediction in material.predictions.values())
    usable = [time for time in times if time.at_risk >= needed and time.time <= horizon]
    return sorted(usable, key=lambda time: time.time)


def curves_section(material: Material) -> Section:
    """Return the part on curves over time: mean survival, and Brier scores where known."""
    test, dataset = material.test, material.dataset
    caption = "Mean predicted survival of the test subjects, over their Kaplan-Meier curve."
    if test.entry is not None:
        caption = (
            "Kaplan-Meier curve of the test subjects, who are at risk once under observation, and "
            "what the models expect: from the mean predicted hazards of those at risk at each time."
        )
    pictures = [
        Picture(
            draw_svg(
                partial(
                    survival_curves,
                    material.predictions,
                    test.time,
                    test.event,
                    entry=test.entry,
                    time_unit=material.time_unit,
                ),
                width=4.8,
                height=height_with_legend(1 + len(material.predictions)),
                label="mean predicted survival",
            ),
            caption,
        )
    ]
    if dataset is not None and _last_cut(material, dataset) > 0:
        pictures.append(
            Picture(
                draw_svg(
                    partial(
                        brier_over_time,
                        material.predictions,
                        test,
                        train=dataset.splits.train,
                        grid=dataset.grid,
                        convention=material.runs["evaluation"].iloc[0],
                        min_at_risk=material.least_at_risk,
                        time_unit=material.time_unit,
                    ),
                    width=4.8,
                    height=height_with_legend(1 + len(material.predictions)),
                    label="Brier score over time",
                ),
                f"Brier score, weighted for censoring, {_up_to(material, dataset)} "
                "(grey: one curve for all).",
            )
        )
    return Section("Survival over time", pictures=tuple(pictures))


def _last_cut(material: Material, dataset: Dataset) -> float:
    """Return the last time of the Brier score over time, 0 where there is none."""
    if dataset.splits.test.entry is not None:
        return 0.0
    if (material.runs["evaluation"] == "published").all():
        return dataset.grid.horizon
    return last_usable_cut(material, dataset, material.least_at_risk)


def _up_to(material: Material, dataset: Dataset) -> str:
    if (material.runs["evaluation"] == "published").all():
        return "at all cuts"
    last = _last_cut(material, dataset)
    return (
        f"up to {time_text(last, material.time_unit)}, the last cut where at least 5 % are "
        f"uncensored and at least {material.least_at_risk} test subjects are still at risk"
    )
