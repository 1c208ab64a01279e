"""Describes a dataset before any model: how it was read, Table 1, follow-up, survival.

python -m survkit.describe --csv_path patients.csv --time_column days --event_column dead --by stage
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from survkit.cli import run_command
from survkit.configs.args_file import Given, build_config, given_flags
from survkit.configs.data import DataConfig
from survkit.configs.describe import DescribeConfig
from survkit.configs.train import TrainConfig
from survkit.datasets import (
    COMMON_PARAMETERS,
    GRID_PARAMETERS,
    dataset_name,
    folder_name,
    known_datasets,
    load_configured,
)
from survkit.datasets import load_parameters as all_load_parameters
from survkit.types import InputError

if TYPE_CHECKING:
    from survkit.datasets.assemble import Dataset
    from survkit.datasets.csv_table import CsvTable

# The functions below import the heavy modules, so that --help answers at once.

PROG = "survkit.describe"
TIMES_FROM_GRID = ("sepsis",)
"""Datasets whose times the flags of the time grid decide; a description of others has no grid."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    argv = sys.argv[1:] if argv is None else argv

    def command() -> None:
        # An args file of a training may be given, so its flags are known, but they are no help.
        asks_for_help = not {"-h", "--help"}.isdisjoint(argv)
        given = given_flags(
            (DescribeConfig, DataConfig if asks_for_help else TrainConfig),
            argv,
            prog=PROG,
            description=f"{__doc__.partition(chr(10))[0]} Of the time grid's flags only dataset "
            f"{' and '.join(TIMES_FROM_GRID)} reads any.",
            words={"datasets": known_datasets(), "models": "those of survkit.train"},
        )
        describe(build_config(DescribeConfig, given.values), data_config(given))

    return run_command(PROG, command)


def data_config(given: Given) -> DataConfig:
    """Return which data to describe, from the flags that were given.

    Raises
    ------
    InputError
        For no dataset, or a flag that was typed and that its description does not read.
    """
    values = dict(given.values)
    if "dataset" not in values:
        if "csv_path" not in values:
            raise InputError(
                f"name a table with --csv_path, or a dataset with --dataset: {known_datasets()}"
            )
        values["dataset"] = "csv"
    name = dataset_name(values["dataset"])
    read = {"dataset", "by", "out", *load_parameters(name)}
    if unread := [f"--{flag}" for flag in given.typed if flag not in read]:
        raise InputError(f"{', '.join(unread)}: not read in describing dataset {name}")
    config: DataConfig = build_config(DataConfig, {**values, "dataset": name})
    return config


def load_parameters(name: str) -> list[str]:
    """Return the flags that a description of a dataset reads."""
    used = GRID_PARAMETERS if name in TIMES_FROM_GRID else ()
    unused = set(COMMON_PARAMETERS).difference(used)
    return [flag for flag in all_load_parameters(name) if flag not in unused]


def describe(config: DescribeConfig, data: DataConfig) -> Path:
    """Print the description of a dataset and write its page; returns the page's path.

    Nothing is written where the data or the column of --by cannot be used.
    """
    from survkit.describe.cohort import cohort_of
    from survkit.describe.page import page, screen
    from survkit.describe.sections import sections
    from survkit.files import write_bytes

    out = page_path(config, data)
    if data.csv_path is not None and out.resolve() == Path(data.csv_path).resolve():
        raise InputError(f"--out is {out}, the table itself")
    cohort = cohort_of(_load(data), config.by)
    parts = sections(cohort)
    write_bytes(out, page(cohort, parts).encode())
    print(screen(cohort, parts))
    print(f"\nsaved {out}")
    return out


def _load(data: DataConfig) -> Dataset | CsvTable:
    """Return the data; a table of the user's own without splits, which only a model needs."""
    from survkit.datasets.csv import table_to_describe
    from survkit.datasets.table_flags import TableFlags

    if data.dataset == "csv":
        flags = {field.name: getattr(data, field.name) for field in fields(TableFlags)}
        return table_to_describe(data.csv_path, TableFlags(**flags))
    values = {flag: getattr(data, flag) for flag in load_parameters(data.dataset)}
    return load_configured({"dataset": data.dataset, "data_dir": data.data_dir, **values})


def page_path(config: DescribeConfig, data: DataConfig) -> Path:
    """Return where the page goes: beside a table, or in the current folder."""
    if config.out is not None:
        return Path(config.out)
    if data.dataset != "csv":
        return Path(f"{folder_name(data.dataset)}_description.html")
    table = Path(str(data.csv_path))
    name = table.with_suffix("").name if table.suffix.casefold() == ".gz" else table.name
    return table.with_name(f"{Path(name).stem}_description.html")


if __name__ == "__main__":
    sys.exit(main())
