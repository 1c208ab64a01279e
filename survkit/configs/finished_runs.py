"""Configurations of the commands that read finished runs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import Literal

from survkit.configs.decision_curves import (
    check_decision_curves,
    decision_thresholds_option,
    decision_times_option,
)
from survkit.configs.groups import check_group
from survkit.configs.options import option, validate
from survkit.configs.subgroups import check_subgroup_names
from survkit.types import InputError

_members = partial(option, topic="Members")
_choices = partial(option, topic="Choices on the validation split")
_record = partial(option, topic="Record")
_explain = partial(option, topic="Run to explain")
_new_patients = partial(option, topic="New patients to explain")
_survlime = partial(option, topic="SurvLIME")
_survshap = partial(option, topic="SurvSHAP(t)")
_importance = partial(option, topic="Permutation importance")
_computation = partial(option, topic="Computation")
_prediction = partial(option, topic="Prediction")
_similar = partial(option, topic="Similar training patients")
_report = partial(option, topic="Report")


@dataclass(frozen=True)
class EnsembleConfig:
    """Which runs are combined, and how."""

    log_dir: str = _members("./logs", "folder of all records")
    group: str | None = _members(None, "group of runs, a subfolder of log_dir")
    models: tuple[str, ...] = _members(
        (), "models to combine the runs of", shown_default="all of the group"
    )
    data_dir: str | None = _members(
        None, "folder of the data files", shown_default="that of the runs"
    )

    select: bool = _choices(
        False,
        "make one ensemble over the models, weighed to lower integrated_brier together, "
        "instead of one over the seeds of each model",
    )
    calibrate: bool = _choices(
        False, "map the ensemble's probabilities as the validation rows suggest"
    )

    bootstrap: int = _record(
        1000, "bootstrap samples for the test intervals", at_least=0, at_most=1_000_000
    )
    overwrite: bool = _record(False, "make an ensemble again though there is a complete record")

    def __post_init__(self) -> None:
        validate(self)
        if not self.group:
            raise InputError("--group is needed: the group of runs, a subfolder of --log_dir")
        check_group(self.group)
        if len(set(self.models)) < len(self.models):
            raise InputError(f"--models names a model twice: {' '.join(self.models)}")


_METHODS = ("SurvLIME", "SurvSHAP(t)", "Permutation importance")
"""Topics of flags that one method alone reads."""


@dataclass(frozen=True)
class ExplainConfig:
    """Which subjects of a run to explain, and how; or which features its predictions need."""

    run: str | None = _explain(None, "folder of a trained run, as logs/group/id")
    rows: tuple[int, ...] = _explain(
        (),
        "places in the test split of the subjects to explain",
        at_least=0,
        shown_default="0, or none with --csv",
    )
    data_dir: str | None = _explain(None, "folder of the data files", shown_default="the run's own")
    cause: str | None = _explain(
        None,
        "competing cause whose cumulative incidence to explain",
        shown_default="none: survival without any event",
    )
    method: Literal["survlime", "survshap", "both"] = _explain(
        "survlime",
        "SurvLIME's hazard ratios, SurvSHAP(t)'s changes of the survival curve at every time, or "
        "both with what they disagree on",
    )

    csv: str | None = _new_patients(
        None, "table of new patients, with the columns that the run was trained on"
    )
    id_column: str | None = _new_patients(
        None,
        "column of the table that names a patient and is no feature",
        shown_default="none: patients are numbered by row, from 1",
    )
    ids: tuple[str, ...] = _new_patients(
        (), "patients of the table to explain", shown_default="all, where there are up to 20"
    )
    out: str | None = _new_patients(
        None,
        "folder to write to",
        shown_default="explain in the run's folder, and in it one for each table of new patients",
    )

    num_repetitions: int = _survlime(10, "sets of neighbours for each subject", at_least=1)
    num_samples: int = _survlime(1000, "neighbours in a set", at_least=1)
    kernel_width: float | None = _survlime(
        None,
        "width of the neighbourhood, in standard deviations",
        above=0,
        shown_default="Silverman's",
    )
    functional_norm: str = _survlime(
        "2", "norm that compares log hazards: a number of at least 1, or inf"
    )
    baseline: Literal["model", "nelson-aalen"] = _survlime(
        "model", "baseline hazard: the model's own at the subject, or the paper's, which is biased"
    )
    weighting: Literal["equal", "density"] = _survlime(
        "equal",
        "draw near neighbours and weight them alike, or the paper's weights, which need "
        "very many neighbours where there are many features",
    )
    max_difference_time_allowed: float | None = _survlime(
        None, "longer intervals between times count as this long", above=0, shown_default="no bound"
    )
    max_hazard_value_allowed: float | None = _survlime(
        None,
        "larger cumulative hazards count as this",
        above=0,
        shown_default="36.04, which is survival of 2.2e-16; 700 for coxph and deepsurv",
    )
    num_workers: int = _survlime(1, "threads; they change no answer", at_least=1)

    background: int | None = _survshap(
        None,
        "training rows, drawn at random, whose mean curve the subject's is compared with",
        at_least=1,
        shown_default="100, or all training rows where there are fewer",
    )
    max_coalitions: int | None = _survshap(
        None,
        "most sets of features to compute for each subject; values are exact where all are within "
        "it, and come from random orders of the features otherwise",
        at_least=2,
        at_most=2**20,
        shown_default="2048: all sets of up to 11 features; more where four pairs of orders need "
        "it",
    )

    importance: bool = _importance(
        False,
        "instead of explaining subjects, shuffle each feature among the test subjects and give "
        "what that costs: Brier score over time, integrated Brier score, concordance",
    )
    importance_repeats: int | None = _importance(
        None, "times that each feature is shuffled", at_least=1, shown_default="5"
    )

    batch_size: int | None = _computation(
        None,
        "most rows in one call of the model",
        at_least=1,
        shown_default="what gives four million values, or one set of neighbours",
    )
    seed: int = _computation(42, "seed of neighbours, background, orders and shuffles", at_least=0)

    def __post_init__(self) -> None:
        validate(self)
        if self.csv is not None and self.rows:
            raise InputError(
                "--rows names test subjects and --csv is a table of new patients; give one of them"
            )
        for name in ("id_column", "ids"):
            if self.csv is None and getattr(self, name):
                raise InputError(f"--{name} belongs to a table of new patients; --csv names it")
        self._refuse_unread()

    def _refuse_unread(self) -> None:
        """Refuse flags of what is not computed."""
        computed = {"survlime": ("SurvLIME",), "survshap": ("SurvSHAP(t)",)}.get(
            self.method, ("SurvLIME", "SurvSHAP(t)")
        )
        what = f"--method {self.method}"
        if self.importance:
            what, computed = "--importance", ("Permutation importance",)
            for name in ("rows", "csv"):
                if getattr(self, name):
                    raise InputError(
                        f"--{name} chooses subjects, and --importance is that of the whole test "
                        "split; give one of them"
                    )
            if self.method != "survlime":
                raise InputError(
                    f"--method {self.method} explains subjects, and --importance does not; give "
                    "one of them"
                )
        for field in fields(self):
            topic = field.metadata["topic"]
            unread = topic in _METHODS and topic not in computed
            if unread and getattr(self, field.name) != field.default:
                raise InputError(
                    f"--{field.name} belongs to {topic}, which {what} does not compute"
                )


@dataclass(frozen=True)
class PredictConfig:
    """Which run predicts, for whom, and what."""

    run: str | None = _prediction(None, "folder of the run, with checkpoint.pt")
    csv: str | None = _prediction(
        None, "table of the patients, with the columns that the run was trained on"
    )
    times: tuple[float, ...] = _prediction(
        (), "times at which survival is predicted, in the data's unit", at_least=0
    )
    id_column: str | None = _prediction(
        None,
        "column of the table that names a patient and is no feature",
        shown_default="none: patients are numbered by row",
    )
    out: str | None = _prediction(
        None, "table to write", shown_default="PATIENTS_predictions.csv beside PATIENTS.csv"
    )

    similar: int | None = _similar(
        None,
        "most similar training patients to name for each",
        at_least=0,
        at_most=1000,
        shown_default="3 for a network, 0 for other models",
    )
    data_dir: str | None = _similar(
        None, "folder of the data files that the run was trained on", shown_default="the run's"
    )

    def __post_init__(self) -> None:
        validate(self)
        for name, what in (
            ("run", "the folder of a run, as logs/support2/0123456789abcdef"),
            ("csv", "a table of patients"),
            ("times", "one or more times, as 30 180 365"),
        ):
            if not getattr(self, name):
                raise InputError(f"--{name} is needed: {what}")
        if len(set(self.times)) < len(self.times):
            raise InputError(
                f"--times names a time twice: {' '.join(map('{:g}'.format, self.times))}"
            )


@dataclass(frozen=True)
class ReportConfig:
    """Which runs to report on, and how to compare them."""

    log_dir: str = _report("./logs", "folder of all records")
    group: str | None = _report(None, "group of runs, a subfolder of log_dir")
    metrics: tuple[str, ...] = _report(
        (),
        "test metrics of the tables, or other numbers of the records such as peak_memory_mb",
        shown_default="concordance, Brier scores and calibration error; on the page also loss",
    )
    reference: str | None = _report(
        None,
        "model that the others are compared with",
        shown_default="mtlr, or the first one without it",
    )
    bootstrap: int = _report(
        1000,
        "resamples of the test subjects for the intervals of differences; 0 for none",
        at_least=0,
        at_most=1_000_000,
    )
    subgroups: tuple[str, ...] = _report(
        (),
        "columns whose subgroups of the test subjects are scored and compared, as sex age:50,65 "
        "expert",
        shown_default="those of the runs' records",
    )
    decision_times: tuple[float, ...] = decision_times_option("Report")
    decision_thresholds: tuple[float, ...] = decision_thresholds_option("Report")
    data_dir: str | None = _report(
        None, "folder of the data files", shown_default="that of the runs, or $SURVKIT_DATA_DIR"
    )

    def __post_init__(self) -> None:
        validate(self)
        if self.group is None:
            raise InputError("--group is needed: a subfolder of --log_dir")
        check_group(self.group)
        check_subgroup_names(self.subgroups)
        check_decision_curves(self.decision_times, self.decision_thresholds)
