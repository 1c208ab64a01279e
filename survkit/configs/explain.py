"""Configuration of explaining a trained run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from survkit.configs.options import option, validate

TOPIC = "Run to explain"
METHOD = "SurvLIME"


@dataclass(frozen=True)
class ExplainConfig:
    """Which subjects of a run to explain, and how."""

    run: str | None = option(None, topic=TOPIC, help="folder of a trained run, as logs/group/id")
    rows: tuple[int, ...] = option(
        (0,),
        topic=TOPIC,
        at_least=0,
        help="places in the test split of the subjects to explain",
        shown_default="0",
    )
    data_dir: str | None = option(
        None, topic=TOPIC, help="folder of the data files", shown_default="the run's own"
    )

    num_repetitions: int = option(
        10, topic=METHOD, at_least=1, help="sets of neighbours for each subject"
    )
    num_samples: int = option(1000, topic=METHOD, at_least=1, help="neighbours in a set")
    kernel_width: float | None = option(
        None,
        topic=METHOD,
        above=0,
        help="width of the neighbourhood, in standard deviations",
        shown_default="Silverman's",
    )
    functional_norm: str = option(
        "2", topic=METHOD, help="norm that compares log hazards: a number of at least 1, or inf"
    )
    baseline: Literal["model", "nelson-aalen"] = option(
        "model",
        topic=METHOD,
        help="baseline hazard: the model's own at the subject, or the paper's, which is biased",
    )
    weighting: Literal["equal", "density"] = option(
        "equal",
        topic=METHOD,
        help="draw near neighbours and weight them alike, or the paper's weights, which need "
        "very many neighbours where there are many features",
    )
    max_difference_time_allowed: float | None = option(
        None,
        topic=METHOD,
        above=0,
        help="longer intervals between times count as this long",
        shown_default="no bound",
    )
    max_hazard_value_allowed: float | None = option(
        None,
        topic=METHOD,
        above=0,
        help="larger cumulative hazards count as this",
        shown_default="36.04, which is survival of 2.2e-16",
    )
    batch_size: int | None = option(
        None,
        topic=METHOD,
        at_least=1,
        help="most rows in one call of the model",
        shown_default="what gives four million values, or one set of neighbours",
    )
    num_workers: int = option(1, topic=METHOD, at_least=1, help="threads; they change no answer")
    seed: int = option(42, topic=METHOD, at_least=0, help="seed of the neighbours")

    def __post_init__(self) -> None:
        validate(self)
