from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from survkit.datasets.calibration_rows import hold_out_calibration
from survkit.types import InputError
from tests.conftest import make_data


def test_rows_are_parted_with_their_share_of_the_events() -> None:
    data = make_data(501, seed=0)
    fit, calibration = hold_out_calibration(data, 0.2, seed=42)
    assert (len(fit), len(calibration)) == (401, 100)
    assert calibration.event.mean() == pytest.approx(data.event.mean(), abs=0.01)
    times = np.sort(np.concatenate([fit.time, calibration.time]))
    np.testing.assert_array_equal(times, np.sort(data.time))
    again, _ = hold_out_calibration(data, 0.2, seed=42)
    np.testing.assert_array_equal(again.time, fit.time)
    other, _ = hold_out_calibration(data, 0.2, seed=43)
    assert not np.array_equal(other.time, fit.time)


def test_subjects_stay_whole() -> None:
    data = make_data(300, seed=1)
    subject = np.random.default_rng(0).integers(0, 90, 300)
    fit, calibration = hold_out_calibration(replace(data, subject_id=subject), 0.3, seed=1)
    assert fit.subject_id is not None
    assert calibration.subject_id is not None
    assert not set(fit.subject_id) & set(calibration.subject_id)
    assert calibration.num_subjects == round(0.3 * len(np.unique(subject)))


@pytest.mark.parametrize(("share", "what"), [(0.001, "calibration"), (0.999, "fitting")])
def test_too_few_rows_are_refused(share: float, what: str) -> None:
    with pytest.raises(InputError, match=rf"{share:g} of 60 .* for {what}"):
        hold_out_calibration(make_data(60, seed=2), share, seed=42)


def test_a_part_without_events_is_refused() -> None:
    data = make_data(40, seed=3)
    event = np.zeros(40, dtype=bool)
    event[7] = True
    with pytest.raises(InputError, match="with 0 events for"):
        hold_out_calibration(replace(data, event=event), 0.2, seed=42)
