"""How a mixture's router uses its experts, and how well experts match known groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survkit.metrics.bootstrap import once_each, ratio
from survkit.types import FloatArray, IntArray


def chosen_expert(expert_weights: FloatArray) -> NDArray[np.int64]:
    """Return the expert that each subject's router weights (n, E) favour, shape (n,).

    Of experts with equal weights the first is returned.
    """
    return np.asarray(np.argmax(expert_weights, axis=1))


def expert_load(expert_weights: FloatArray) -> NDArray[np.float64]:
    """Return the share of subjects whose router weights (n, E) favour each expert, shape (E,)."""
    n, experts = expert_weights.shape
    return np.asarray(np.bincount(chosen_expert(expert_weights), minlength=experts) / n)


def dead_experts(expert_weights: FloatArray) -> int:
    """Count the experts that no subject's router weights (n, E) favour."""
    return int(np.count_nonzero(expert_load(expert_weights) == 0))


def router_entropy(expert_weights: FloatArray) -> NDArray[np.float64]:
    """Entropy of each subject's router weights (n, E), shape (n,), in nats: 0 to log(E)."""
    return _entropy(np.asarray(expert_weights, dtype=np.float64))


def contingency(
    cluster: IntArray, label: IntArray, counts: FloatArray | None = None
) -> NDArray[np.float64]:
    """Count subjects by cluster and label in every resample.

    Parameters
    ----------
    cluster, label : array, shape (n,)
        Two groupings of the subjects.
    counts : array, shape (b, n), optional
        How often each subject is drawn; once each where not given (b = 1).

    Returns
    -------
    array, shape (b, clusters, labels), float64
        Only the clusters and labels that occur.
    """
    counts = once_each(len(cluster)) if counts is None else counts
    clusters, row = np.unique(cluster, return_inverse=True)
    labels, column = np.unique(label, return_inverse=True)
    member = np.zeros((len(cluster), len(clusters) * len(labels)), dtype=counts.dtype)
    member[np.arange(len(cluster)), row * len(labels) + column] = 1
    table = (counts @ member).astype(np.float64)
    return table.reshape(len(counts), len(clusters), len(labels))


def purity(table: FloatArray) -> NDArray[np.float64]:
    """Share of subjects with the most common label of their cluster, shape (b,).

    Takes a table from `contingency`, shape (b, clusters, labels).

    References
    ----------
    Manning, Raghavan & Schuetze (2008), Introduction to Information Retrieval, equation 16.1.
    """
    return ratio(table.max(axis=2).sum(axis=1), table.sum(axis=(1, 2)))


def adjusted_rand_index(table: FloatArray) -> NDArray[np.float64]:
    """Rand index corrected for chance, shape (b,); 1 where both groupings are trivial and equal.

    Takes a table from `contingency`, shape (b, clusters, labels).

    References
    ----------
    Hubert & Arabie (1985), Journal of Classification 2:193, equation 5.
    """
    together = _pairs(table).sum(axis=(1, 2))
    same_cluster = _pairs(table.sum(axis=2)).sum(axis=1)
    same_label = _pairs(table.sum(axis=1)).sum(axis=1)
    expected = ratio(same_cluster * same_label, _pairs(table.sum(axis=(1, 2))))
    index = ratio(together - expected, (same_cluster + same_label) / 2 - expected)
    trivial = (together == same_cluster) & (together == same_label)
    return np.where(trivial, 1.0, index)


def normalized_mutual_information(table: FloatArray) -> NDArray[np.float64]:
    """Mutual information over the mean of the two entropies, shape (b,); 1 for one group twice.

    Takes a table from `contingency`, shape (b, clusters, labels).

    References
    ----------
    Vinh, Epps & Bailey (2010), Journal of Machine Learning Research 11:2837 (NMI_sum).
    """
    share = table / table.sum(axis=(1, 2), keepdims=True)
    cluster, label = _entropy(share.sum(axis=2)), _entropy(share.sum(axis=1))
    information = cluster + label - _entropy(share.reshape(len(share), -1))
    trivial = (cluster == 0) & (label == 0)
    return np.where(trivial, 1.0, ratio(information, (cluster + label) / 2))


def _pairs(count: FloatArray) -> FloatArray:
    return count * (count - 1) / 2


def _entropy(share: FloatArray) -> NDArray[np.float64]:
    logs = np.log(share, out=np.zeros(share.shape), where=share > 0)
    # Adding 0 turns -0.0 into 0.0.
    return np.asarray(-(share * logs).sum(axis=-1) + 0.0)
