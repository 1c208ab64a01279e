"""SUPPORT2: seriously ill hospital patients, followed until death."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.datasets.assemble import CommonParameters, Dataset, as_published, build_dataset
from survkit.datasets.card import Card
from survkit.datasets.reading import read_csv
from survkit.datasets.storage import download_timeout, ensure_file
from survkit.datasets.tables import RawTable, as_numbers
from survkit.types import BoolArray, InputError

EVENT, TIME = "death", "d.time"

CATEGORICAL = ("sex", "dzgroup", "dzclass", "income", "race", "diabetes", "dementia", "ca", "dnr")

QUANTILE_BINS = {"hday": 10}

NORMAL_VALUES = {
    "alb": 3.5,
    "pafi": 333.3,
    "bili": 1.01,
    "crea": 1.01,
    "bun": 6.51,
    "wblc": 9.0,
    "urine": 2502.0,
}
"""The dataset authors' values for missing physiology."""

UNKNOWN_AT_DAY_3 = ("charges", "totcst", "totmcst", "avtisst", "dnr", "dnrday")

OTHER_MODELS = ("surv2m", "surv6m", "prg2m", "prg6m", "aps", "sps")

_BASELINE = """
    age sex dzgroup dzclass num.co edu income scoma race hday diabetes dementia ca meanbp wblc hrt
    resp temp pafi alb bili crea sod ph glucose bun urine adlp adls adlsc
"""

FEATURES = {
    "published": (*_BASELINE.split(), *UNKNOWN_AT_DAY_3, *OTHER_MODELS),
    "baseline": tuple(_BASELINE.split()),
}

DROPPED = {
    "sno": "the patients' number (id in UCI's copy)",
    "death": "the outcome",
    "d.time": "the outcome",
    "hospdead": "death in hospital, a part of the outcome",
    "slos": "length of the stay, known only at its end",
    "sfdm2": "functional disability two months later",
}

CARD = Card(
    name="support2",
    n=9105,
    events=6201,
    time_unit="days since study entry",
    source="Connors et al. (1995), JAMA 274; archive.ics.uci.edu/dataset/880/support2",
    licence="CC BY 4.0",
    dropped_columns=DROPPED,
    notes=("Missing physiology takes the authors' normal values.",),
)

PUBLISHED_LEAKS = (
    f"{', '.join(UNKNOWN_AT_DAY_3)} are not known at day 3, when the prediction is made",
    f"{', '.join(OTHER_MODELS)} are the predictions and scores of other models or of physicians",
)


def load_support2(
    *,
    data_dir: Path | str,
    support2_features: Literal["published", "baseline"] = "published",
    support2_start_day: float | None = None,
    support2_censor_day: float | None = None,
    download: bool = True,
    **common: Unpack[CommonParameters],
) -> Dataset:
    """Load SUPPORT2 from `support2.csv` in the data directory, or UCI where it is not there.

    Parameters
    ----------
    data_dir : Path
        Folder that holds the file or receives it.
    support2_features : {"published", "baseline"}
        All 42 columns, or the 30 that are known at day 3 and not a model's prediction.
    support2_start_day : float, optional
        Keep only patients under observation after this day, and count time from it.
    support2_censor_day : float, optional
        Censor at this day of the study every patient followed for longer.
    download : bool
        Whether to download a file that is not there.
    **common
        As in `build_dataset`; at any size cuts are even and the split random unless asked.

    Raises
    ------
    InputError
        For a file that is missing and not downloaded, a damaged one, or days out of order.
    """
    if support2_features not in FEATURES:
        known = " or ".join(FEATURES)
        raise InputError(f"support2_features is '{support2_features}'; it must be {known}")
    fetch = _download if download else None
    path = ensure_file(Path(data_dir) / "support2.csv", fetch, _read_checked)
    frame, event, time = _read_checked(path)
    kept, event, time = _observation_window(event, time, support2_start_day, support2_censor_day)
    names = list(FEATURES[support2_features])
    table = RawTable(
        features=frame.loc[kept, names].reset_index(drop=True),
        event=event,
        time=time,
        categorical=tuple(name for name in CATEGORICAL if name in names),
        impute=NORMAL_VALUES,
        quantile_bins=QUANTILE_BINS,
    )
    card = _card(table, support2_features, support2_start_day, support2_censor_day)
    return build_dataset(table, card, **as_published(common))


def _read_checked(path: Path) -> tuple[pd.DataFrame, BoolArray, NDArray[np.float64]]:
    frame = read_csv(path)
    absent = [name for name in (EVENT, TIME, *FEATURES["published"]) if name not in frame]
    if absent:
        raise InputError(f"{path} lacks column {', '.join(absent)} of SUPPORT2")
    outcomes = {name: as_numbers(frame[name]) for name in (EVENT, TIME)}
    for name, values in outcomes.items():
        if (bad := ~(values >= 0)).any():
            row = int(np.argmax(bad))
            shown = "missing" if np.isnan(values[row]) else f"{values[row]:g}"
            raise InputError(
                f"{path}: outcome '{name}' is {shown} in data row {row + 1}; it must be at least 0"
            )
    event = outcomes[EVENT] == 1
    CARD.check(len(frame), int(event.sum()))
    return frame, event, outcomes[TIME]


def _observation_window(
    event: BoolArray, time: NDArray[np.float64], start_day: float | None, censor_day: float | None
) -> tuple[BoolArray, BoolArray, NDArray[np.float64]]:
    start = 0.0 if start_day is None else start_day
    end = np.inf if censor_day is None else censor_day
    if not 0 <= start < end:
        raise InputError(
            f"support2_start_day {start_day} and support2_censor_day {censor_day} must satisfy "
            "0 <= start day < censor day"
        )
    kept = np.ones(len(time), np.bool_) if start_day is None else time > start_day
    return kept, (event & (time <= end))[kept], np.minimum(time, end)[kept] - start


def _card(
    table: RawTable, features: str, start_day: float | None, censor_day: float | None
) -> Card:
    dropped, notes = dict(DROPPED), list(CARD.notes)
    if features == "baseline":
        dropped |= dict.fromkeys(UNKNOWN_AT_DAY_3, "not known at day 3")
        dropped |= dict.fromkeys(OTHER_MODELS, "another model's or a physician's prediction")
    if start_day is not None:
        notes.append(f"Only patients observed after day {start_day:g}; time counts from that day.")
    if censor_day is not None:
        notes.append(f"Everybody followed beyond day {censor_day:g} is censored there.")
    return replace(
        CARD,
        n=len(table),
        events=int(table.event.sum()),
        dropped_columns=dropped,
        known_leaks=PUBLISHED_LEAKS if features == "published" else (),
        notes=tuple(notes),
    )


def _download(path: Path, fetch: Callable[[], pd.DataFrame] | None = None) -> None:
    try:
        frame = (fetch or _fetch_from_uci)()
    # The library raises errors of its own, of urllib, of json and of pandas.
    except Exception as error:
        wanted = (path.parent / "support2.csv").absolute()
        raise InputError(
            f"{wanted} is not there, and its download from UCI (dataset 880) failed: {error}. "
            "Put the file there by hand from https://archive.ics.uci.edu/dataset/880/support2, "
            "or name its folder with --data_dir"
        ) from error
    frame.to_csv(path, index=False)


def _fetch_from_uci() -> pd.DataFrame:
    from ucimlrepo import fetch_ucirepo

    with download_timeout():
        return pd.DataFrame(fetch_ucirepo(id=880).data.original)
