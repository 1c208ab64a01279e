"""Explains predictions of a trained run: a table and figures next to its record.

python -m survkit.explain --run logs/flchain/0123456789abcdef --rows 0 5 17 --num_repetitions 100
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from survkit.cli import run_command
from survkit.configs.args_file import parse_configs
from survkit.configs.finished_runs import ExplainConfig
from survkit.types import InputError

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
    """Explain the subjects, print the coefficients of each and write them next to the record."""
    if config.run is None:
        raise InputError("--run is needed: the folder of a trained run")
    try:
        norm = float(config.functional_norm)
    except ValueError:
        raise InputError(
            f"--functional_norm is {config.functional_norm!r}; it must be a number of at least 1, "
            "or inf"
        ) from None
    import matplotlib as mpl

    from survkit.explain.runs import FOLDER, explain_rows, open_run, write_explanation

    mpl.use("Agg")
    rows = list(dict.fromkeys(config.rows))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        run = open_run(
            config.run,
            data_dir=config.data_dir,
            kernel_width=config.kernel_width,
            functional_norm=norm,
            random_state=config.seed,
            baseline=config.baseline,
            weighting=config.weighting,
        )
        explanation = explain_rows(
            run,
            rows,
            num_samples=config.num_samples,
            num_repetitions=config.num_repetitions,
            max_difference_time_allowed=config.max_difference_time_allowed,
            max_hazard_value_allowed=config.max_hazard_value_allowed,
            batch_size=config.batch_size,
            num_workers=config.num_workers,
            progress=sys.stderr.isatty(),
        )
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
    # Written before anything is printed: a reader such as head may close the output early.
    paths = write_explanation(Path(config.run) / FOLDER, explanation, rows, asdict(config))
    table = explanation.to_frame(rows)
    for i, row in enumerate(rows):
        largest = table.loc[row].iloc[(-abs(explanation.coefficients[i])).argsort()[:10]]
        fit = explanation.mean_r_squared[i]
        print(f"test subject {row}: the 10 largest coefficients, R^2 of the local fit {fit:.3f}")
        print(largest.to_string(float_format=lambda number: f"{number:.4f}"))
    for path in paths:
        print(f"saved {path}")


if __name__ == "__main__":
    sys.exit(main())
