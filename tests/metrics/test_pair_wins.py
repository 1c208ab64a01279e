import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survkit.metrics import pair_wins


def literal_wins(risk, row, anchors, drawn):
    won = np.zeros((len(anchors), drawn.shape[1]))
    for e, (k, i) in enumerate(zip(row, anchors, strict=True)):
        for j in range(i + 1, len(drawn)):
            won[e] += (2 * (risk[k, i] > risk[k, j]) + (risk[k, i] == risk[k, j])) * drawn[j]
    return won


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 20), st.integers(0, 10_000), st.data())
def test_wins_agree_with_their_definition_by_pairs_and_by_sorting(n, rows, kinds, seed, data):
    rng = np.random.default_rng(seed)
    risk = rng.integers(kinds, size=(rows, n)).astype(float)
    risk[rng.random((rows, n)) < 0.1] = -np.inf
    anchors = np.flatnonzero(rng.random(n) < 0.6)
    row = np.sort(rng.integers(rows, size=len(anchors)))
    drawn = rng.integers(4, size=(n, 3)).astype(data.draw(st.sampled_from([np.float32, float])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_wins, "_LEAF", data.draw(st.sampled_from([1, 3, 256])))
        won = pair_wins.wins_twice(risk, row, anchors, drawn)
    assert won.dtype == drawn.dtype
    np.testing.assert_array_equal(won, literal_wins(risk, row, anchors, drawn))
