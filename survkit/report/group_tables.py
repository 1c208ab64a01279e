"""Tables of the groups that mixtures make: against known labels, unused experts, other seeds.

Runs are from `load_runs`; those that are no mixtures do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from survkit.metrics.clustering import adjusted_rand_index, chosen_expert, contingency
from survkit.pages.text_tables import TextTable
from survkit.report.summary_tables import mean_cells
from survkit.report.tables import seed_means
from survkit.runs.predictions import read_test_predictions
from survkit.runs.table import seed_text
from survkit.runs.variants import variant_labels
from survkit.types import FloatArray, InputError

CLUSTERING = ("purity", "nmi", "ari")


def mixture_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of mixtures: those whose records tell each expert's load.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`.

    Raises
    ------
    InputError
        Where there is none.
    """
    known = runs[runs["test_expert_load"].notna()] if "test_expert_load" in runs else runs[:0]
    if known.empty:
        raise InputError(f"no run of a mixture among those of {', '.join(set(runs['model']))}")
    return known


def clustering_table(runs: pd.DataFrame) -> TextTable:
    """Return how well each mixture's experts match the known labels, over seeds.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`; runs that are no mixtures do not count.

    Raises
    ------
    InputError
        Where no run is a mixture, or its data have no labels.
    """
    mixtures = mixture_runs(runs)
    if "test_ari" not in mixtures or mixtures["test_ari"].isna().all():
        raise InputError(
            f"the subjects of {mixtures['dataset'].iloc[0]} have no known labels to compare "
            "experts with; those of mnist and digits have"
        )
    labels = variant_labels(mixtures)
    rows = {}
    for model, own in seed_means(mixtures, CLUSTERING).groupby("model", sort=False):
        loads = mixtures.loc[labels == model, "test_expert_load"]
        unused = [len(unrouted_experts(load)) for load in loads]
        range_of_unused = dict.fromkeys(map(str, (min(unused), max(unused))))
        rows[str(model)] = {
            "runs": str(len(loads)),
            "experts": str(len(loads.iloc[0])),
            **mean_cells(own),
            "experts without subjects": " to ".join(range_of_unused),
        }
    text = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return TextTable(
        "Experts against labels",
        text,
        notes=(
            "Mean and standard deviation over seeds; purity in percent. A test subject belongs to "
            "the expert of its largest router weight.",
            "Purity grows with the number of experts. The adjusted Rand index (ari) is 0 on "
            "average for groups made by chance; it and normalised mutual information (nmi) are 1 "
            "for the labels themselves. Experts without subjects: least and largest number over "
            "runs.",
        ),
    )


def unrouted_table(runs: pd.DataFrame) -> TextTable:
    """Return for each run of a mixture the experts to which no test subject is routed.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`; runs that are no mixtures do not count.

    Raises
    ------
    InputError
        Where no run is a mixture.
    """
    mixtures = mixture_runs(runs)
    rows = []
    for seed, load in zip(mixtures["seed"], mixtures["test_expert_load"], strict=True):
        unused = ", ".join(map(str, unrouted_experts(load))) or "none"
        rows.append([seed_text(seed), str(len(load)), unused, f"{100 * max(load):.0f} %"])
    text = pd.DataFrame(
        rows,
        index=pd.Index(variant_labels(mixtures), name="model"),
        columns=["seed", "experts", "experts without subjects", "largest share of subjects"],
    )
    return TextTable("Experts to which no test subject is routed", text, words=(text.columns[2],))


def unrouted_experts(load: Sequence[float] | FloatArray) -> list[int]:
    """Return the numbers, from 1, of the experts whose load is 0.

    Parameters
    ----------
    load : sequence of float, length E
        The share of the subjects of each expert.
    """
    return [int(expert) + 1 for expert in np.flatnonzero(np.asarray(load) == 0)]


def pairwise_agreement(weights: Sequence[FloatArray]) -> dict[tuple[int, int], float]:
    """Return the adjusted Rand index of the groups of every two routers of the same subjects.

    Parameters
    ----------
    weights : sequence of array, shape (n, E)
        Each router's weights; a subject belongs to the expert of the largest.

    Returns
    -------
    dict
        By the places (i, j), i < j, of the two in `weights`.
    """
    return {
        (i, j): float(adjusted_rand_index(contingency(one, other))[0])
        for (i, one), (j, other) in combinations(enumerate(map(chosen_expert, weights)), 2)
    }


def agreement_over_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """Return how far the groups of every two seeds of a mixture agree.

    Parameters
    ----------
    runs : DataFrame
        From `load_runs`; runs that are no mixtures do not count.

    Returns
    -------
    DataFrame
        A row for each model and pair of its runs: model, seed, other_seed, adjusted_rand_index.

    Raises
    ------
    InputError
        Where no run is a mixture, or as `read_test_predictions`.
    """
    mixtures = mixture_runs(runs)
    rows = []
    for model, own in mixtures.groupby(variant_labels(mixtures), sort=False):
        seeds = [seed_text(seed) for seed in own["seed"]]
        predictions, _ = read_test_predictions(list(own["path"]))
        weights = [p.expert_weights for p in predictions if p.expert_weights is not None]
        rows += [
            (str(model), seeds[i], seeds[j], index)
            for (i, j), index in pairwise_agreement(weights).items()
        ]
    return pd.DataFrame(rows, columns=["model", "seed", "other_seed", "adjusted_rand_index"])


def agreement_table(agreement: pd.DataFrame) -> TextTable:
    """Return the mean, least and largest agreement of two seeds, by model.

    Parameters
    ----------
    agreement : DataFrame
        From `agreement_over_seeds`.
    """
    by_model = agreement.groupby("model", sort=False)["adjusted_rand_index"]
    numbers = by_model.agg(["count", "mean", "min", "max"])
    text = numbers.map("{:.3f}".format).assign(count=numbers["count"].astype(str))
    text.columns = pd.Index(["pairs of seeds", "mean", "least", "largest"])
    return TextTable(
        "Adjusted Rand index between the groups of two seeds",
        text,
        notes=(
            "1: the same groups; 0: they agree no more than by chance."
            + (" No model has two runs." if agreement.empty else ""),
        ),
    )


def agreement_matrix(agreement: pd.DataFrame, model: str) -> TextTable:
    """Return the agreement of every two seeds of one model.

    Parameters
    ----------
    agreement : DataFrame
        From `agreement_over_seeds`.
    model : str
        One of its models, as it is called there.
    """
    own = agreement[agreement["model"] == model]
    seeds = list(dict.fromkeys([*own["seed"], *own["other_seed"]]))
    text = pd.DataFrame("", index=pd.Index(seeds, name="seed"), columns=seeds)
    for row in own.to_dict("records"):
        for pair in ((row["seed"], row["other_seed"]), (row["other_seed"], row["seed"])):
            text.loc[pair] = f"{row['adjusted_rand_index']:.3f}"
    none = f"No two runs of {model} differ in their seed alone."
    caption = f"Adjusted Rand index of {model}, seed by seed"
    return TextTable(caption, text, notes=(none,) if own.empty else ())
