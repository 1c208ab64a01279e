"""Veteran, lung and UDCA as the SurvLIME paper prepares them (section 4.2).

Unlike `survkit.datasets`, which keeps every subject and column for training and evaluation,
these loaders drop what the paper drops, and encode categories without a reference value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from survkit.text import nearest
from survkit.types import BoolArray, Float64Array, InputError, IntArray

TEST_SHARE = 0.1

MissingRiskScore = Literal["median", "drop"]
"""What becomes of UDCA's subject without a risk score.

`median` keeps the subject and fills in the training median, which gives the printed tables 5 and
6. `drop` leaves the subject out, as section 4.2 says, which gives tables 1 and 4.
"""


@dataclass(frozen=True, eq=False)
class PaperDataset:
    """One of the paper's datasets after its exclusions, raw, with n subjects."""

    name: str  # "veteran", "lung" or "udca"
    num_all: int  # subjects before the exclusions
    features: pd.DataFrame  # (n, p)
    event: BoolArray  # (n,)
    time: Float64Array  # (n,), in days
    references: Mapping[str, object]  # the categorical features, with the value without a column

    def __len__(self) -> int:
        return len(self.features)

    def split(self, seed: int = 0) -> tuple[IntArray, IntArray]:
        """Return the rows for training and for testing, one tenth of all, as the authors do.

        Seed 0 gives the printed tables.
        """
        from sklearn.model_selection import train_test_split

        rows = np.arange(len(self))
        train, test = train_test_split(rows, test_size=TEST_SHARE, random_state=seed)
        return train, test

    def encode(self, train: IntArray) -> pd.DataFrame:
        """Return model inputs (n, p*) of all subjects, by the statistics of rows for training.

        A category with k values gets k - 1 indicator columns, named `<feature>_<value>`, or its
        own name where k = 2. Then every column, indicators too, gets mean 0 and standard deviation
        1, and a missing number the training median. Section 4.2 treats indicators as continuous.
        """
        columns: dict[str, Float64Array] = {}
        for name, raw in self.features.items():
            if name not in self.references:
                values = raw.to_numpy(dtype=np.float64)
                median = np.nanmedian(values[train])
                columns[str(name)] = np.where(np.isnan(values), median, values)
                continue
            others = [v for v in sorted(raw.unique()) if v != self.references[str(name)]]
            for value in others:
                label = str(name) if len(others) == 1 else f"{name}_{value}"
                columns[label] = (raw == value).to_numpy(dtype=np.float64)
        table = pd.DataFrame(columns)
        return (table - table.iloc[train].mean()) / table.iloc[train].std(ddof=0)

    def event_percentages(self, feature: str) -> pd.Series:
        """Return the percentage of events by category, or by quartile of a number (tables 1-3).

        Subjects without a value are left out.
        """
        column = self.features[feature]
        if feature not in self.references:
            edges = np.unique(np.nanquantile(column, [0.25, 0.5, 0.75]))
            column = pd.cut(column, [-np.inf, *edges, np.inf])
        shares = pd.Series(self.event * 100.0).groupby(column.to_numpy(), observed=True).mean()
        return shares.rename("percentage_cat")


def _veteran() -> PaperDataset:
    """Load the Veterans' Administration lung cancer trial from scikit-survival."""
    from sksurv.datasets import load_veterans_lung_cancer

    table, outcome = load_veterans_lung_cancer()
    features = pd.DataFrame(
        {
            "trt": np.where(table["Treatment"] == "test", 2, 1),
            "prior": np.where(table["Prior_therapy"] == "yes", 10, 0),
            "celltype": table["Celltype"].astype(str),
            "karno": table["Karnofsky_score"].astype(float),
            "age": table["Age_in_years"].astype(float),
            "diagtime": table["Months_from_Diagnosis"].astype(float),
        }
    )
    kept = pd.DataFrame({"status": outcome["Status"], "time": outcome["Survival_in_days"]})
    references = {"trt": 1, "prior": 0, "celltype": "adeno"}
    return _dataset("veteran", len(table), kept, features, references)


def _lung() -> PaperDataset:
    """Load the NCCTG lung cancer study from lifelines, with the paper's exclusions.

    Dropped: the columns inst and meal.cal, 18 subjects with missing values, and the only one with
    ph.ecog 3.
    """
    from lifelines.datasets import load_lung as load

    table = pd.DataFrame(load())
    kept = table.drop(columns=["inst", "meal.cal"]).dropna()
    kept = kept[kept["ph.ecog"] != 3].reset_index(drop=True)
    features = kept[["sex", "ph.ecog", "age", "ph.karno", "pat.karno", "wt.loss"]]
    features = features.astype({"sex": int, "ph.ecog": int})
    return _dataset("lung", len(table), kept, features, {"sex": 1, "ph.ecog": 0})


def _udca(data_dir: Path | str | None, missing: MissingRiskScore) -> PaperDataset:
    """Load the UDCA trial from `udca_dataset.csv`."""
    from survkit.datasets.reading import read_csv

    if data_dir is None:
        raise InputError("udca needs data_dir, the folder of udca_dataset.csv")
    table = read_csv(Path(data_dir) / "udca_dataset.csv")
    kept = table.dropna().reset_index(drop=True) if missing == "drop" else table
    features = kept[["trt", "stage", "bili", "riskscore"]].astype({"trt": int, "stage": int})
    return _dataset("udca", len(table), kept, features, {"trt": 0, "stage": 0})


def _dataset(
    name: str,
    num_all: int,
    kept: pd.DataFrame,
    features: pd.DataFrame,
    references: Mapping[str, object],
) -> PaperDataset:
    event = kept["status"].to_numpy(dtype=np.bool_)
    return PaperDataset(name, num_all, features, event, kept["time"].to_numpy(float), references)


def load_paper_dataset(
    name: str,
    data_dir: Path | str | None = None,
    *,
    missing_riskscore: MissingRiskScore = "median",
) -> PaperDataset:
    """Load one of the paper's three datasets.

    Parameters
    ----------
    name : {"veteran", "lung", "udca"}
        The dataset.
    data_dir : path, optional
        Folder of `udca_dataset.csv`; the other two come with the packages.
    missing_riskscore : {"median", "drop"}
        What becomes of the one subject of udca without a risk score, see `MissingRiskScore`; the
        other datasets do not read it.

    Raises
    ------
    InputError
        For an unknown name or treatment, and for a file that is not there or cannot be read.
    """
    treatments = get_args(MissingRiskScore)
    if missing_riskscore not in treatments:
        raise InputError(
            f"missing_riskscore is {missing_riskscore!r}; it must be one of {', '.join(treatments)}"
        )
    if name == "udca":
        return _udca(data_dir, missing_riskscore)
    loaders = {"veteran": _veteran, "lung": _lung}
    if name not in loaders:
        known = [*loaders, "udca"]
        raise InputError(f"unknown dataset '{name}'{nearest(name, known)}; {', '.join(known)}")
    return loaders[name]()
