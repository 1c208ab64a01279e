"""Explains predictions of a trained run: tables, and a figure for each patient.

python -m survkit.explain --run logs/flchain/0123456789abcdef --rows 0 5 17 --num_repetitions 100
python -m survkit.explain --run logs/csv/0123456789abcdef --csv new.csv --id_column id
python -m survkit.explain --run logs/flchain/0123456789abcdef --rows 0 5 17 --method both
python -m survkit.explain --run logs/flchain/0123456789abcdef --importance
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from survkit.cli import run_command
from survkit.configs.args_file import parse_configs
from survkit.configs.finished_runs import ExplainConfig
from survkit.text import one_line
from survkit.types import InputError

# The functions below import the heavy modules, so that --help answers at once.
if TYPE_CHECKING:
    import pandas as pd

    from survkit.explain.agreement import Agreement
    from survkit.explain.loaded_run import LoadedRun
    from survkit.explain.runs import ExplainedSubjects
    from survkit.explain.subjects import Subjects
    from survkit.explain.survshap_runs import ExplainedOverTime

SHOWN = 10
"""Features of each subject on the screen; all are in explanation.csv."""

PROG = "survkit.explain"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    argv = sys.argv[1:] if argv is None else argv

    def command() -> None:
        (config,) = parse_configs(
            (ExplainConfig,), argv, prog=PROG, description=__doc__.partition("\n")[0]
        )
        explain(config)

    return run_command(PROG, command)


def explain(config: ExplainConfig) -> None:
    """Explain the subjects, print what matters most to each and write all of it."""
    if config.run is None:
        raise InputError("--run is needed: the folder of a trained run")
    norm = _norm(config.functional_norm)
    import matplotlib as mpl

    from survkit.explain.loaded_run import load_run
    from survkit.explain.writing import output_folder
    from survkit.runs.record_files import read_result

    mpl.use("Agg")
    read_result(Path(config.run))  # before all other work: is it a record that is whole?
    folder = output_folder(config.run, config.csv, config.out)
    began = time.perf_counter()
    run = load_run(config.run, data_dir=config.data_dir, cause=config.cause)
    if config.importance:
        from survkit.explain.over_time import explain_importance

        _say_saved(explain_importance(config, run, folder))
        return
    explained = _explained(config, run, norm)
    for note in explained.notes:
        print(f"warning: {note}", file=sys.stderr)
    # Written before anything is printed: a reader such as head may close the output early.
    paths = _write(folder, explained, asdict(config))
    _show(explained)
    seconds = time.perf_counter() - began
    print(f"{len(explained.subjects.rows)} explained in {seconds:.1f} s")
    _say_saved(paths)


class _Explained(NamedTuple):
    """The explanations of some subjects, by the methods that were asked for."""

    subjects: Subjects
    survlime: ExplainedSubjects | None
    survshap: ExplainedOverTime | None
    agreements: list[Agreement] | None
    notes: list[str]


def _say_saved(paths: Sequence[Path]) -> None:
    for path in paths:
        print(f"saved {one_line(str(path))}")


def _norm(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"--functional_norm is {text!r}; it must be a number of at least 1, or inf"
        ) from None


def _explained(config: ExplainConfig, run: LoadedRun, norm: float) -> _Explained:
    subjects, notes = _subjects(config, run)
    survlime = survshap = both = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        if config.method != "survshap":
            survlime = _by_survlime(config, run, subjects, norm)
            notes += survlime.notes
        if config.method != "survlime":
            from survkit.explain.survshap_runs import explain_over_time

            survshap = explain_over_time(
                run,
                subjects,
                background=config.background,
                max_coalitions=config.max_coalitions,
                batch_size=config.batch_size,
                seed=config.seed,
            )
    if survlime is not None and survshap is not None:
        from survkit.explain.over_time import agreements

        both = agreements(survlime, survshap)
    notes += [str(warning.message) for warning in caught]
    return _Explained(subjects, survlime, survshap, both, notes)


def _subjects(config: ExplainConfig, run: LoadedRun) -> tuple[Subjects, list[str]]:
    from survkit.explain.subjects import from_table, from_test_split

    if config.csv is None:
        rows = list(dict.fromkeys(config.rows or (0,)))
        return from_test_split(run.dataset.splits.test, rows), []
    return from_table(Path(config.csv), run.fitted, config.id_column, config.ids)


def _by_survlime(
    config: ExplainConfig, run: LoadedRun, subjects: Subjects, norm: float
) -> ExplainedSubjects:
    from survkit.explain.runs import explain_subjects, with_explainer

    explainable = with_explainer(
        run,
        kernel_width=config.kernel_width,
        functional_norm=norm,
        random_state=config.seed,
        baseline=config.baseline,
        weighting=config.weighting,
    )
    return explain_subjects(
        explainable,
        subjects,
        num_samples=config.num_samples,
        num_repetitions=config.num_repetitions,
        max_difference_time_allowed=config.max_difference_time_allowed,
        max_hazard_value_allowed=config.max_hazard_value_allowed,
        batch_size=config.batch_size,
        num_workers=config.num_workers,
        progress=sys.stderr.isatty(),
    )


def _write(folder: Path, explained: _Explained, settings: dict[str, Any]) -> list[Path]:
    """Write what was explained; return the paths."""
    from survkit.explain.survshap_writing import (
        drop_agreement,
        write_agreement,
        write_over_time,
    )
    from survkit.explain.writing import write_explanation

    drop_agreement(folder)
    paths = []
    if explained.survlime is not None:
        paths += write_explanation(folder, explained.survlime, settings)
    if explained.survshap is not None:
        paths += write_over_time(folder, explained.survshap, settings)
    if explained.agreements is not None:
        paths += write_agreement(folder, explained.subjects, explained.agreements)
    return paths


def _show(explained: _Explained) -> None:
    from survkit.explain.over_time import print_agreements, print_over_time

    if explained.survlime is not None:
        _print(explained.survlime)
    if explained.survshap is not None:
        print_over_time(explained.survshap)
    if explained.agreements is not None:
        print_agreements(explained.subjects.titles, explained.agreements)


def _print(explained: ExplainedSubjects) -> None:
    """Print the curves' medians and the largest contributions of each subject."""
    import numpy as np

    from survkit.explain.texts import (
        capped_text,
        cohort_text,
        curve_text,
        doubt_text,
        nothing_shown,
        unknown_text,
    )

    unit, cause = explained.time_unit, explained.cause
    cohort = curve_text(explained.cohort, unit, cause)
    for i, (title, table) in enumerate(
        zip(explained.subjects.titles, explained.tables, strict=True)
    ):
        own = curve_text(explained.curves.subset(np.array([i])), unit, cause)
        fit = explained.explanation.mean_r_squared[i]
        print(f"{title}: predicted {own}")
        print(f"  {cohort_text(explained.cohort_size)}: {cohort}")
        if unknown := unknown_text(table):
            print(f"  missing, or not in the training data: {unknown}")
        if capped := capped_text(float(explained.explanation.share_capped[i].mean())):
            print(f"  {capped}")
        if nothing := nothing_shown(table):
            print(f"  {nothing}")
            continue
        doubt = f" ({text})" if (text := doubt_text(fit)) else ""
        size = f"{fit:.3f}" if np.isfinite(fit) else "unknown"
        print(f"  R^2 of the local fit {size}{doubt}; hazard ratios against the reference:")
        print(_largest(table))


def _largest(table: pd.DataFrame) -> str:
    import pandas as pd

    from survkit.explain.texts import WIDTH, feature_text, ratio_text, shown_features
    from survkit.pages.labels import shortened

    rows = [row for _, row in shown_features(table).head(SHOWN).iterrows()]
    lines = {
        "feature": [feature_text(row) for row in rows],
        "reference": [shortened(row["reference"], WIDTH) for row in rows],
        "hazard ratio (95 %)": [ratio_text(row) for row in rows],
        "coefficient": [f"{row['coefficient']:.4g}" for row in rows],
    }
    return str(pd.DataFrame(lines).to_string(index=False, justify="left"))


if __name__ == "__main__":
    sys.exit(main())
