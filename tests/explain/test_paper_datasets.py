"""The SurvLIME paper's datasets: what is dropped, how they are split and encoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from survkit.explain.paper_datasets import load_paper_dataset
from survkit.types import InputError


def test_every_column_is_standardised_by_the_training_rows_alone() -> None:
    data = load_paper_dataset("veteran")
    train = np.arange(100)
    encoded = data.encode(train)
    assert list(encoded)[2:5] == ["celltype_large", "celltype_smallcell", "celltype_squamous"]
    raw = data.features
    by_hand = {
        "trt": raw["trt"] == 2,
        "celltype_large": raw["celltype"] == "large",
        "karno": raw["karno"],
    }
    for name, column in by_hand.items():
        values = column.to_numpy(dtype=float)[:, None]
        expected = StandardScaler().fit(values[train]).transform(values)[:, 0]
        np.testing.assert_allclose(encoded[name], expected, atol=1e-12)
    assert encoded["karno"].mean() != pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(("name", "sizes"), [("lung", (188, 21)), ("veteran", (123, 14))])
def test_a_tenth_of_the_subjects_is_for_testing(name: str, sizes: tuple[int, int]) -> None:
    data = load_paper_dataset(name)
    train, test = data.split()
    assert (len(train), len(test)) == sizes
    np.testing.assert_array_equal(np.sort([*train, *test]), np.arange(len(data)))
    assert not np.array_equal(test, data.split(seed=1)[1])


def test_the_missing_risk_score_is_the_training_median_or_its_subject_is_dropped(
    real_data_dir: Path,
) -> None:
    data = load_paper_dataset("udca", real_data_dir)
    (missing,) = np.flatnonzero(data.features["riskscore"].isna())
    train, test = data.split()
    assert (len(train), len(test)) == (153, 17)
    scores = data.features["riskscore"].to_numpy()
    known = scores[train][~np.isnan(scores[train])]
    nearest = np.abs(scores - np.median(known))
    encoded = data.encode(train)["riskscore"].to_numpy()
    assert encoded[missing] == pytest.approx(encoded[np.nanargmin(nearest)])
    assert np.nanmin(nearest) == 0
    dropped = load_paper_dataset("udca", real_data_dir, missing_riskscore="drop")
    assert len(dropped) == len(data) - 1
    assert not dropped.features.isna().any(axis=None)
    np.testing.assert_array_equal(dropped.time, np.delete(data.time, missing))


def test_unknown_names_and_missing_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown dataset 'veterans' \(did you mean veteran\?\)"):
        load_paper_dataset("veterans")
    with pytest.raises(InputError, match="udca needs data_dir"):
        load_paper_dataset("udca")
    with pytest.raises(InputError, match="cannot read"):
        load_paper_dataset("udca", tmp_path)
    with pytest.raises(InputError, match="missing_riskscore is 'mean'; it must be one of median"):
        load_paper_dataset("udca", tmp_path, missing_riskscore="mean")  # type: ignore[arg-type]
