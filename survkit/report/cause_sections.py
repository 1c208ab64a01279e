"""The part of a report on competing causes of the event."""

from __future__ import annotations

from functools import partial

import numpy as np

from survkit.pages.document import Picture, Section
from survkit.pages.svg import draw_svg, height_with_legend
from survkit.report.calibration_figures import cause_calibration_over_time
from survkit.report.cause_figures import incidence_curves, stacked_incidences
from survkit.report.material import Material
from survkit.runs.metric_text import MetricTime

ABOUT = (
    "The cumulative incidence of a cause at a time is the probability of an event of that cause by "
    "then. Those of all causes and survival without any event sum to 1. Observed is the "
    "Aalen-Johansen estimate; 1 minus Kaplan-Meier, with the other causes counted as censored, "
    "would overestimate it."
)

ABOUT_CALIBRATION = (
    "Calibration: observed against predicted cumulative incidence, predictions averaged over "
    "seeds, subjects grouped in tenths. Points below the line: risk is overestimated."
)


def causes_section(material: Material, times: list[MetricTime]) -> Section | None:
    """Return the part on competing causes, where the data have several.

    `times` are those at which calibration is shown.
    """
    if not material.test.cause_names:
        return None
    parts = [
        _cause_part(material, cause, times)
        for cause in range(1, len(material.test.cause_names) + 1)
    ]
    return Section(
        "Competing causes",
        (ABOUT, ABOUT_CALIBRATION),
        pictures=tuple(_stacked(material)),
        parts=tuple(parts),
    )


def _stacked(material: Material) -> list[Picture]:
    return [
        Picture(
            draw_svg(
                partial(
                    stacked_incidences,
                    prediction,
                    material.test.cause_names,
                    time_unit=material.time_unit,
                ),
                width=3.75,
                height=3.3,
                label=f"cumulative incidences of {model}",
            ),
            f"{model}: mean cumulative incidences of the test subjects, stacked.",
        )
        for model, prediction in material.predictions.items()
    ]


def _cause_part(material: Material, cause: int, times: list[MetricTime]) -> Section:
    test, unit = material.test, material.time_unit
    name = test.cause_names[cause - 1]
    assert test.cause is not None
    events = int(np.count_nonzero(test.cause == cause))
    pictures = [
        Picture(
            draw_svg(
                partial(incidence_curves, material.predictions, test, cause, time_unit=unit),
                width=4.8,
                height=height_with_legend(1 + len(material.predictions)),
                label=f"mean predicted cumulative incidence of {name}",
            ),
            f"Mean predicted cumulative incidence of {name}, over the Aalen-Johansen curve.",
        )
    ]
    pictures += [
        Picture(
            draw_svg(
                partial(
                    cause_calibration_over_time,
                    prediction,
                    test,
                    cause,
                    times=[time.time for time in times],
                    at_risk=[time.at_risk for time in times],
                    time_unit=unit,
                ),
                width=3.75,
                height=4.15 + 0.2 * len(times),
                label=f"calibration of {model} for {name}",
            ),
            model,
        )
        for model, prediction in material.predictions.items()
        if times
    ]
    fact = f"{events:,} of the {len(test):,} test subjects had an event of this cause."
    return Section(name, (fact,), pictures=tuple(pictures))
