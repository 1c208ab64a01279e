"""Configuration of the command that describes a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from survkit.configs.options import option, validate
from survkit.types import InputError

ENDINGS = (".html", ".htm")

_description = partial(option, topic="Description")


@dataclass(frozen=True)
class DescribeConfig:
    """How a dataset is described, and where the page goes."""

    dataset: str | None = _description(
        None, "one of {datasets}", shown_default="csv where --csv_path is given"
    )
    by: str | None = _description(
        None, "column that splits tables and curves: categories or few different numbers"
    )
    out: str | None = _description(
        None,
        "page to write",
        is_path=True,
        shown_default="PATIENTS_description.html beside PATIENTS.csv, or DATASET_description.html "
        "in this folder",
    )

    def __post_init__(self) -> None:
        validate(self)
        if self.out is not None and not self.out.casefold().endswith(ENDINGS):
            raise InputError(
                f"--out is {self.out}; it is a page, so its name ends in {' or '.join(ENDINGS)}"
            )
