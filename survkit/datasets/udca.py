"""UDCA: a trial of ursodeoxycholic acid in primary biliary cirrhosis, read from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from survkit.datasets.assemble import CommonParameters, Dataset, build_dataset
from survkit.datasets.card import Card
from survkit.datasets.reading import read_csv
from survkit.datasets.tables import RawTable, as_numbers
from survkit.types import InputError

FILE = "udca_dataset.csv"
FEATURES = ("bili", "stage", "riskscore", "trt")

CARD = Card(
    name="udca",
    n=170,
    events=16,
    time_unit="days since randomisation, to the event that the file's status tells",
    source="Lindor et al. (1994), Gastroenterology 106; R package survival",
    licence="shipped with the R package survival (LGPL); the source states no other terms",
    notes=("The 17 test rows hold 2 of the 16 events: read their metrics with their intervals.",),
)


def load_udca(*, data_dir: Path | str, **common: Unpack[CommonParameters]) -> Dataset:
    """Load UDCA from `udca_dataset.csv` in the data directory, which must be as its card says."""
    path = Path(data_dir) / FILE
    if not path.exists():
        raise InputError(
            f"{path.absolute()} is not there: a table of the columns bili, stage, riskscore, trt, "
            "status (1 = event) and time, from udca in the R package survival; or name its folder "
            "with --data_dir"
        )
    frame = read_csv(path)
    absent = [name for name in (*FEATURES, "status", "time") if name not in frame]
    if absent:
        raise InputError(f"{path} lacks column {', '.join(absent)} of UDCA")
    event = as_numbers(frame["status"]) == 1
    CARD.check(len(frame), int(event.sum()))
    # The order of the file, which is part of the data's digest.
    features = frame.drop(columns=["status", "time"])
    table = RawTable(features, event, as_numbers(frame["time"]), categorical=("stage", "trt"))
    return build_dataset(table, CARD, **common)
