"""The page of a benchmark, and its tables as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from survkit.benchmark.cells import CALIBRATION, METRICS, DatasetFacts, failures
from survkit.benchmark.comparisons import (
    Comparison,
    calibrated_shares,
    compare,
    proportional_datasets,
    ranks_by_kind,
)
from survkit.benchmark.figures import (
    critical_difference_diagram,
    diagram_height,
    time_against_quality,
)
from survkit.benchmark.tables import (
    datasets_table,
    differences_table,
    kinds_table,
    means_table,
    p_text,
    pairs_table,
    runs_table,
)
from survkit.files import write_bytes
from survkit.metrics.model_comparison import LEVEL
from survkit.pages.csv_tables import spreadsheet_csv
from survkit.pages.document import Box, Picture, Section, render_page
from survkit.pages.svg import draw_svg, svg_file
from survkit.pages.text_tables import TextTable, to_latex, to_markdown
from survkit.text import count_text

MOST_LISTED = 50
"""Failed runs that the page lists; the table file has all."""


class Material(NamedTuple):
    """What the page shows."""

    cells: pd.DataFrame
    facts: Mapping[str, DatasetFacts]
    comparisons: Sequence[Comparison]
    search: str = ""


def gather(cells: pd.DataFrame, facts: Mapping[str, DatasetFacts], search: str = "") -> Material:
    """Compare the models by every metric; `search` says how they found their hyperparameters."""
    return Material(cells, facts, [compare(cells, facts, metric) for metric in METRICS], search)


def write_benchmark(material: Material, group_folder: Path) -> list[Path]:
    """Write benchmark.html, .md, .tex and .csv and the diagrams into a folder; return the paths.

    Raises
    ------
    InputError
        Where a file cannot be written.
    """
    tables = [means_table(comparison) for comparison in material.comparisons]
    columns = ["dataset", "model", "split", *METRICS, CALIBRATION, "seconds", "converged", "why"]
    contents = {
        "benchmark.html": _page(material, group_folder.name).encode(),
        "benchmark.md": "\n".join(map(to_markdown, tables)).encode(),
        "benchmark.tex": "\n".join(map(to_latex, tables)).encode(),
        "benchmark.csv": spreadsheet_csv(material.cells[columns]),
    }
    for comparison in material.comparisons:
        if comparison.ranked:
            diagram = svg_file(**_diagram(comparison))
            contents[f"benchmark_{comparison.metric}.svg"] = diagram
    for name, content in contents.items():
        write_bytes(group_folder / name, content)
    return [group_folder / name for name in contents]


def _page(material: Material, group: str) -> str:
    cells = material.cells
    failed = failures(cells)
    boxes = []
    if not failed.empty:
        sentence = f"{len(failed)} of {len(cells)} runs have no record; their models are left out "
        boxes.append(
            Box("Not complete:", f"{sentence}of the ranks on those datasets", see="The runs")
        )
    if leaks := _leaks(material.facts):
        boxes.append(Box("Known leaks,", "on which results rest:", leaks))
    counts = [cells[name].nunique() for name in ("dataset", "model", "split")]
    facts = [
        f"{counts[0]} datasets, {counts[1]} models, {counts[2]} "
        f"split{'s' if counts[2] > 1 else ''} of each: "
        f"{len(cells) - len(failed):,} of {len(cells):,} runs are finished."
    ]
    facts += [material.search] if material.search else []
    sections = [_metric_section(material, comparison) for comparison in material.comparisons]
    sections += [_kinds_section(material), _runs_section(material, failed)]
    return render_page(group, sections, kind="benchmark", facts=facts, boxes=boxes)


def _leaks(facts: Mapping[str, DatasetFacts]) -> tuple[str, ...]:
    return tuple(f"{name}: {leak}" for name, own in facts.items() for leak in own.known_leaks)


def _metric_section(material: Material, comparison: Comparison) -> Section:
    parts = [
        Section(dataset, tables=(differences_table(comparison, dataset),))
        for dataset in comparison.differences
    ]
    pictures = _pictures(material, comparison) if comparison.ranked else ()
    return Section(
        comparison.metric,
        paragraphs=tuple(findings(comparison)),
        tables=(means_table(comparison), pairs_table(comparison)),
        pictures=pictures,
        parts=(Section("Differences on each dataset", parts=tuple(parts)),),
    )


def findings(comparison: Comparison) -> list[str]:
    """Return what a comparison says, in sentences."""
    if not comparison.ranked:
        return ["There is no dataset on which every model was evaluated in every split."]
    order = comparison.order
    best, ranks = order[0], comparison.mean_ranks
    sentences = [
        f"{best} has the best mean rank, {ranks[best]:.2f} of {len(order)} models on "
        f"{count_text(len(comparison.ranked), 'dataset')}."
    ]
    friedman = comparison.friedman
    if friedman.p == friedman.p:
        differ = "differ" if friedman.p < 1 - LEVEL else "cannot be told apart as a whole"
        sentences.append(
            f"The models {differ} (Friedman's test: chi-squared {friedman.statistic:.1f}, "
            f"{friedman.degrees_of_freedom} degrees of freedom, p {p_text(friedman.p)})."
        )
    worse = [m for m in order[1:] if comparison.test(best, m).adjusted < 1 - LEVEL]
    level = [model for model in order[1:] if model not in worse]
    if worse:
        sentences.append(f"{best} is better than {', '.join(worse)} over datasets.")
    if level:
        sentences.append(f"No test tells {best} from {', '.join(level)}.")
    return sentences


def _pictures(material: Material, comparison: Comparison) -> tuple[Picture, ...]:
    ranks = comparison.mean_ranks
    seconds = material.cells.groupby("model")["seconds"].median()
    diagram = draw_svg(**_diagram(comparison))
    times = draw_svg(
        partial(time_against_quality, dict(seconds), ranks),
        width=6.0,
        height=3.8,
        label=f"seconds of a fit and mean rank by {comparison.metric}",
    )
    return (
        Picture(
            diagram,
            "Mean ranks, the best on the left; a bar joins models between which no signed-rank "
            "test, adjusted by Holm's method, finds a difference.",
            wide=True,
        ),
        Picture(times, "Time of a fit against mean rank: up is better, left is faster."),
    )


def _diagram(comparison: Comparison) -> dict[str, Any]:
    """Return what draws a critical-difference diagram, and its size and label."""
    ranks, groups = comparison.mean_ranks, comparison.groups
    return {
        "draw": partial(critical_difference_diagram, ranks, groups),
        "width": 7.5,
        "height": diagram_height(len(ranks), len(groups)),
        "label": f"mean ranks by {comparison.metric}",
    }


def _kinds_section(material: Material) -> Section:
    proportional = proportional_datasets(material.cells)
    tables: list[TextTable] = [datasets_table(material.facts, proportional)]
    for comparison in material.comparisons:
        kinds = ranks_by_kind(comparison, material.facts, proportional)
        if not kinds.empty:
            tables.append(kinds_table(kinds, comparison.metric))
    return Section(
        "Which data favour which model",
        paragraphs=("Datasets are divided at the median of what is named; few make no rule.",),
        tables=tuple(tables),
    )


def _runs_section(material: Material, failed: pd.DataFrame) -> Section:
    tables = [runs_table(material.cells, calibrated_shares(material.cells))]
    if not failed.empty:
        shown = failed.head(MOST_LISTED)
        text = shown.set_index("dataset")
        notes: tuple[str, ...] = ()
        if len(failed) > MOST_LISTED:
            notes = (f"{len(failed) - MOST_LISTED} more are in benchmark.csv.",)
        words = ("model", "split", "why")
        tables.append(TextTable("Runs without a record", text, notes=notes, words=words))
    return Section("The runs", tables=tuple(tables))
