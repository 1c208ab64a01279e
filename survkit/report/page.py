"""A group of runs as one HTML page that needs nothing else, and its tables as files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from survkit.files import write_bytes
from survkit.pages.csv_tables import spreadsheet_csv
from survkit.pages.document import Box, Section, render_page
from survkit.pages.text_tables import TextTable, to_latex, to_markdown
from survkit.report.cause_sections import causes_section
from survkit.report.conformal_section import conformal_section
from survkit.report.cox_sections import hazard_ratios_section
from survkit.report.decision_section import decision_section
from survkit.report.differences import paired_differences
from survkit.report.group_sections import mixture_section
from survkit.report.leak_section import leak_box, leak_section
from survkit.report.material import Material, State
from survkit.report.notes import Footnotes, footnotes
from survkit.report.run_sections import experts_section, runs_section, training_section
from survkit.report.sections import (
    calibration_section,
    calibration_times,
    comparison_section,
    comparison_tables,
    curves_section,
)
from survkit.report.subgroup_tables import subgroups_frame
from survkit.report.subgroups import ReportedSubgroups
from survkit.report.verdict import Verdict, verdict_of
from survkit.report.verdict_others import at_thresholds, for_whom
from survkit.report.verdict_section import verdict_section
from survkit.runs.metric_text import causes_text, scale_of, suffix_of
from survkit.runs.table import distinct


def write_report(
    material: Material | None,
    state: State,
    group_folder: Path,
    subgroups: ReportedSubgroups | None = None,
    *,
    decision_times: Sequence[float] = (),
    decision_thresholds: tuple[float, ...] = (),
    resamples: int = 1000,
) -> list[Path]:
    """Write `report.html` and the table files of a group into its folder, and return their paths.

    The tables are comparison.md, comparison.tex and comparison.csv where there are finished runs,
    decision_curves.csv where there are decision curves, profiles.csv where there are mixtures, and
    subgroups.csv where there are subgroups.

    Parameters
    ----------
    material, state : Material or None, State
        What is reported; None where no run is finished.
    group_folder : Path
        The group's folder.
    subgroups : ReportedSubgroups, optional
        The part on subgroups.
    decision_times : sequence of float
        Times of the decision curves; those of calibration curves where not given.
    decision_thresholds : (float, float), optional
        As in `decision_section`.
    resamples : int
        Bootstrap resamples of the decision curves; 0 for no intervals.

    Raises
    ------
    InputError
        Where a file cannot be written or a record is damaged.
    """
    contents: dict[str, bytes] = {}
    if material is None:
        notes = Footnotes({}, ())
        sections = [runs_section(None, state, notes)]
    else:
        notes = footnotes(material, state)
        tables = comparison_tables(material, notes)
        times = decision_times or [time.time for time in calibration_times(material)]
        decisions = decision_section(
            material.predictions,
            material.test,
            times,
            thresholds=decision_thresholds,
            resamples=resamples,
            time_unit=material.time_unit,
            min_at_risk=material.least_at_risk,
        )
        sections, profiles = _sections(
            material,
            state,
            notes,
            tables,
            _verdict_section(material, subgroups, times),
            decisions.section,
            None if subgroups is None else subgroups.section,
        )
        contents = _table_files(material, tables)
        if not decisions.curves.empty:
            contents["decision_curves.csv"] = spreadsheet_csv(decisions.curves)
        if not profiles.empty:
            contents["profiles.csv"] = spreadsheet_csv(profiles)
        if subgroups is not None and subgroups.scored:
            contents["subgroups.csv"] = spreadsheet_csv(subgroups_frame(subgroups.scored))
    page = _render(material, state, sections, group_folder.name)
    for name, content in {"report.html": page.encode(), **contents}.items():
        write_bytes(group_folder / name, content)
    return [group_folder / name for name in ("report.html", *contents)]


def tidy_comparison(material: Material) -> pd.DataFrame:
    """Return all numbers of the comparison, a row for each model and metric, in the tables' units.

    Returns
    -------
    DataFrame
        model, metric, runs, mean, standard_deviation (over seeds), time and at_risk (of a metric
        at one time, with the test subjects still at risk then), value, low, high (of the
        predictions averaged over seeds), reference, difference, difference_low, difference_high;
        value to high and the differences are NaN where the dataset is missing, and for a
        model that repeats another's predictions. Shares are in percent.
    """
    times = {time.suffix: time for time in material.times}
    at = [times.get(suffix_of(metric)) for metric in material.means["metric"]]
    tidy = material.means.assign(
        time=[math.nan if own is None else own.time for own in at],
        at_risk=[math.nan if own is None else own.at_risk for own in at],
        reference=material.reference,
    )
    if not material.resampled:
        return tidy
    differences = paired_differences(material.resampled, material.metrics, material.reference)
    scale = differences["metric"].map(scale_of)
    for name in differences.columns.drop(["model", "metric"]):
        differences[name] *= scale
    return tidy.merge(differences, on=["model", "metric"], how="left")


def _sections(
    material: Material,
    state: State,
    notes: Footnotes,
    tables: list[TextTable],
    verdict: Section,
    decisions: Section,
    subgroups: Section | None,
) -> tuple[list[Section], pd.DataFrame]:
    groups, profiles = mixture_section(material)
    sections = [
        comparison_section(material, tables),
        verdict,
        calibration_section(material, notes),
        decisions,
        conformal_section(material),
        curves_section(material),
        causes_section(material, calibration_times(material)),
        subgroups,
        hazard_ratios_section(material),
        experts_section(material),
        groups if groups.parts else None,
        training_section(material),
        leak_section(material),
        runs_section(material, state, notes),
    ]
    return [section for section in sections if section is not None], profiles


def _verdict_section(
    material: Material, subgroups: ReportedSubgroups | None, times: Sequence[float]
) -> Section:
    """Return the part on the two best models; `times` are those of the decision curves."""
    verdict = verdict_of(material)
    also = []
    if isinstance(verdict, Verdict):
        also += for_whom(verdict, {} if subgroups is None else subgroups.scored)
        also += at_thresholds(verdict, material, times)
    return verdict_section(verdict, material.time_unit, also)


def _table_files(material: Material, tables: Sequence[TextTable]) -> dict[str, bytes]:
    return {
        "comparison.md": "\n".join(map(to_markdown, tables)).encode(),
        "comparison.tex": "\n".join(map(to_latex, tables)).encode(),
        "comparison.csv": spreadsheet_csv(tidy_comparison(material)),
    }


def _render(
    material: Material | None, state: State, sections: Sequence[Section], group: str
) -> str:
    boxes, notes = [], []
    if material is not None:
        if leaks := distinct(material.runs, "known_leaks"):
            sentence = "on which the results below rest:"
            boxes.append(Box("Known leaks of these data,", sentence, tuple(leaks)))
        if box := leak_box(material):
            boxes.append(box)
        notes = distinct(material.runs, "notes")
    if str(state):
        boxes.append(Box("The group is not complete:", str(state), see="Runs"))
    facts = [] if material is None else _facts(material)
    return render_page(group, sections, kind="report", facts=facts, boxes=boxes, notes=notes)


def _facts(material: Material) -> list[str]:
    runs, test = material.runs, material.test
    events = int(test.event.sum())
    first = runs.iloc[0]
    causes = f" {causes_text(test)}" if test.cause_names else ""
    return [
        f"Dataset {first['dataset']}: {len(test):,} test subjects, {events:,} events "
        f"({events / len(test):.0%}), time in {material.time_unit}.{causes}",
        f"{len(runs)} finished runs of {len(material.models)} models; evaluation: "
        f"{first['evaluation']} conventions.",
    ]
