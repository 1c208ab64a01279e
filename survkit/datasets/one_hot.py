"""One-hot features, for models that know no categorical columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from survkit.types import CategoricalColumn


def one_hot(
    features: NDArray[np.float32],
    categorical: Sequence[CategoricalColumn],
    feature_names: Sequence[str],
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Replace each categorical column by one 0/1 column a known value.

    A missing or unseen value (code 0) is a row of zeros: it needs no column of its own, which
    would be constant wherever no training row misses the value.

    Parameters
    ----------
    features : array, shape (n, p), float32
        Features with integer codes in the categorical columns.
    categorical : sequence of CategoricalColumn
        The columns of codes.
    feature_names : sequence of str, length p
        The columns' names.

    Returns
    -------
    matrix : array, shape (n, q), float32
        The other columns first, then `cardinality - 1` columns for each categorical one.
    names : tuple of str, length q
        `<name>=<code>` for the new columns.
    """
    coded = {c.column for c in categorical}
    kept = [j for j in range(features.shape[1]) if j not in coded]
    blocks = [features[:, kept]]
    names = [feature_names[j] for j in kept]
    for column, cardinality in categorical:
        codes = np.arange(1, cardinality, dtype=np.float32)
        blocks.append((features[:, [column]] == codes).astype(np.float32))
        names += [f"{feature_names[column]}={code:.0f}" for code in codes]
    return np.concatenate(blocks, axis=1), tuple(names)
