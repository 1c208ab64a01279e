"""The printed tables of the SurvLIME paper, and what is found beside them.

Pachón-García et al. (2024), "SurvLIMEpy: A Python package implementing SurvLIME". Tables 1 to 8
are of three clinical datasets, 9 and 10 of simulated data.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from survkit.explain.paper_datasets import PaperDataset

PERCENTAGES: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "udca": {
        "trt": (11.90, 7.06),
        "stage": (3.85, 12.00),
        "bili": (2.17, 2.56, 14.30, 19.00),
        "riskscore": (0.00, 0.00, 9.52, 30.80),
    },
    "lung": {
        "sex": (79.80, 56.50),
        "ph.ecog": (56.70, 71.70, 86.00),
        "age": (64.80, 65.40, 70.60, 80.80),
        "ph.karno": (77.00, 62.70, 62.10),
        "pat.karno": (80.00, 75.00, 62.70, 56.20),
        "wt.loss": (68.90, 59.10, 79.20, 72.50),
    },
    "veteran": {
        "trt": (92.80, 94.10),
        "prior": (93.80, 92.50),
        "celltype": (96.30, 96.30, 93.80, 88.60),  # adeno, large, smallcell, squamous
        "karno": (97.40, 95.10, 92.00, 87.90),
        "age": (94.30, 87.20, 100.00, 93.30),
        "diagtime": (90.50, 97.00, 90.00, 96.90),
    },
}
"""Tables 1 to 3: percentage of subjects with the event, by category or quartile of a feature."""

SIZES: Mapping[str, tuple[int, int, int, int]] = {
    "udca": (4, 4, 170, 169),
    "lung": (8, 7, 228, 209),
    "veteran": (6, 8, 137, 137),
}
"""Table 4: features, columns after encoding, subjects, and subjects without missing values."""

DROPPED_FEATURES: Mapping[str, int] = {"udca": 0, "lung": 2, "veteran": 0}
"""Features that table 4 counts and the loaders drop: lung's inst and meal.cal."""

CONCORDANCE: Mapping[str, Mapping[str, float]] = {
    "udca": {"cox": 0.83, "rsf": 0.83, "xgb": 0.87, "deepsurv": 0.50, "deephit": 0.50},
    "lung": {"cox": 0.56, "rsf": 0.67, "xgb": 0.67, "deepsurv": 0.50, "deephit": 0.50},
    "veteran": {"cox": 0.60, "rsf": 0.63, "xgb": 0.75, "deepsurv": 0.52, "deephit": 0.52},
}
"""Table 5: concordance on the test subjects, by dataset and model."""

COEFFICIENTS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "udca": {
        "riskscore": (2.4397, 1.6110),
        "stage": (-0.0264, -0.0392),
        "trt": (-0.6480, -0.3937),
        "bili": (-1.7014, -1.0954),
    },
    "lung": {
        "ph.ecog_2": (0.6678, 0.6117),
        "ph.ecog_1": (0.4419, 0.4049),
        "age": (0.1551, 0.1422),
        "ph.karno": (0.3206, 0.2939),
        "pat.karno": (-0.1805, -0.1654),
        "wt.loss": (-0.1491, -0.1367),
        "sex": (-0.2991, -0.2742),
    },
    "veteran": {
        "trt": (0.0979, 0.0569),
        "prior": (-0.0107, -0.0138),
        "diagtime": (-0.0166, -0.0088),
        "age": (-0.0454, -0.0253),
        "celltype_squamous": (-0.5197, -0.3690),
        "celltype_smallcell": (-0.0557, -0.0461),
        "celltype_large": (-0.3110, -0.2278),
        "karno": (-0.7381, -0.5251),
    },
}
"""Tables 6 to 8: Cox's coefficients, and the medians of SurvLIME's when it explains Cox."""

NETWORK_CONCORDANCE: Mapping[str, float] = {"deepsurv": 0.70, "deephit": 0.68}
"""Table 9: concordance of the networks on simulated set 1."""

SET_1: Mapping[str, tuple[float, float]] = {
    "one": (1e-6, -0.0045),
    "two": (0.1, 0.0711),
    "three": (-0.15, -0.1251),
    "four": (1e-6, 0.0025),
    "five": (1e-6, -0.0088),
}
"""Table 10: true coefficients of set 1, and the medians of SurvLIME's for DeepSurv."""


def beside(found: pd.Series, printed: pd.Series) -> pd.DataFrame:
    """Return found and printed values with their difference, found minus printed.

    Rows are those of `printed`; a row that was not found is NaN.
    """
    table = pd.DataFrame({"found": found.reindex(printed.index), "printed": printed})
    return table.assign(difference=table["found"] - table["printed"])


def event_percentages(data: PaperDataset) -> pd.DataFrame:
    """Return tables 1 to 3 for a dataset; rows are features and their categories or quartiles."""
    found = {name: data.event_percentages(name) for name in PERCENTAGES[data.name]}
    labels = pd.MultiIndex.from_tuples(
        [(name, str(category)) for name, shares in found.items() for category in shares.index],
        names=["feature", "category"],
    )
    shares = np.concatenate([shares.to_numpy() for shares in found.values()])
    printed = [value for values in PERCENTAGES[data.name].values() for value in values]
    return beside(pd.Series(shares, labels), pd.Series(printed, labels))


def sizes(data: PaperDataset) -> pd.DataFrame:
    """Return table 4 for a dataset."""
    complete = ~data.features.isna().any(axis=1)
    found = (
        data.features.shape[1] + DROPPED_FEATURES[data.name],
        data.encode(np.arange(len(data))).shape[1],
        data.num_all,
        int(complete.sum()),
    )
    labels = ["p", "p*", "n", "n_full"]
    return beside(pd.Series(found, labels), pd.Series(SIZES[data.name], labels))


def coefficients(name: str, cox: pd.Series, survlime: pd.Series) -> pd.DataFrame:
    """Return tables 6 to 8 for a dataset; the columns are Cox's and SurvLIME's.

    Parameters
    ----------
    name : str
        The dataset.
    cox, survlime : Series
        Coefficients by the names of the encoded columns.
    """
    printed = pd.DataFrame(COEFFICIENTS[name], index=["cox", "survlime"]).T
    tables = {"cox": beside(cox, printed["cox"]), "survlime": beside(survlime, printed["survlime"])}
    return pd.concat(tables, axis=1)
