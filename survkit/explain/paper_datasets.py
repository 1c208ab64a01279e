"""Veteran, lung and UDCA as the SurvLIME paper prepares them (section 4.2).

Unlike `survkit.datasets`, which keeps every subject and column for training and evaluation,
these loaders drop what the paper drops, and encode categories without a reference value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from survkit.text import nearest
from survkit.types import BoolArray, Float64Array, InputError, IntArray


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

    def encode(self, train: IntArray) -> pd.DataFrame:
        """Return model inputs (n, p*) of all subjects, by the statistics of rows for training.

        Numbers get mean 0 and standard deviation 1; a category with k values gets k - 1 columns
        of 0 and 1, named `<feature>_<value>`, or its own name where k = 2.
        """
        columns: dict[str, Float64Array] = {}
        for name, raw in self.features.items():
            if name not in self.references:
                values = raw.to_numpy(dtype=np.float64)
                columns[str(name)] = (values - values[train].mean()) / values[train].std()
                continue
            others = [v for v in sorted(raw.unique()) if v != self.references[str(name)]]
            for value in others:
                label = str(name) if len(others) == 1 else f"{name}_{value}"
                columns[label] = (raw == value).to_numpy(dtype=np.float64)
        return pd.DataFrame(columns)

    def event_percentages(self, feature: str) -> pd.Series:
        """Return the percentage of events by category, or by quartile of a number (tables 1-3)."""
        column = self.features[feature]
        if feature not in self.references:
            edges = np.unique(np.quantile(column, [0.25, 0.5, 0.75]))
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


def _udca(data_dir: Path | str | None) -> PaperDataset:
    """Load the UDCA trial from `udca_dataset.csv`, without the subject who has no risk score."""
    from survkit.datasets.reading import read_csv

    if data_dir is None:
        raise InputError("udca needs data_dir, the folder of udca_dataset.csv")
    table = read_csv(Path(data_dir) / "udca_dataset.csv")
    kept = table.dropna().reset_index(drop=True)
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


def load_paper_dataset(name: str, data_dir: Path | str | None = None) -> PaperDataset:
    """Load "veteran", "lung" or "udca" by name; only "udca" reads a file, from `data_dir`."""
    if name == "udca":
        return _udca(data_dir)
    loaders = {"veteran": _veteran, "lung": _lung}
    if name not in loaders:
        known = [*loaders, "udca"]
        raise InputError(f"unknown dataset '{name}'{nearest(name, known)}; {', '.join(known)}")
    return loaders[name]()
