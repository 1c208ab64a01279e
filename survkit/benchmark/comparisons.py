"""What a benchmark's runs say: differences on each dataset, ranks and tests over datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from survkit.benchmark.cells import CALIBRATION, DatasetFacts
from survkit.metrics.model_comparison import (
    Friedman,
    MeanDifference,
    PairTest,
    WinTieLoss,
    corrected_interval,
    friedman_test,
    level_groups,
    ranks,
    signed_rank_tests,
    win_tie_loss,
)

MARGINS = {"concordance_td": 0.01, "integrated_brier": 0.005}
"""Differences that are too small to matter in practice: one point of concordance, half of Brier."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """The models by one metric; everything is counted so that higher is better.

    Parameters
    ----------
    metric : str
        The metric's name.
    means : DataFrame
        Mean over splits, a row for each dataset and a column for each model; NaN where the model
        has not been evaluated in every split in which any model has.
    splits : Series
        In how many splits each dataset has the metric.
    ranked : list of str
        The datasets on which every model has a mean: those of `mean_ranks` and `friedman`.
    mean_ranks : Series
        Of each model; 1 is best.
    tests : list of PairTest
        Between all pairs of models, by their places, over the datasets that both have.
    groups : list of list of str
        Models that no test tells apart, as a critical-difference diagram joins them.
    differences : mapping
        By dataset, of each ordered pair of models (first less second).
    """

    metric: str
    means: pd.DataFrame
    splits: pd.Series
    ranked: list[str]
    mean_ranks: pd.Series
    friedman: Friedman
    tests: list[PairTest]
    groups: list[list[str]]
    differences: Mapping[str, Mapping[tuple[str, str], MeanDifference]]

    @property
    def models(self) -> list[str]:
        """The models, in the benchmark's order."""
        return list(self.means.columns)

    @property
    def order(self) -> list[str]:
        """The models from the best mean rank on."""
        return list(self.mean_ranks.sort_values(kind="stable").index)

    @property
    def margin(self) -> float:
        """The difference up to which two models are level in practice."""
        return MARGINS[self.metric]

    def test(self, first: str, second: str) -> PairTest:
        """Return the test between two models."""
        places = sorted((self.models.index(first), self.models.index(second)))
        return next(test for test in self.tests if [test.first, test.second] == places)

    def wins(self, first: str, second: str) -> WinTieLoss:
        """Count the datasets on which the first model is better by more than the margin."""
        return win_tie_loss(self._better(first) - self._better(second), self.margin)

    def _better(self, model: str) -> NDArray[np.float64]:
        return sign(self.metric) * self.means[model].to_numpy()


def sign(metric: str) -> int:
    """Return 1 where more of a metric is better, else -1."""
    return -1 if "brier" in metric else 1


def compare(cells: pd.DataFrame, facts: Mapping[str, DatasetFacts], metric: str) -> Comparison:
    """Compare the models of a benchmark by one metric.

    Parameters
    ----------
    cells : DataFrame
        As `survkit.benchmark.cells.read_cells` returns it.
    facts : mapping
        Of each dataset, for the sizes of its training and test rows.
    metric : str
        One of `survkit.benchmark.cells.METRICS`.
    """
    datasets, models = (list(dict.fromkeys(cells[name])) for name in ("dataset", "model"))
    tables = {name: _by_split(cells, name, models, metric) for name in datasets}
    means = pd.DataFrame({name: table.mean(skipna=False) for name, table in tables.items()}).T
    means = means.reindex(columns=models)
    ranked = list(means.index[means.notna().all(axis=1)])
    complete = sign(metric) * means.loc[ranked].to_numpy(dtype=float)
    mean_ranks = pd.Series(
        ranks(complete).mean(axis=0) if ranked else np.full(len(models), np.nan), index=models
    )
    tests = signed_rank_tests(sign(metric) * means.to_numpy(dtype=float))
    groups = level_groups(mean_ranks.to_numpy(), tests) if ranked else []
    return Comparison(
        metric=metric,
        means=means,
        splits=pd.Series({name: len(table) for name, table in tables.items()}),
        ranked=ranked,
        mean_ranks=mean_ranks,
        friedman=friedman_test(complete),
        tests=tests,
        groups=[[models[place] for place in group] for group in groups],
        differences={
            name: _differences(table, facts[name])
            for name, table in tables.items()
            if name in facts
        },
    )


def _by_split(cells: pd.DataFrame, dataset: str, models: list[str], metric: str) -> pd.DataFrame:
    """Return the metric of each model (columns) in each split in which any model has it."""
    own = cells[cells["dataset"] == dataset]
    table = own.pivot(index="split", columns="model", values=metric).reindex(columns=models)
    return table.dropna(how="all")


def _differences(table: pd.DataFrame, facts: DatasetFacts) -> dict[tuple[str, str], MeanDifference]:
    found: dict[tuple[str, str], MeanDifference] = {}
    sizes = {"n_train": facts.n_train, "n_test": facts.n_test}
    for first, second in combinations(table.columns, 2):
        values = (table[first] - table[second]).to_numpy(dtype=float)
        found[first, second] = corrected_interval(values, **sizes)
        found[second, first] = corrected_interval(-values, **sizes)
    return found


def calibrated_shares(cells: pd.DataFrame) -> pd.DataFrame:
    """Return how often each model passes D-calibration (p of at least 0.05), and of how many runs.

    Returns
    -------
    DataFrame
        A row for each model: `share`, and `runs`, those whose test is defined.
    """
    known = cells.dropna(subset=[CALIBRATION])
    passed = known[CALIBRATION].ge(0.05).groupby(known["model"]).agg(["mean", "size"])
    models = list(dict.fromkeys(cells["model"]))
    return passed.set_axis(["share", "runs"], axis=1).reindex(models)


def ranks_by_kind(
    comparison: Comparison, facts: Mapping[str, DatasetFacts], proportional: Mapping[str, bool]
) -> pd.DataFrame:
    """Return mean ranks among datasets of one kind: small and large, with few and many events, ...

    Returns
    -------
    DataFrame
        A row for each kind, with the number of its `datasets` and the mean rank of each model.
        Datasets are divided at the median; a kind that divides nothing is left out.
    """
    scores = comparison.means.loc[comparison.ranked]
    table = pd.DataFrame(
        ranks(sign(comparison.metric) * scores.to_numpy(dtype=float)),
        index=scores.index,
        columns=scores.columns,
    )
    rows: dict[str, pd.Series] = {}
    for what, text in (
        ("subjects", "{:,.0f} subjects"),
        ("events", "{:,.0f} events"),
        ("censored", "{:.0%} censored"),
        ("features", "{:,.0f} features"),
    ):
        values = pd.Series({name: float(getattr(facts[name], what)) for name in table.index})
        middle = values.median()
        low = values <= middle
        if low.all():
            continue
        rows[f"at most {text.format(middle)}"] = _means(table[low.to_numpy()])
        rows[f"more than {text.format(middle)}"] = _means(table[~low.to_numpy()])
    known = [name for name in table.index if name in proportional]
    for answer, title in ((True, "proportional hazards"), (False, "hazards not proportional")):
        own = [name for name in known if proportional[name] is answer]
        if own:
            rows[title] = _means(table.loc[own])
    return pd.DataFrame(rows).T


def _means(table: pd.DataFrame) -> pd.Series:
    return pd.Series({"datasets": float(len(table)), **table.mean()})


def proportional_datasets(cells: pd.DataFrame) -> dict[str, bool]:
    """Return of each dataset whether most fits of a Cox model find its hazards proportional."""
    known = cells.dropna(subset=["proportional"])
    shares = known["proportional"].astype(float).groupby(known["dataset"]).mean()
    return {str(name): bool(share > 0.5) for name, share in shares.items()}
