"""Configuration of the evaluation of a finished run on other data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from survkit.configs.decision_curves import (
    check_decision_curves,
    decision_thresholds_option,
    decision_times_option,
)
from survkit.configs.options import option, validate
from survkit.configs.subgroups import check_subgroup_names
from survkit.types import InputError

_run = partial(option, topic="Run to evaluate")
_metrics = partial(option, topic="Metrics")
_recalibration = partial(option, topic="Recalibration on a part of the new data")


@dataclass(frozen=True)
class EvaluateConfig:
    """Which run is evaluated on which data, and how; without new data, on its own test rows."""

    run: str | None = _run(None, "folder of the run, as logs/group/id", is_path=True)
    csv: str | None = _run(
        None,
        "table to evaluate it on, with the columns that it was trained on and the outcome",
        is_path=True,
        shown_default="--dataset, or the run's own test rows",
    )
    out: str | None = _run(
        None,
        "folder to write to",
        is_path=True,
        shown_default="one in the folder evaluations of the run's folder",
    )

    evaluation_times: tuple[float, ...] = _metrics(
        (),
        "further times of metrics and of calibration, in the run's unit",
        above=0,
        shown_default="those of the run",
    )
    min_at_risk: int | None = _metrics(
        None,
        "subjects who must still be at risk at the time of a metric; it is missing otherwise",
        at_least=0,
        at_most=10**9,
        shown_default="that of the run, or 10",
    )
    bootstrap: int | None = _metrics(
        None,
        "bootstrap samples for the intervals; 0 for none",
        at_least=0,
        at_most=1_000_000,
        shown_default="as for the run",
    )

    subgroups: tuple[str, ...] = _metrics(
        (),
        "columns whose subgroups are scored and compared, as sex age:50,65 expert",
    )

    decision_times: tuple[float, ...] = decision_times_option("Decision curves")
    decision_thresholds: tuple[float, ...] = decision_thresholds_option("Decision curves")

    recalibrate: Literal["none", "intercept", "slope"] = _recalibration(
        "none", "map the predictions by an intercept, or by an intercept and a slope"
    )
    recalibrate_share: float = _recalibration(
        0.5,
        "share of the subjects that it is fitted on; the others are evaluated",
        above=0,
        below=1,
    )
    recalibrate_seed: int = _recalibration(
        42, "seed of the choice of these subjects", at_least=0, at_most=2**32 - 1
    )

    def __post_init__(self) -> None:
        validate(self)
        check_subgroup_names(self.subgroups)
        check_decision_curves(self.decision_times, self.decision_thresholds)
        if not self.run:
            raise InputError(
                "--run is needed: the folder of a run, as logs/support2/0123456789abcdef"
            )
        if len(set(self.evaluation_times)) < len(self.evaluation_times):
            times = " ".join(map("{:g}".format, self.evaluation_times))
            raise InputError(f"--evaluation_times names a time twice: {times}")
