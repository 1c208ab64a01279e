"""Compares the runs of a group: a table on the screen, a page and tables beside the records.

python -m survkit.report --log_dir logs --group flchain
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from survkit.cli import run_command
from survkit.configs.args_file import parse_configs
from survkit.configs.finished_runs import ReportConfig
from survkit.text import one_line
from survkit.types import InputError

# The heavy imports stand in the functions below, so that --help answers at once.
if TYPE_CHECKING:
    import pandas as pd

    from survkit.report.material import Material
    from survkit.report.subgroups import ReportedSubgroups
    from survkit.runs.state import OpenRun

PROG = "survkit.report"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    argv = sys.argv[1:] if argv is None else argv

    def command() -> None:
        (config,) = parse_configs(
            (ReportConfig,), argv, prog=PROG, description=__doc__.partition("\n")[0]
        )
        report(config)

    return run_command(PROG, command)


def report(config: ReportConfig) -> None:
    """Print the comparison table of a group and write its page and tables in its folder."""
    from survkit.report.material import gather, group_state
    from survkit.report.page import write_report
    from survkit.report.tables import page_metrics

    group_folder = Path(config.log_dir) / str(config.group)
    material, subgroups = None, None
    runs, damaged = _finished_runs(config.log_dir, str(config.group))
    if runs is not None:
        material = gather(
            runs,
            metrics=config.metrics or page_metrics(runs),
            reference=config.reference,
            data_dir=config.data_dir,
            resamples=config.bootstrap,
        )
        _print_comparison(material, config.metrics or None)
        subgroups = _subgroups(material, config)
    state = group_state(group_folder, None if material is None else material.runs, damaged)
    for run in state.open:
        if run.status == "damaged":
            print(
                f"left out: run {run.run_id} ({run.name or 'unknown'}): {run.note}", file=sys.stderr
            )
    if material is None and not state.open:
        raise InputError(f"no finished run in {group_folder}")
    if str(state):
        print(f"not complete: {state}")
    paths = write_report(
        material,
        state,
        group_folder,
        subgroups,
        decision_times=config.decision_times,
        decision_thresholds=config.decision_thresholds,
        resamples=config.bootstrap,
    )
    for path in paths:
        print(f"saved {one_line(str(path))}")


def _print_comparison(material: Material, metrics: Sequence[str] | None) -> None:
    """Print the comparison table, a part for each competing cause, and what to know of it."""
    from survkit.report.notes import later_cuts
    from survkit.report.tables import comparison_by_cause, table_notes

    for cause, table in comparison_by_cause(material.runs, metrics).items():
        if cause:
            print(f"\nof {cause}:")
        print(table.to_string())
    print("shares (concordance, Brier, AUC, accuracy, ECE) in percent; seconds per run")
    subjects = material.test.num_subjects
    for note in table_notes(material.runs, metrics, num_subjects=subjects):
        print(note)
    for note in later_cuts(material):
        print(note)


def _subgroups(material: Material, config: ReportConfig) -> ReportedSubgroups | None:
    """Score the subgroups that are asked for, and print for whom each model does worst."""
    from survkit.report.subgroups import asked_subgroups, reported_subgroups
    from survkit.runs.subgroup_text import worst_text

    specs = asked_subgroups(material.runs, config.subgroups)
    subgroups = reported_subgroups(material, specs, bootstrap=config.bootstrap)
    if subgroups is not None and not subgroups.scored:
        print(*subgroups.section.paragraphs)
    scored = {} if subgroups is None else subgroups.scored
    for model, several in scored.items():
        for scores in several:
            print(worst_text(model, scores))
    return subgroups


def _finished_runs(log_dir: str, group: str) -> tuple[pd.DataFrame | None, list[OpenRun]]:
    """Return the finished runs of a group, None where there is none, and those left out."""
    from survkit.runs.predictions import without_damaged
    from survkit.runs.table import find_runs

    runs, _ = find_runs(log_dir, group)  # `open_runs` names the others
    if runs is None:
        return None, []
    runs, damaged = without_damaged(runs)
    return (None if runs.empty else runs), damaged


if __name__ == "__main__":
    sys.exit(main())
