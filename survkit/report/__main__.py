"""Compares the finished runs of a group: a table on the screen, figures beside the records.

python -m survkit.report --log_dir logs --group flchain
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from survkit.configs.args_file import parse_configs
from survkit.configs.command import run_command
from survkit.configs.report import ReportConfig
from survkit.types import InputError

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
    """Print the comparison table of a group and save its figures in the group's folder."""
    from survkit.report.overview import save_figures
    from survkit.report.runs import load_runs
    from survkit.report.tables import COMPARISON, comparison_table

    if config.group is None:
        raise InputError("--group is needed: a subfolder of --log_dir")
    runs = load_runs(config.log_dir, config.group)
    for column in ("dataset", "data_sha256", "evaluation"):
        found = sorted(runs[column].unique())
        if len(found) > 1:
            raise InputError(
                f"the runs of group {config.group} differ in {column} ({', '.join(found)}); "
                "a table compares models on the same data under one convention"
            )
    print(comparison_table(runs, config.metrics or COMPARISON).to_string())
    print("shares (concordance, Brier, AUC, accuracy, ECE) in percent; seconds per run")
    for path in save_figures(runs, Path(config.log_dir) / config.group):
        print(f"saved {path}")


if __name__ == "__main__":
    sys.exit(main())
