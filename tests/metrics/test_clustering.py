import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from survkit.metrics.bootstrap import resample_counts
from survkit.metrics.clustering import (
    adjusted_rand_index,
    contingency,
    dead_experts,
    expert_load,
    normalized_mutual_information,
    purity,
    router_entropy,
)

RNG = np.random.default_rng(0)
LABEL = RNG.integers(4, size=60)
GROUPINGS = {
    "noisy": np.where(RNG.random(60) < 0.3, RNG.integers(5, size=60), LABEL),
    "random": RNG.integers(5, size=60),
    "same": LABEL * 7,
    "one group": np.zeros(60, dtype=int),
    "all alone": np.arange(60),
}


@pytest.mark.parametrize("name", GROUPINGS)
def test_agreement_with_scikit_learn(name):
    cluster = GROUPINGS[name]
    counts = np.vstack([np.ones(60), resample_counts(60, resamples=3, seed=0)])
    table = contingency(cluster, LABEL, counts)
    for b, count in enumerate(counts):
        rows = np.repeat(np.arange(60), count.astype(int))
        pair = LABEL[rows], cluster[rows]
        majority = contingency_matrix(*pair).max(axis=0).sum() / len(rows)
        assert purity(table)[b] == pytest.approx(majority)
        assert adjusted_rand_index(table)[b] == pytest.approx(adjusted_rand_score(*pair))
        information = normalized_mutual_info_score(*pair)
        assert normalized_mutual_information(table)[b] == pytest.approx(information, abs=1e-9)


def test_trivial_groupings_agree():
    table = contingency(np.zeros(5, dtype=int), np.ones(5, dtype=int))
    assert [score(table)[0] for score in (purity, adjusted_rand_index)] == [1.0, 1.0]
    assert normalized_mutual_information(table)[0] == 1.0


def test_expert_use():
    weights = np.array([[0.7, 0.2, 0.1], [0.4, 0.4, 0.2], [0.0, 1.0, 0.0], [0.9, 0.1, 0.0]])
    assert expert_load(weights).tolist() == [0.75, 0.25, 0.0]
    assert dead_experts(weights) == 1
    entropy = router_entropy(weights)
    assert entropy[2] == 0
    assert entropy[0] == pytest.approx(-(0.7 * np.log(0.7) + 0.2 * np.log(0.2) + 0.1 * np.log(0.1)))
    assert router_entropy(np.full((1, 8), 1 / 8))[0] == pytest.approx(np.log(8))
